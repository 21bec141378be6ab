"""Logs of all hosts in one run directory."""

import json
from pathlib import Path

from deploy.hosts.casting import cast
from deploy.hosts.logs import _role_of
from tests.deploy.hosts.two_hosts import HOSTS


def test_a_role_is_the_one_that_a_log_was_written_in_whatever_the_hosts_file_says_by_now(
    tmp_path: Path,
) -> None:
    part, log = cast(HOSTS)[0], tmp_path / "participants" / "participant-1.jsonl"
    assert _role_of(tmp_path, part) == "benign"
    log.parent.mkdir()
    line = json.dumps({"event": "participant_started", "role": "malicious"})
    log.write_text(f'{line}\n{{"event": "torn')
    assert _role_of(tmp_path, part) == "malicious"
    log.write_text(json.dumps({"event": "participant_started", "role": "mayor"}))
    assert _role_of(tmp_path, part) == "benign"
