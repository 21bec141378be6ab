"""Sentences for people: why a coordinator does not take this participant, and what would help."""

from protocol.errors import RunFailed
from protocol.keys import KeyPair
from protocol.messages import Refuse
from protocol.monitoring import Happened

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
        case "other_name":
            return RunFailed(
                f"{coordinator} knows this key by another name than {name!r}{_because(detail)}; "
                "leave --name to the key, or use the key of that name"
            )
        case "revoked":
            return RunFailed(f"{coordinator} does not let this key in any more{_because(detail)}")
        case "too_fast":
            return RunFailed(f"{coordinator} wants less of this participant{_because(detail)}")
        case "not_joined":
            return RunFailed(f"{coordinator} does not know this participant{_because(detail)}")


def locked_out(how: Happened, coordinator: str, name: str, key: KeyPair | None) -> str | None:
    """Why there is no connection, as far as a handshake that failed says it."""
    match how:
        case Happened.KEY_REFUSED if key is not None:
            return (
                f"{coordinator} does not let this key in; it does after: "
                f"fedmeta keys allow {name} '{key.public}', with its --keys"
            )
        case Happened.OTHER_MECHANISM if key is not None:
            return (
                f"{coordinator} has no keys; leave out --key and --coordinator-key, or start it with --keys"
            )
        case Happened.OTHER_MECHANISM:
            return f"{coordinator} wants keys; name yours with --key, and its own with --coordinator-key"
        case Happened.NO_HANDSHAKE | Happened.OTHER_KEY if key is not None:
            return (
                f"{coordinator} has another key than --coordinator-key says, or is no coordinator; "
                "compare with its coordinator.pub"
            )
        case _:
            return None


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
