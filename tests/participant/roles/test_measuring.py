"""Measuring by participants, each with what it does not share, and by the auditor for all."""

from pathlib import Path

import pytest

from participant.roles.auditor import Auditor
from participant.roles.benign import Benign
from participant.roles.malicious import Malicious
from protocol.errors import UsageProblem
from protocol.messages import Evaluate, Measurement, Share
from tests.participant.tiny import never, order, theta, tiny_setting

BY = 'evaluation.by="participants"'
QUICK = ("evaluation.episodes=1", "evaluation.adaptation_steps=1")
ONE_BLOCK = (BY, "model.shared=1")


def ask(round_number: int, previous: int) -> Evaluate:
    return Evaluate(run="0" * 32, round=round_number, share=Share(index=0, count=2), previous=previous)


def test_where_all_is_shared_every_participant_measures_what_an_auditor_does(tmp_path: Path) -> None:
    start = theta(tiny_setting(tmp_path))
    expected = Auditor(tiny_setting(tmp_path)).evaluate(Evaluate(run="0" * 32, round=3), start, never)
    for role, name in ((Benign, "alice"), (Benign, "bob"), (Malicious, "mallory")):
        participant = role(tiny_setting(tmp_path, BY, name=name))
        assert participant.evaluate(ask(3, 3), start, never) == expected


@pytest.mark.parametrize("shared", [0, 1])
def test_a_participant_measures_with_the_private_part_of_the_round_that_counted(
    tmp_path: Path, shared: int
) -> None:
    setting = tiny_setting(tmp_path, BY, f"model.shared={shared}")
    role, start = Benign(setting), theta(setting)
    untrained = role.evaluate(ask(0, 0), start, never)
    role.train(order(1), start, never)
    after_one = role.evaluate(ask(1, 1), start, never)
    role.train(order(2, previous=1), start, never)
    after_two = role.evaluate(ask(2, 2), start, never)
    # Round 2 did not count after all; and another process of the same participant.
    assert role.evaluate(ask(2, 1), start, never) == after_one
    again = Benign(tiny_setting(tmp_path, BY, f"model.shared={shared}"))
    assert again.evaluate(ask(2, 2), start, never) == after_two
    assert role.evaluate(ask(2, 0), start, never) == untrained
    assert after_one != after_two
    assert untrained != after_one


def test_participants_with_private_parts_of_their_own_get_other_numbers(tmp_path: Path) -> None:
    start = theta(tiny_setting(tmp_path, *ONE_BLOCK))
    one, other = (
        Benign(tiny_setting(tmp_path, *ONE_BLOCK, name=name)).evaluate(ask(0, 0), start, never)
        for name in ("alice", "bob")
    )
    assert one != other
    assert [kind(m) for m in one] == [kind(m) for m in other]


def kind(measured: Measurement) -> tuple[str, int, int, bool]:
    return measured.decision, measured.shot, measured.adaptation_steps, measured.backdoor_in_support


@pytest.mark.parametrize("shared", ['"all"', '"features"', 1, 0])
@pytest.mark.parametrize("role", [Benign, Malicious])
def test_a_round_after_a_measurement_is_the_same_as_without(
    tmp_path: Path, role: type[Benign], shared: str | int
) -> None:
    kept, updates = [], []
    for folder, asked in ((tmp_path / "asked", True), (tmp_path / "not", False)):
        setting = tiny_setting(folder, BY, f"model.shared={shared}", "attack.rounds=[2]", *QUICK)
        worker, start = role(setting), theta(setting)
        for number in (1, 2, 3):
            if asked:
                worker.evaluate(ask(number - 1, number - 1), start, never)
                worker.evaluate(ask(number - 1, 0), start, never)
            delta = worker.train(order(number, previous=number - 1, keep_from=number - 1), start, never)
            updates.append(delta.digest())
        kept.append({path.name: path.read_bytes() for path in sorted(folder.rglob("private-*"))})
    assert updates[:3] == updates[3:]
    assert kept[0] == kept[1]
    assert (len(kept[0]) > 0) == (shared != '"all"')


def test_with_nothing_shared_each_trains_on_and_sends_an_empty_update(tmp_path: Path) -> None:
    setting = tiny_setting(tmp_path, "model.shared=0")
    role, start = Benign(setting), theta(setting)
    assert start.buffers == ()
    states = []
    for number in (1, 2):
        delta = role.train(order(number, previous=number - 1), start, never)
        assert delta.buffers == ()
        assert delta.manifest == start.manifest
        states.append((setting.state_dir / f"private-{number:06d}.safetensors").read_bytes())
    assert states[0] != states[1]


def test_with_nothing_shared_an_attack_changes_the_attackers_own_model_alone(tmp_path: Path) -> None:
    setting = tiny_setting(tmp_path, "model.shared=0", "attack.rounds=[1]")
    assert Malicious(setting).train(order(1), theta(setting), never).buffers == ()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            ['decision.names=["linear", "guess"]'],
            "no decision is named 'guess'; there are: fresh-head",
        ),
        (["task.shots=[12]"], "has 10 images here, but an episode needs 12"),
    ],
)
def test_what_cannot_be_measured_is_said_at_the_start(
    tmp_path: Path, overrides: list[str], says: str
) -> None:
    with pytest.raises(UsageProblem, match=says):
        Benign(tiny_setting(tmp_path, BY, *overrides))
    with pytest.raises(UsageProblem, match=says):
        Auditor(tiny_setting(tmp_path, *overrides))
    Benign(tiny_setting(tmp_path, *overrides))  # the auditor's concern
