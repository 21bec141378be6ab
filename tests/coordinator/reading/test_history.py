"""A journal's lines become rounds, participants and evaluations."""

import json

import pytest

from coordinator.reading.fold import read_history
from tests.coordinator.reading.example import DIGEST, WHOLE_RUN, evaluated, line, opening, round_lines


def test_a_whole_run_is_read() -> None:
    history = read_history(WHOLE_RUN)
    assert history.info.status == "completed"
    assert history.info.endpoint == "tcp://127.0.0.1:5555"
    assert history.info.checkpoint == 2
    assert [round_.number for round_ in history.completed] == [1, 2, 3]
    assert [update.norm for update in history.rounds[1].updates] == [2.0, 2.0]
    assert [(p.name, p.auditor, p.presence) for p in history.participants] == [
        ("ann", False, "alive"), ("auditor", True, "alive"), ("bob", False, "alive"),
    ]  # fmt: skip
    assert [e.backdoor_accuracy.attack_train.mean for e in history.evaluations] == [0.25, 0.75, 0.5]
    assert history.unreadable == 0


@pytest.mark.parametrize(
    "bad",
    [
        '{"timestamp": "2026-01-02T03:04:05Z", "level": "info", "eve',
        "not json",
        "[1, 2]",
        "null",
        '{"event": "round_completed"}',
        line("round_completed", round="three"),
        line("evaluated", round=1, decision="linear"),
        "\udcff\udcfe",
    ],
)
def test_torn_and_foreign_lines_are_counted_and_passed_over(bad: str) -> None:
    history = read_history([*WHOLE_RUN[:5], bad, *WHOLE_RUN[5:]])
    assert history.unreadable == 1
    assert len(history.completed) == 3


def test_events_and_fields_of_a_newer_coordinator_do_no_harm() -> None:
    lines = [
        line("tea_served", sugar=2),
        *(json.dumps({**json.loads(entry), "new": 1}) for entry in WHOLE_RUN),
    ]
    assert read_history(lines).completed == read_history(WHOLE_RUN).completed
    assert read_history(lines).unreadable == 0


def test_after_a_resume_the_last_occurrence_of_a_round_wins() -> None:
    again = [entry.replace(DIGEST, "cd" * 32) for entry in round_lines(2, names=("ann",))]
    lines = [*opening("ann", "bob"), *round_lines(1), *round_lines(2), *round_lines(3)]
    history = read_history([*lines, line("run_resumed", round=1, endpoint="tcp://127.0.0.1:6666"), *again])
    assert [round_.number for round_ in history.rounds] == [1, 2]
    assert history.rounds[1].selected == ("ann",)
    assert history.rounds[1].completion
    assert history.rounds[1].completion.model_digest == "cd" * 32
    assert (history.info.resumed, history.info.endpoint) == (1, "tcp://127.0.0.1:6666")
    assert [p.presence for p in history.participants] == ["lost", "lost"]


def test_a_retried_round_keeps_the_updates_of_its_last_attempt() -> None:
    lines = [
        *opening("ann", "bob", "eve"),
        line("round_started", round=1, attempt=1, selected=["ann", "bob"]),
        line("update_accepted", round=1, participant="ann", norm=1.0, bytes=4, seconds=1),
        line("round_retried", round=1, attempt=1, received=1, needed=2, missing=["bob"]),
        *round_lines(1, names=("ann", "eve")),
    ]
    (round_,) = read_history(lines).rounds
    assert round_.retries == 1
    assert round_.selected == ("ann", "eve")
    assert [update.participant for update in round_.updates] == ["ann", "eve"]


def test_rejections_belong_to_their_round_or_to_the_one_that_goes_on() -> None:
    lines = [
        *opening("ann"),
        *round_lines(1),
        *round_lines(2)[:1],
        line("update_rejected", round=1, participant="bob", reason="late"),
        line("update_rejected", participant="eve", reason="malformed"),
    ]
    first, second = read_history(lines).rounds
    assert [(r.participant, r.reason) for r in first.rejections] == [("bob", "late")]
    assert [(r.participant, r.reason) for r in second.rejections] == [("eve", "malformed")]


def test_a_participant_that_comes_and_goes_is_counted() -> None:
    lines = [
        *opening("ann"),
        line("participant_lost", participant="ann", reason="silent"),
        line("participant_joined", participant="ann", auditor=False),
        line("participant_refused", participant="ann", reason="name_taken", detail=""),
        line("participant_left", participant="ann", reason="interrupted"),
    ]
    (ann,) = read_history(lines).participants
    assert (ann.joined, ann.lost, ann.presence, ann.refusals) == (2, 1, "left", ("name_taken",))


def test_a_model_measured_again_counts_once() -> None:
    history = read_history([*opening(), evaluated(1, backdoor=0.2), evaluated(1, backdoor=0.4)])
    assert [e.backdoor_accuracy.attack_train.mean for e in history.evaluations] == [0.4]


def test_a_run_that_failed_says_why() -> None:
    info = read_history([*opening(), line("run_failed", round=1, reason="the disk is full")]).info
    assert (info.status, info.reason) == ("failed", "the disk is full")
