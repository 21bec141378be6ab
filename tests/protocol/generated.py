"""Hypothesis strategies read from the message models: a new field is tested without a new line here."""

import re
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
from annotated_types import Ge, Le, Lt, MaxLen
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from protocol import messages
from protocol.codec import CARRIES_PARAMETERS
from protocol.manifest import Manifest, Parameters, ParameterSpec
from protocol.messages import Message

MESSAGE_TYPES: list[type[Message]] = Message.__subclasses__()

MANIFEST = Manifest(
    parameters=(
        ParameterSpec(name="features.weight", shape=(2, 3)),
        ParameterSpec(name="scale", shape=(), dtype="float64"),
        ParameterSpec(name="nothing", shape=(0, 4)),
        ParameterSpec(name="head.bias", shape=(5,)),
    )
)
PARAMETERS = Parameters.from_arrays(
    MANIFEST,
    {
        "features.weight": np.arange(6).reshape(2, 3),
        "scale": np.array(0.1),
        "nothing": np.zeros((0, 4)),
        "head.bias": -np.arange(5),
    },
)


def parameters_for(message: Message) -> Parameters | None:
    return PARAMETERS if isinstance(message, CARRIES_PARAMETERS) else None


def any_message() -> SearchStrategy[Message]:
    return st.one_of([a(kind) for kind in MESSAGE_TYPES])


def a(model: type[BaseModel]) -> SearchStrategy[Any]:
    """Valid instances of a model, every field drawn from what its annotation allows."""
    if model is Manifest:
        names = st.lists(st.text(min_size=1, max_size=9), max_size=4, unique=True)
        return names.flatmap(_manifest_of)
    fields = {
        name: _values(field.annotation, field.metadata)
        for name, field in model.model_fields.items()
        if name not in ("type", "version")
    }
    return st.builds(model, **fields)


def _manifest_of(names: list[str]) -> SearchStrategy[Manifest]:
    shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
    dtypes = st.sampled_from(["float16", "float32", "float64"])
    specs = [st.builds(ParameterSpec, name=st.just(name), shape=shapes, dtype=dtypes) for name in names]
    return st.builds(Manifest, parameters=st.tuples(*specs))


def _values(annotation: Any, limits: list[Any]) -> SearchStrategy[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        bare, *extras = get_args(annotation)
        return _values(bare, [m for e in extras for m in (e.metadata if isinstance(e, FieldInfo) else [e])])
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin in (Union, UnionType):
        return st.one_of([_values(member, []) for member in get_args(annotation)])
    if origin is tuple:
        return st.lists(_values(get_args(annotation)[0], []), max_size=3).map(tuple)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return a(annotation)
    if annotation is NoneType:
        return st.none()
    if annotation is bool:
        return st.booleans()
    least: Any = next((limit.ge for limit in limits if isinstance(limit, Ge)), None)
    if annotation is int:
        below: Any = next((limit.lt for limit in limits if isinstance(limit, Lt)), None)
        return st.integers(least, None if below is None else below - 1)
    if annotation is float:
        most: Any = next((limit.le for limit in limits if isinstance(limit, Le)), None)
        return st.floats(least, most, allow_nan=False, allow_infinity=False)
    assert annotation is str, annotation
    pattern = next((limit.pattern for limit in limits if getattr(limit, "pattern", None)), None)
    if pattern is not None:
        return st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
    return st.text(max_size=min([40, *(limit.max_length for limit in limits if isinstance(limit, MaxLen))]))


assert len(MESSAGE_TYPES) == len(get_args(get_args(messages.AnyMessage)[0]))
