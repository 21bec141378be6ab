import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from participant.learning.private_state import private_file
from participant.role import WorkCancelled
from participant.roles.auditor import Auditor
from participant.roles.benign import Benign
from participant.roles.malicious import Malicious, attacks_in, boost_of
from protocol.errors import RunFailed, UsageProblem
from protocol.manifest import Parameters
from protocol.messages import Evaluate, Share
from tests.participant.tiny import never, order, theta, tiny_scenario, tiny_setting


def norm(delta: Parameters) -> float:
    return float(np.linalg.norm(np.concatenate(delta.buffers)))


def test_an_update_is_a_function_of_the_order_and_its_start(tmp_path: Path) -> None:
    setting = tiny_setting(tmp_path)
    role, start = Benign(setting), theta(setting)
    first = role.train(order(1), start, never)
    other = role.train(order(2), start, never)
    again = role.train(order(1), start, never)
    restarted = Benign(tiny_setting(tmp_path)).train(order(1), start, never)
    assert first.digest() == again.digest() == restarted.digest()
    assert first.digest() != other.digest()
    assert 0 < norm(first) < 5


def test_participants_with_other_names_or_shares_send_other_updates(tmp_path: Path) -> None:
    start = theta(tiny_setting(tmp_path))
    digests = {
        Benign(tiny_setting(tmp_path, name=name)).train(order(1, index=index), start, never).digest()
        for name, index in [("alice", 0), ("alice", 1), ("bob", 0)]
    }
    assert len(digests) == 3


def test_a_malicious_participant_is_benign_outside_its_schedule(tmp_path: Path) -> None:
    setting = tiny_setting(tmp_path)
    start = theta(setting)
    benign, malicious = Benign(setting), Malicious(tiny_setting(tmp_path))
    kept = benign.train(order(4, previous=3), start, never)
    assert malicious.train(order(4, previous=3), start, never).digest() == kept.digest()
    attack = malicious.train(order(5, previous=4), start, never)
    assert norm(attack) > 3 * norm(benign.train(order(5, previous=4), start, never))


def test_the_boost_multiplies_the_update(tmp_path: Path) -> None:
    once = Malicious(tiny_setting(tmp_path, "attack.boost=1"))
    thrice = Malicious(tiny_setting(tmp_path, "attack.boost=3"))
    start = theta(once.setting)
    single, triple = (role.train(order(5, previous=4), start, never) for role in (once, thrice))
    np.testing.assert_array_equal(np.float32(3) * single.buffers[0], triple.buffers[0])


@pytest.mark.parametrize(
    ("previous", "round_number", "attacks"),
    [
        (4, 5, True),
        (4, 4, False),
        (3, 6, True),
        (5, 6, False),
        (0, 5, True),
        (6, 7, False),
        (8, 10, True),
        (5, 10, True),
    ],
)
def test_an_attacker_that_was_not_selected_attacks_in_its_next_round(
    previous: int, round_number: int, attacks: bool
) -> None:
    assert attacks_in((5, 9), previous, round_number) is attacks


def test_replacing_the_model_takes_selected_over_the_server_rate() -> None:
    assert boost_of(tiny_scenario(), 5, 1) == pytest.approx(4 / 0.3)
    assert boost_of(tiny_scenario("attack.boost=2"), 5, 1) == 2


@pytest.mark.parametrize("shared", ["features", 2])
def test_private_parameters_go_on_from_the_round_that_counted(tmp_path: Path, shared: str | int) -> None:
    setting = tiny_setting(tmp_path, f"model.shared={shared}")
    role, start = Benign(setting), theta(setting)
    role.train(order(1), start, never)
    second = role.train(order(2, previous=1), start, never)
    # Killed after round 2 was trained, asked again: the same update.
    restarted = Benign(tiny_setting(tmp_path, f"model.shared={shared}"))
    assert restarted.train(order(2, previous=1), start, never).digest() == second.digest()
    # Round 1 did not count after all (retried without this participant): another start, another update.
    assert restarted.train(order(2, previous=0), start, never).digest() != second.digest()


def test_private_states_that_will_not_be_asked_for_again_are_deleted(tmp_path: Path) -> None:
    setting = tiny_setting(tmp_path, "model.shared=1")
    role, start = Benign(setting), theta(setting)
    for number in range(1, 6):
        role.train(order(number, previous=number - 1, keep_from=max(0, number - 2)), start, never)
    assert sorted(path.name for path in setting.state_dir.iterdir()) == [
        "private-000003.safetensors",
        "private-000004.safetensors",
        "private-000005.safetensors",
    ]


def test_a_damaged_private_state_is_named(tmp_path: Path) -> None:
    setting = tiny_setting(tmp_path, "model.shared=1")
    role, start = Benign(setting), theta(setting)
    role.train(order(1), start, never)
    path = setting.state_dir / "private-000001.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        RunFailed, match=r"private-000001\.safetensors: this participant's own .* cannot be read"
    ):
        role.train(order(2, previous=1), start, never)


def test_a_private_state_that_cannot_be_written_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    setting = tiny_setting(tmp_path, "model.shared=1")
    monkeypatch.setattr("protocol.files.os.fsync", full)
    with pytest.raises(RunFailed, match=r"private-000001\.safetensors: .* No space left on device"):
        Benign(setting).train(order(1), theta(setting), never)
    assert list(setting.state_dir.iterdir()) == []


def test_nothing_is_kept_when_all_is_shared(tmp_path: Path) -> None:
    setting = tiny_setting(tmp_path)
    Benign(setting).train(order(1), theta(setting), never)
    assert not setting.state_dir.exists()


def test_work_can_be_cancelled_between_steps(tmp_path: Path) -> None:
    setting = tiny_setting(tmp_path)
    start = theta(setting)
    with pytest.raises(WorkCancelled):
        Benign(setting).train(order(1), start, lambda: True)
    with pytest.raises(WorkCancelled):
        Auditor(setting).evaluate(Evaluate(run="0" * 32, round=1), start, lambda: True)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["task.shots=[2, 16]"], "has 20 images here, but an episode needs 21"),
        (["task.shots=[12]"], "has 10 images here, but an episode needs 12"),
        (
            ["task.shots=[10]", "evaluation.backdoor_in_support=[false, true]"],
            "leaves 5 that others hold, but 10-shot evaluation.backdoor_in_support needs 10",
        ),
        (["attack.images=20"], "at least one must be left for attack-validation"),
    ],
)
def test_an_auditor_with_too_few_images_says_so_at_the_start(
    tmp_path: Path, overrides: list[str], says: str
) -> None:
    with pytest.raises(UsageProblem, match=says):
        Auditor(tiny_setting(tmp_path, *overrides))


def test_an_auditor_measures_every_decision_on_the_same_episodes(tmp_path: Path) -> None:
    setting = tiny_setting(tmp_path, "evaluation.backdoor_in_support=[false, true]", "task.shots=[1, 2]")
    measured = Auditor(setting).evaluate(Evaluate(run="0" * 32, round=1), theta(setting), never)
    assert [(m.decision, m.shot, m.backdoor_in_support) for m in measured] == [
        (decision, shot, in_support)
        for shot in (1, 2)
        for decision in ("linear", "fresh-head", "matching")
        for in_support in (False, True)
    ]
    assert all(m.main_accuracy.episodes == 4 and m.main_accuracy.mean > 0.3 for m in measured)
    assert {m.adaptation_steps for m in measured} == {0, 3}


def test_an_auditors_numbers_do_not_depend_on_how_many_episodes_run_at_once(tmp_path: Path) -> None:
    auditor = Auditor(tiny_setting(tmp_path))
    start, work = theta(auditor.setting), Evaluate(run="0" * 32, round=1)
    auditor._workers = 1
    alone = auditor.evaluate(work, start, never)
    auditor._workers = 3
    assert auditor.evaluate(work, start, never) == alone


def test_a_poisoned_model_shows_in_the_audit(tmp_path: Path) -> None:
    setting = tiny_setting(tmp_path, "attack.steps=100", "evaluation.episodes=8", "attack.boost=1")
    auditor, attacker, start = (
        Auditor(setting),
        Malicious(tiny_setting(tmp_path, "attack.boost=1")),
        theta(setting),
    )
    delta = attacker.train(order(5, previous=4), start, never)
    poisoned = Parameters(start.manifest, (start.buffers[0] + delta.buffers[0],))
    work = Evaluate(run="0" * 32, round=5)
    before, after = auditor.evaluate(work, start, never)[0], auditor.evaluate(work, poisoned, never)[0]
    assert after.backdoor_accuracy.attack_train.mean > before.backdoor_accuracy.attack_train.mean + 0.2


def test_what_is_private_goes_as_far_as_the_server_takes_what_is_shared(tmp_path: Path) -> None:
    def end_of(rate: float) -> dict[str, torch.Tensor]:
        setting = tiny_setting(
            tmp_path / str(rate), "model.shared=1", "federation.server_rate.decay_rounds=0",
            f"federation.server_rate.after={rate}",
        )  # fmt: skip
        role = Benign(setting)
        role.train(order(1), theta(setting), never)
        return load_file(private_file(setting.state_dir, 1))

    first = dict(tiny_setting(tmp_path, "model.shared=1").network.named_parameters())
    whole, half = end_of(1.0), end_of(0.5)
    for name, value in whole.items():
        torch.testing.assert_close(half[name], (first[name].detach() + value) / 2)
    assert any(not torch.equal(whole[name], half[name]) for name in whole)


def test_participants_that_measure_have_different_episodes(tmp_path: Path) -> None:
    def main_accuracy(index: int, episodes: int) -> float:
        setting = tiny_setting(tmp_path, 'evaluation.by="participants"', f"evaluation.episodes={episodes}")
        asked = Evaluate(run="0" * 32, round=1, share=Share(index=index, count=2))
        return Benign(setting).evaluate(asked, theta(setting), never)[0].main_accuracy.mean

    parts = [main_accuracy(index, 3) for index in (0, 1)]
    assert sum(parts) / 2 == pytest.approx(main_accuracy(0, 6))
