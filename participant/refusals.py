"""Sentences for people: why a coordinator does not take this participant, and what would help."""

from protocol.errors import RunFailed
from protocol.messages import Refuse

SAME_VERSION = "install the same version of fedmeta on both machines"


def one_line(text: str) -> str:
    """Text of the other side, safe on a terminal and in one line."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:1024]


def refusal(refuse: Refuse, name: str, coordinator: str) -> RunFailed:
    detail = one_line(refuse.detail)
    match refuse.reason:
        case "other_version":
            return other_version(coordinator, detail)
        case "name_taken":
            return RunFailed(
                f"{coordinator} has a live participant named {name!r}; "
                "stop that one, or choose another --name"
            )
        case "other_manifest":
            return other_manifest(coordinator, detail)
        case "other_split":
            return RunFailed(
                f"the data here give another class split than at {coordinator}{_because(detail)}; use the "
                "same data set everywhere (fedmeta data list shows it), or point --data-dir at it"
            )
        case "bad_share":
            return RunFailed(
                f"{coordinator} does not take this --share{_because(detail)}; "
                "leave --share out to be given one"
            )
        case "not_joined":
            return RunFailed(f"{coordinator} does not know this participant{_because(detail)}")


def other_version(coordinator: str, detail: str) -> RunFailed:
    """``detail`` names both versions, whichever side noticed."""
    return RunFailed(
        f"{coordinator} speaks another version of the protocol{_because(one_line(detail))}; {SAME_VERSION}"
    )


def other_manifest(coordinator: str, detail: str) -> RunFailed:
    return RunFailed(
        f"the model built here has other parameters than that of {coordinator}{_because(one_line(detail))}; "
        f"{SAME_VERSION}"
    )


def _because(detail: str) -> str:
    return f" ({detail})" if detail else ""
