"""The rounds of a whole federation on one machine, as all sides have them that are compared."""

import statistics
from dataclasses import dataclass

from protocol.scenario import Scenario, parse_scenario

WARM_UP = 10  # rounds that do not count


@dataclass(frozen=True)
class Took:
    """Seconds from one round's end to the next, of all rounds, and the last model's digest."""

    seconds: list[float]
    digest: str

    @property
    def round_s(self) -> float:
        """The median after a warm-up."""
        return statistics.median(self.seconds[WARM_UP:])


def scenario_of(rounds: int, participants: int) -> Scenario:
    return parse_scenario("", overrides(rounds, participants))


def overrides(rounds: int, participants: int) -> list[str]:
    """Of the default scenario, in which nothing is measured."""
    return [
        f"federation.rounds={rounds}",
        *(f"federation.{key}={participants}" for key in ("participants", "selected", "min_updates")),
        "evaluation.episodes=1",
        "evaluation.adaptation_steps=0",
    ]
