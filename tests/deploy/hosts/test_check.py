"""What a host's answers mean for whoever wants to run there."""

import asyncio
import json
from importlib.metadata import version
from typing import Any

import asyncssh
import pytest

from deploy.hosts.answers import Fit, Probe
from deploy.hosts.check import Finding, HostReport, check_hosts, judge
from deploy.hosts.fleet import Fleet
from deploy.hosts.hosts_file import parse_hosts
from deploy.hosts.on_host.agent import MARK
from deploy.hosts.remote import Connection, Finished, HostProblem, explained, remote_path
from protocol.scenario import Scenario, dump_scenario

HOSTS = parse_hosts(
    '[coordinator]\nhost = "alpha"\nbind = "tcp://10.0.0.1:5555"\n[hosts.alpha]\nbenign = 1\n',
    default_name="lab",
    source="hosts.toml",
)


WELL: dict[str, Any] = {
    "python": "3.12.1", "executable": "/opt/python", "fedmeta": version("fedmeta"), "time": 0.0,
    "folder": "/home/fed/lab", "free_bytes": 2**40, "port_problem": None, "open_keys": (),
    "ends_at_logout": False, "running": (), "scenario": None, "status": "absent",
}  # fmt: skip


def findings(clock_off_s: float = 0.0, **changed: Any) -> dict[str, Finding]:
    return {
        found.item: found for found in judge(Probe.model_validate({**WELL, **changed}), clock_off_s, HOSTS)
    }


def test_a_host_that_is_well_needs_nothing() -> None:
    assert {found.verdict for found in findings().values()} == {"ok"}
    assert {found.remedy for found in findings().values()} == {""}


@pytest.mark.parametrize(
    ("changed", "item", "text", "remedy"),
    [
        ({"python": "3.10.2"}, "python", "3.10.2 at /opt/python", "Python 3.11 or newer"),
        ({"fedmeta": None}, "fedmeta", "not installed for /opt/python", "install version"),
        ({"fedmeta": "99.0"}, "fedmeta", "version 99.0, and", "install the same version on both"),
        ({"open_keys": ("/k/ann.key",)}, "keys", "others can read /k/ann.key", "chmod 600 /k/ann.key"),
        (
            {"open_keys": ("/my keys/ann.key",)},
            "keys",
            "can read '/my keys/ann.key'",
            "600 '/my keys/ann.key'",
        ),
        ({"port_problem": "Address already in use"}, "port", "tcp://10.0.0.1:5555: Address", "ss -ltnp"),
        ({"ends_at_logout": True}, "logout", "ends all processes of a user", "KillUserProcesses=no"),
    ],
)
def test_what_is_wrong_comes_with_what_would_mend_it(
    changed: dict[str, Any], item: str, text: str, remedy: str
) -> None:
    found = findings(**changed)[item]
    assert found.verdict == "wrong"
    assert found.text.startswith(text) or text in found.text
    assert remedy in found.remedy


def test_who_is_here_is_only_warned_that_a_logout_ends_what_runs() -> None:
    probe = Probe.model_validate({**WELL, "ends_at_logout": True})
    found = {finding.item: finding.verdict for finding in judge(probe, 0.0, HOSTS, is_here=True)}
    assert found["logout"] == "warning"


def test_a_wrong_clock_and_little_space_are_warnings() -> None:
    assert findings(clock_off_s=-3600)["clock"].text == "3600 s behind the clock here"
    assert (
        findings(clock_off_s=-3600)["clock"].verdict == findings(free_bytes=10)["folder"].verdict == "warning"
    )


def test_a_port_of_our_own_coordinator_is_no_problem() -> None:
    assert findings(running=("coordinator",))["port"].verdict == "ok"


class PlayedHost:
    """Its answers by what is asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    async def ask(self, _kind: object, do: str, **_: Any) -> Any:
        return self.answers[do]


def looked_at(probe: Probe, scenario: Scenario | None = None, **problems: str) -> HostReport:
    alpha = PlayedHost(probe=probe, fit=Fit(problems=problems, gpus=()))
    fleet = Fleet(HOSTS, connections={"alpha": alpha})  # type: ignore[dict-item]
    return asyncio.run(check_hosts(fleet, scenario))[0]


def test_another_run_that_is_there_may_be_this_one_without_its_set() -> None:
    there = Scenario.model_validate({"federation": {"rounds": 30}})
    report = looked_at(Probe.model_validate({**WELL, "scenario": dump_scenario(there)}), Scenario())
    assert report.wrong[0].text.startswith("a run with another federation.rounds (30, not ")
    assert "every --set that it was begun with; to begin another: deploy up --new" in report.wrong[0].remedy


def test_a_scenario_that_does_not_go_with_its_data_is_to_be_changed_itself() -> None:
    report = looked_at(Probe.model_validate(WELL), Scenario(), auto="too few for task.split")
    assert [(finding.item, finding.remedy) for finding in report.wrong] == [
        ("data", "change the scenario, or the --set that does not go with it")
    ]


def test_a_damaged_record_of_a_process_is_named_with_what_to_do() -> None:
    report = looked_at(Probe.model_validate({**WELL, "damaged": ["/my lab/processes/ann.json"]}))
    assert [finding.text for finding in report.wrong] == ["/my lab/processes/ann.json is damaged"]
    assert report.wrong[0].remedy.endswith(
        "see whether ann runs (ps -ef), end it, then rm '/my lab/processes/ann.json'"
    )


def test_what_runs_otherwise_than_the_hosts_file_wants_it_has_to_be_ended_before_up_does_anything() -> None:
    probe = Probe.model_validate(
        {**WELL, "running": ["coordinator"], "commands": {"coordinator": ["--bind", "tcp://10.0.0.1:6100"]}}
    )
    report = looked_at(probe)
    assert [(finding.item, finding.remedy) for finding in report.wrong] == [
        ("process", "end it first: deploy down, then deploy up")
    ]
    assert "coordinator runs with --bind tcp://10.0.0.1:6100" in report.wrong[0].text
    assert next(f for f in report.findings if f.item == "port").text.startswith("tcp://10.0.0.1:6100: this")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (asyncssh.PermissionDenied("no"), "fed@alpha does not let us in; try: ssh-copy-id -p 22 fed@alpha"),
        (ConnectionRefusedError(111, "x"), "alpha cannot be reached (Connection refused); see whether sshd"),
        (TimeoutError(), "alpha does not answer; see whether it is up"),
        (asyncssh.ConfigParseError("line 3: bad"), "SSH set-up: line 3: bad; mend ~/.ssh/config"),
        (asyncssh.KeyEncryptionError("x"), "the key for fed@alpha has a passphrase; load it first: ssh-add"),
    ],
)
def test_a_host_that_is_not_reached_is_one_line_with_a_remedy(error: Exception, line: str) -> None:
    assert str(explained(error, "alpha", "fed", 22)).startswith(line)


def test_a_path_with_a_tilde_is_the_accounts_own_and_nothing_else_is_expanded_by_its_shell() -> None:
    assert remote_path("~/my env/bin/python") == "\"$HOME\"/'my env/bin/python'"
    assert remote_path("/opt/$(reboot)/python") == "'/opt/$(reboot)/python'"


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("/k/ann.key: empty; move it away", "move it away"),
        ("/k: No space left on device", "mend that, or choose another state_dir"),
    ],
)
def test_a_problem_that_a_host_has_a_remedy_for_keeps_it(said: str, remedy: str) -> None:
    class Answering:
        async def run(self, program: bytes, timeout_s: float) -> Finished:
            return Finished(0, f"{MARK}{json.dumps({'problem': said})}\n".encode(), b"")

    with pytest.raises(HostProblem) as problem:
        asyncio.run(Connection("alpha", Answering(), "python3", "/lab").ask(str, "make_keys"))
    assert problem.value.remedy == remedy
