"""The same scenario gives the same model after every round, whatever happens to the processes.

Each run is compared with the same rounds in one process, so the network changes nothing either.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.scenario import load_scenario
from tests.simulation import simulate
from tests.system.lab.hosts import laboratory
from tests.system.lab.quality import Quality
from tests.system.processes import Coordinator, Process, Processes, digests, write_tiny
from tests.system.relay import slow_link

pytestmark = pytest.mark.system

ROLES = {"alice": "benign", "bob": "benign", "mallory": "malicious"}
ROUNDS = 8
# Not all are selected, and what is not shared goes on from round to round: both must survive what happens.
OVERRIDES = (
    f"federation.rounds={ROUNDS}",
    "federation.participants=3",
    "federation.selected=2",
    "federation.min_updates=2",
    "federation.checkpoint_every=3",
    "federation.liveness_s=60.0",  # who is stopped for a while is not lost for it
    "federation.server_rate.decay_rounds=4",
    "model.shared=features",
    "learning.inner_steps=2",
    "attack.rounds=[3]",
    "evaluation.rounds=[]",
    "evaluation.episodes=1",
    "evaluation.deadline_s=1.0",
)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[dict[int, str]]:
    folder = tmp_path_factory.mktemp("simulation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield simulate(load_scenario(write_tiny(folder), OVERRIDES), ROLES, folder)


@pytest.fixture
def coordinator(processes: Processes, tiny: Path, run_dir: Path) -> Coordinator:
    return start(processes, tiny, run_dir)


SETTINGS = [part for override in OVERRIDES for part in ("--set", override)]


def start(processes: Processes, tiny: Path, run_dir: Path) -> Coordinator:
    return processes.start_coordinator(tiny, run_dir, *SETTINGS)


def join(processes: Processes, coordinator: Coordinator | str, *names: str) -> dict[str, Process]:
    return {name: processes.start_participant(coordinator, name, ROLES[name]) for name in names}


def end(coordinator: Coordinator, run_dir: Path) -> dict[int, str]:
    assert coordinator.wait() == 0, coordinator.stderr
    assert coordinator.events("round_retried") == []
    return digests(run_dir)


def test_processes_give_the_model_that_one_process_gives(
    processes: Processes, coordinator: Coordinator, run_dir: Path, expected: dict[int, str]
) -> None:
    join(processes, coordinator, "alice", "bob", "mallory")
    assert end(coordinator, run_dir) == expected


def test_the_order_of_joining_and_of_updates_does_not_matter(
    processes: Processes, coordinator: Coordinator, run_dir: Path, expected: dict[int, str]
) -> None:
    running: dict[str, Process] = {}
    for name in ("mallory", "bob", "alice"):
        running |= join(processes, coordinator, name)
        coordinator.wait_for("participant_joined", participant=name)
    for number in range(1, ROUNDS + 1):
        # Hold back now the first, now the second of the selected until the other has delivered.
        selected = coordinator.wait_for("round_started", round=number)["selected"]
        first, second = selected if number % 2 else reversed(selected)
        running[first].send(signal.SIGSTOP)
        coordinator.wait_for("update_accepted", round=number, participant=second)
        running[first].send(signal.SIGCONT)
        coordinator.wait_for("update_accepted", round=number, participant=first)
    assert end(coordinator, run_dir) == expected


@pytest.mark.parametrize("victim", ["alice", "mallory"])
def test_a_participant_killed_in_mid_round_and_restarted_changes_nothing(
    processes: Processes, coordinator: Coordinator, run_dir: Path, expected: dict[int, str], victim: str
) -> None:
    running = join(processes, coordinator, victim)
    coordinator.wait_for("participant_ready", participant=victim)
    running[victim].send(signal.SIGSTOP)  # so that it cannot be quicker than this test
    running |= join(processes, coordinator, *(ROLES.keys() - {victim}))
    for number in range(1, ROUNDS + 1):
        selected = coordinator.wait_for("round_started", round=number)["selected"]
        if victim in selected:
            break
    (other,) = set(selected) - {victim}
    coordinator.wait_for("update_accepted", round=number, participant=other)
    assert coordinator.events("update_accepted", participant=victim) == []
    running[victim].kill()
    join(processes, coordinator, victim)
    coordinator.wait_for("update_accepted", round=number, participant=victim)
    assert end(coordinator, run_dir) == expected
    assert coordinator.events("participant_lost", participant=victim)


def test_a_coordinator_killed_and_resumed_changes_nothing(
    processes: Processes, tiny: Path, run_dir: Path, expected: dict[int, str]
) -> None:
    coordinator = start(processes, tiny, run_dir)
    running = join(processes, coordinator, *ROLES)
    bind = coordinator.endpoint
    for number in (2, 5):
        # It dies with one update of an open round counted and the other on its way.
        coordinator.wait_for("round_completed", round=number - 1)
        late, early = coordinator.wait_for("round_started", round=number)["selected"]
        running[late].send(signal.SIGSTOP)
        coordinator.wait_for("update_accepted", round=number, participant=early)
        coordinator.kill()
        running[late].send(signal.SIGCONT)
        coordinator = processes.start_coordinator(run_dir / "scenario.toml", run_dir, bind=bind, resume=True)
        coordinator.wait_for("run_resumed")
    assert end(coordinator, run_dir) == expected
    assert all(process.wait() == 0 for process in running.values())


def test_a_slow_link_changes_nothing(
    processes: Processes, coordinator: Coordinator, run_dir: Path, expected: dict[int, str]
) -> None:
    with slow_link(coordinator.endpoint, 0.05) as endpoint:
        running = join(processes, endpoint, *ROLES)
        assert end(coordinator, run_dir) == expected
        assert all(process.wait() == 0 for process in running.values())
    waits = [entry["waited_s"] - entry["seconds"] for entry in coordinator.events("update_accepted")]
    assert min(waits) >= 0.1  # the link was there, and slow: 50 ms each way


def test_hosts_of_their_own_with_bad_links_change_nothing(
    processes: Processes, tiny: Path, run_dir: Path, expected: dict[int, str]
) -> None:
    with laboratory("coordinator", *ROLES) as lab:
        bind = f"tcp://{lab.address('coordinator')}:*"
        near = lab.namespace("coordinator")
        coordinator = processes.start_coordinator(
            tiny, run_dir, *SETTINGS, "--insecure", bind=bind, host=near
        )
        for name, role in ROLES.items():
            lab.link(name, Quality(delay_s=0.01, loss=0.001, reorder=0.01))
            processes.start_participant(coordinator, name, role, host=lab.namespace(name))
        assert end(coordinator, run_dir) == expected
        processes.end()
