"""The real command line with a role that needs no torch: python -m tests.participant.fake_participant ..."""

import sys

import participant.session
from deploy.cli import main
from participant.session import OpenRole, Settings
from tests.participant.examples import FakeRole


def fake_opener(settings: Settings) -> OpenRole:
    """``busy`` works until it is cancelled, ``stubborn`` does not even look whether it is."""
    role = FakeRole(stubborn=settings.name == "stubborn")
    if settings.name in ("busy", "stubborn"):
        role.hold.set()
    return role.open


if __name__ == "__main__":
    participant.session.role_opener = fake_opener
    main(["participant", "start", *sys.argv[1:]])
