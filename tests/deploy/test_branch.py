"""What the participants of a local run take along from the run that it begins with."""

from pathlib import Path

import pytest

from coordinator.checkpoints import CheckpointStore
from coordinator.origin import open_origin
from coordinator.state import FederationState
from deploy.branch import check_origin, take_along
from protocol.errors import UsageProblem
from protocol.models import initial_parameters
from protocol.scenario import Scenario, dump_scenario, parse_scenario

NAMES = ("ann", "bob", "cid")


def scenario(shared: object, *more: str) -> Scenario:
    return parse_scenario("", [f"model.shared={shared}", "federation.rounds=9", *more])


def source(folder: Path, shared: object = 2, *more: str) -> Path:
    """A run after round 8: ann trained last in round 8, bob in 5, cid never."""
    run_dir = folder / "source"
    state = FederationState(
        run="0" * 16, round=8, roster=NAMES, shares={name: at for at, name in enumerate(NAMES)},
        previous={"ann": 8, "bob": 5},
    )  # fmt: skip
    store = CheckpointStore(run_dir / "checkpoints", lambda _: True)
    store.write(state, initial_parameters(scenario(shared)))
    (run_dir / "scenario.toml").write_text(dump_scenario(scenario(shared, *more)))
    for name, number in (("ann", 7), ("ann", 8), ("bob", 5)):
        path = run_dir / "participants" / name / f"private-{number:06d}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{name} after round {number}".encode())
    return run_dir


def test_each_takes_along_the_state_of_the_last_round_that_counted(tmp_path: Path) -> None:
    taken = check_origin(open_origin(str(source(tmp_path))), scenario(2), NAMES)
    take_along(taken, tmp_path / "new")
    found = {f"{path.parent.name}/{path.name}": path.read_text() for path in (tmp_path / "new").rglob("*.*")}
    assert found == {
        "ann/private-000008.safetensors": "ann after round 8",
        "bob/private-000005.safetensors": "bob after round 5",
    }


class TestWhatTheEncodingLost:
    """Of a run in int8, a branch goes on with it; of another one, with nothing lost."""

    INT8 = "federation.encoding=int8"

    def taken(self, tmp_path: Path, *source_settings: str) -> dict[str, str]:
        run_dir = source(tmp_path, "all", *source_settings)
        for name, number in (("ann", 8), ("bob", 5)):
            lost = run_dir / "participants" / name / f"lost-{number:06d}.safetensors"
            lost.write_text(f"of {name}")
        take_along(
            check_origin(open_origin(str(run_dir)), scenario("all", self.INT8), NAMES), tmp_path / "new"
        )
        return {
            f"{path.parent.name}/{path.name}": path.read_text() for path in (tmp_path / "new").rglob("*.*")
        }

    def test_is_taken_along(self, tmp_path: Path) -> None:
        assert self.taken(tmp_path, self.INT8) == {
            "ann/lost-000008.safetensors": "of ann",
            "bob/lost-000005.safetensors": "of bob",
        }

    def test_is_nothing_where_that_run_had_another_one(self, tmp_path: Path) -> None:
        assert self.taken(tmp_path, "federation.encoding=bfloat16") == {
            "ann/lost-000008.safetensors": "",
            "bob/lost-000005.safetensors": "",
        }

    def test_is_not_asked_for_where_nothing_is_shared(self, tmp_path: Path) -> None:
        origin = open_origin(str(source(tmp_path, 0, self.INT8)))
        taken = check_origin(origin, scenario(0, self.INT8), NAMES)
        assert [one.file for one in taken] == ["private-000008.safetensors", "private-000005.safetensors"]

    def test_is_named_where_it_is_not_there_any_more(self, tmp_path: Path) -> None:
        run_dir = source(tmp_path, "all", self.INT8)
        with pytest.raises(UsageProblem, match=r"lost-000008\.safetensors is not there"):
            check_origin(open_origin(str(run_dir)), scenario("all", self.INT8), NAMES)


def test_where_all_is_shared_there_is_nothing_to_take_along(tmp_path: Path) -> None:
    assert check_origin(open_origin(str(source(tmp_path, "all"))), scenario("all"), NAMES) == []


def test_who_is_not_in_the_new_run_needs_no_state(tmp_path: Path) -> None:
    run_dir = source(tmp_path)
    (run_dir / "participants" / "bob" / "private-000005.safetensors").unlink()
    taken = check_origin(open_origin(str(run_dir)), scenario(2), ["ann", "cid"])
    assert [one.name for one in taken] == ["ann"]


def test_a_state_that_was_deleted_is_named(tmp_path: Path) -> None:
    run_dir = source(tmp_path)
    missing = run_dir / "participants" / "bob" / "private-000005.safetensors"
    missing.unlink()
    with pytest.raises(UsageProblem, match="begin with the last checkpoint") as caught:
        check_origin(open_origin(str(run_dir)), scenario(2), NAMES)
    assert str(missing) in str(caught.value)


def test_a_checkpoint_on_its_own_has_no_states_beside_it(tmp_path: Path) -> None:
    for path in (source(tmp_path) / "checkpoints").iterdir():
        path.rename(tmp_path / path.name)
    origin = open_origin(str(tmp_path / "round-000008.safetensors"))
    with pytest.raises(UsageProblem, match="name the run directory"):
        check_origin(origin, scenario(2), NAMES)


def test_another_model_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"that run had model.shared = 2, and this scenario has 3"):
        check_origin(open_origin(str(source(tmp_path))), scenario(3), NAMES)
