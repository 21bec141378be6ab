"""A journal as the contract describes it, written line by line."""

import json
from typing import Any

DIGEST = "ab" * 32


def line(event: str, **fields: Any) -> str:
    head = {"timestamp": "2026-01-02T03:04:05.000006Z", "level": "info", "event": event, "run": "00112233"}
    return json.dumps({**head, **fields})


def round_lines(number: int, names: tuple[str, ...] = ("ann", "bob"), norm: float = 0.5) -> list[str]:
    """A round in which everybody answered."""
    updates = [
        line("update_accepted", round=number, participant=name, norm=norm, bytes=400, seconds=0.25)
        for name in names
    ]
    return [
        line("round_started", round=number, attempt=1, selected=list(names)),
        *updates,
        line(
            "round_completed", round=number, received=len(names), rejected=0, seconds=1.5,
            bytes_in=800, bytes_out=900, model_digest=DIGEST,
        ),
    ]  # fmt: skip


def evaluated(number: int, decision: str = "linear", backdoor: float = 0.25, **more: Any) -> str:
    def interval(mean: float) -> dict[str, Any]:
        return {"mean": mean, "ci95": 0.03, "episodes": 40}

    fields = {
        "auditor": "auditor",
        "decision": decision,
        "shot": 5,
        "adaptation_steps": 50,
        "backdoor_in_support": False,
        "transductive": False,
        "main_accuracy": interval(0.9),
        "backdoor_accuracy": {
            "attack_train": interval(backdoor),
            "attack_validation": interval(backdoor / 2),
        },
    }
    return line("evaluated", round=number, **{**fields, **more})


def opening(*names: str) -> list[str]:
    joined = [line("participant_joined", participant=n, auditor=n == "auditor", software="x") for n in names]
    return [line("run_started", endpoint="tcp://127.0.0.1:5555", rounds=3), *joined]


WHOLE_RUN = [
    *opening("ann", "bob", "auditor"),
    *round_lines(1),
    evaluated(1),
    *round_lines(2, norm=2.0),
    line("checkpoint_written", round=2, path="checkpoints/round-000002.json", seconds=0.1),
    evaluated(2, backdoor=0.75),
    *round_lines(3),
    evaluated(3, backdoor=0.5),
    line("run_completed", rounds=3, model_digest=DIGEST, seconds=9.0),
]
