"""A pydantic error in one line for whoever wrote the file: the key, what would be right, what is there."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

MAX_SHOWN = 60
TECHNICAL_LIMIT = 2**20
"""From here on an upper limit is left out, unless it was met: nobody wants to read it otherwise."""


@dataclass(frozen=True)
class Problem:
    """``key`` is dotted, and empty for the document as a whole."""

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}" if self.key else self.text


def explain(error: ValidationError, model: type[BaseModel]) -> Problem:
    """The first problem that validating a document against ``model`` found, and how many keys have others.

    pydantic's own text is not used for types and ranges: for a union it names one alternative only, and it
    speaks of tuples and dictionaries where the writer of a TOML file sees lists and sections.
    """
    problems: dict[str, str] = {}
    for details in error.errors(include_url=False):
        place = _Place.of(model, details["loc"])
        if details["type"] == "extra_forbidden":
            text = f"unknown key; known here: {', '.join(place.keys)}"
        elif details["type"] == "value_error":
            text = details["msg"].removeprefix("Value error, ")
        elif details["type"] == "missing":
            text = f"missing; it must be {_describe(place.expected)}"
        else:
            expected = _describe(place.expected, full=details["type"] == "less_than")
            text = f"{place.entry}must be {expected}, not {_shown(details['input'])}"
        problems.setdefault(place.key, text)
    key, text = next(iter(problems.items()))
    others = len(problems) - 1
    more = f" (and {others} more {'problems' if others > 1 else 'problem'})" if others else ""
    return Problem(key, text + more)


@dataclass(frozen=True)
class _Place:
    """Where in the document, as the model sees it. ``expected`` is a type or annotated type."""

    key: str
    entry: str
    expected: Any
    keys: tuple[str, ...]

    @classmethod
    def of(cls, model: type[BaseModel], loc: Iterable[str | int]) -> "_Place":
        path: list[str] = []
        section: type[BaseModel] | None = model
        expected: Any = model
        keys = tuple(model.model_fields)
        entry = ""
        for part in loc:
            if section is not None:
                path.append(str(part))
                keys = tuple(section.model_fields)
                field = section.model_fields.get(str(part))
                if field is None:
                    break
                expected = Annotated[field.annotation, field]
                section = _section(field.annotation)
            elif isinstance(part, int) and get_origin(_bare(expected)) is tuple:
                entry = f"entry {part + 1} "
                expected = get_args(_bare(expected))[0]
        return cls(".".join(path), entry, expected, keys)


def _section(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _describe(annotation: Any, full: bool = False) -> str:
    bare = _bare(annotation)
    if said := _description(annotation):
        return said
    section = _section(bare)
    if section is not None:
        return f"a section with the keys {', '.join(section.model_fields)}"
    if get_origin(bare) is Literal:
        return _alternatives(_shown(value) for value in get_args(bare))
    if get_origin(bare) in (Union, UnionType):
        # None stands for a key that is left out, which no file can say.
        return _alternatives(_describe(member, full) for member in get_args(bare) if member is not NoneType)
    if get_origin(bare) is tuple:
        least = next((limit.min_length for limit in _limits(annotation) if isinstance(limit, MinLen)), 0)
        some = f" of at least {least} entr{'y' if least == 1 else 'ies'}" if least else ""
        return f"a list in [ ]{some}, each {_describe(get_args(bare)[0])}"
    if bare is bool:
        return "true or false"
    if bare is str:
        return "a name in lower-case letters, digits, - and _"
    return f"{'a whole number' if bare is int else 'a number'}{_range(annotation, full)}"


def _range(annotation: Any, full: bool) -> str:
    limits = []
    for limit in _limits(annotation):
        match limit:
            case Ge(ge=value):
                limits.append(f"at least {value}")
            case Gt(gt=value):
                limits.append(f"above {value}")
            case Le(le=value):
                limits.append(f"at most {value}")
            case Lt(lt=value) if full or value < TECHNICAL_LIMIT:
                limits.append(f"under {value}")
    return f", {' and '.join(limits)}" if limits else ""


def _limits(annotation: Any) -> Iterator[object]:
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            yield from extra.metadata if isinstance(extra, FieldInfo) else (extra,)


def _description(annotation: Any) -> str | None:
    """What a field's own ``description`` says that it must be."""
    extras = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((e.description for e in extras if isinstance(e, FieldInfo) and e.description), None)


def _alternatives(texts: Iterable[str]) -> str:
    *others, last = [part for text in texts for part in text.split(" or ")]
    return f"{', '.join(others)} or {last}" if others else last


def _shown(value: Any) -> str:
    """As it would stand in TOML, roughly."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"
