"""A link is cut in the middle of a model's transfer, with both its ends alive."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.system.failures.federation import Federation, Kind, federation, wait_until, when
from tests.system.failures.figures import Figure
from tests.system.lab.hosts import Laboratory, laboratory
from tests.system.lab.quality import Quality

CUT = "ann"
BYTES = 500_000  # of a model
KIND = Kind(
    environment={"LIGHT_PARAMETERS": str(BYTES // 4)},
    settings={
        "rounds": 100_000,  # more than there is time for: the run is ended
        "min_updates": 2,
        "round_deadline_s": 12.0,
        "liveness_s": 2.0,
    },
)


@dataclass(frozen=True)
class Cut:
    """``lasts_s``: None, until both ends have noticed. ``slack_s``: what may be added to the times that are
    promised: by messages on their way, and by a machine that is busy with something else."""

    lasts_s: float | None
    slack_s: float


def link_cut_in_mid_transfer(folder: Path, cache: Path, cut: Cut) -> list[Figure]:
    """Raises AssertionError when something that must hold does not."""
    liveness_s = float(str(KIND.settings["liveness_s"]))
    deadline_s = float(str(KIND.settings["round_deadline_s"]))
    with laboratory("coordinator", *KIND.names) as lab, federation(folder, cache, KIND, lab) as one:
        lab.link(CUT, Quality(delay_s=0.01, rate=1_000_000.0))
        begun = _cut(one, lab)
        wait_until(lambda: _since(one, begun, "participant_lost"), "the coordinator notices")
        wait_until(lambda: _logged(one, begun, "coordinator_lost"), "the participant notices")
        noticed = [when(_since(one, begun, "participant_lost")[0])]
        noticed.append(when(_logged(one, begun, "coordinator_lost")[0]))
        if cut.lasts_s is not None:
            time.sleep(max(0.0, begun + cut.lasts_s - time.time()))
        lab.mend(CUT)
        mended = time.time()
        wait_until(lambda: _since(one, mended, "update_accepted"), "its updates count again")
        joined = when(_since(one, mended, "participant_joined")[0]) - mended
        rounds = [entry["seconds"] for entry in one.journal("round_completed")]
        one.coordinator.terminate()
        assert one.coordinator.wait() == 130, one.coordinator.stderr
    late = max(noticed) - begun
    assert late <= liveness_s + cut.slack_s, f"noticed after {late:.1f} s"
    assert max(rounds) <= deadline_s + cut.slack_s, f"a round took {max(rounds):.1f} s"
    assert {entry["reason"] for entry in one.journal("participant_lost")} == {"silent"}
    return [
        Figure("the link was cut for", mended - begun, "s"),
        Figure("the coordinator noticed after", noticed[0] - begun, f"s (liveness {liveness_s:g} s)"),
        Figure("the participant noticed after", noticed[1] - begun, f"s (liveness {liveness_s:g} s)"),
        Figure("the participant had joined again after the link was mended", joined, "s"),
        Figure("the longest round", max(rounds), f"s (deadline {deadline_s:g} s)"),
    ]


def _cut(one: Federation, lab: Laboratory) -> float:
    """In the middle of an update, after rounds that went well; when that was."""
    wait_until(lambda: one.round() >= 2, "the second round")
    lab.cut_after(CUT, BYTES // 2)
    wait_until(lambda: lab.is_cut(CUT), "the link is cut")
    return time.time()


def _since(one: Federation, moment: float, event: str) -> list[dict[str, object]]:
    return [entry for entry in one.journal(event, participant=CUT) if when(entry) > moment]


def _logged(one: Federation, moment: float, event: str) -> list[dict[str, object]]:
    return [entry for entry in one.log(CUT, event) if when(entry) > moment]
