"""Keys of CURVE: who a process is. What key files and the allow-list say is here; :mod:`protocol.key_files`
reads and writes them.

    NAME.key    fedmeta-key-1 NAME PUBLIC SECRET     one line; for its owner alone
    NAME.pub    NAME PUBLIC                          one line; for everybody
    allowed     lines like those of .pub files       whom a coordinator lets in

Keys are in Z85: 40 characters for 32 bytes.
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import zmq
from zmq.utils import z85

from protocol.errors import UsageProblem
from protocol.messages import NAME_PATTERN

KIND = "fedmeta-key-1"
PUB = ".pub"  # what files of public keys end with
_Z85 = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


@dataclass(frozen=True)
class KeyPair:
    """``name`` is what its owner calls it; what counts is the name that the allow-list has for ``public``."""

    name: str
    public: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls, name: str) -> "KeyPair":
        public, secret = zmq.curve_keypair()
        # On a command line it would be an option, or a file.
        while public.startswith(b"-") or public.endswith(PUB.encode()):
            public, secret = zmq.curve_keypair()
        return cls(name, public.decode(), secret.decode())

    @property
    def key_line(self) -> str:
        return f"{KIND} {self.name} {self.public} {self.secret}\n"

    @property
    def public_line(self) -> str:
        return f"{self.name} {self.public}\n"


@dataclass(frozen=True)
class AllowList:
    """``names``: of the public keys. A name has one key, and a key one name."""

    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))

    def key_of(self, name: str) -> str | None:
        return next((public for public, owner in self.names.items() if owner == name), None)


def is_name(text: str) -> bool:
    return re.fullmatch(NAME_PATTERN, text) is not None


def is_public(text: str) -> bool:
    """Whether it has the form of a key."""
    if _Z85.fullmatch(text) is None:
        return False
    try:
        z85.decode(text.encode())
    except struct.error:  # five characters say more than four bytes hold
        return False
    return True


def parse_key(text: str, source: str) -> KeyPair:
    """The content of a .key file; ``source`` names it. Raises :class:`UsageProblem`."""
    words = text.split()
    if not words:
        raise UsageProblem(f"{source}: empty; make a key with fedmeta keys new NAME")
    if words[0] != KIND:
        what = "a public key" if len(words) == 2 and is_public(words[1]) else "no key"
        raise UsageProblem(
            f"{source}: {what}, where a secret key is wanted; name the .key file that fedmeta keys new made"
        )
    if len(words) != 4 or not is_name(words[1]) or not (is_public(words[2]) and is_public(words[3])):
        raise UsageProblem(f"{source}: damaged; it should be one line: {KIND} NAME PUBLIC SECRET")
    pair = KeyPair(words[1], words[2], words[3])
    if zmq.curve_public(pair.secret.encode()).decode() != pair.public:
        raise UsageProblem(
            f"{source}: damaged: its public key does not belong to its secret one; make a new one"
        )
    return pair


def parse_public(text: str, source: str) -> tuple[str, str]:
    """The content of a .pub file: name and public key. Raises :class:`UsageProblem`."""
    words = text.split()
    if not words:
        raise UsageProblem(f"{source}: empty; copy the .pub file again")
    if words[0] == KIND:
        raise UsageProblem(
            f"{source}: a secret key, which stays with its owner; name the .pub file beside it"
        )
    if len(words) != 2 or not is_name(words[0]) or not is_public(words[1]):
        raise UsageProblem(f"{source}: no public key; a .pub file is one line: NAME PUBLIC")
    return words[0], words[1]


def parse_allowed(text: str, source: str) -> AllowList:
    """The content of an allow-list. Raises :class:`UsageProblem` that names the first wrong line."""
    names: dict[str, str] = {}
    named: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        where = f"{source}, line {number}"
        if len(words) != 2 or not is_name(words[0]) or not is_public(words[1]):
            raise UsageProblem(
                f"{where}: not NAME PUBLIC; write what NAME.pub holds, or begin a remark with '# '"
            )
        name, public = words
        if names.get(public, name) != name:
            raise UsageProblem(f"{where}: this key is that of {names[public]} already; a key has one name")
        if public not in names and name in named:
            raise UsageProblem(
                f"{where}: {name} has another key already; a name has one key: take out one line"
            )
        names[public] = name
        named.add(name)
    return AllowList(names)
