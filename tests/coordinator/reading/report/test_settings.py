"""What differs between scenarios."""

from coordinator.reading.report.settings import differences, settings
from protocol.scenario import parse_scenario

PLAIN = parse_scenario("")


def test_a_scenario_is_dotted_keys_and_text() -> None:
    flat = settings(parse_scenario("", ["task.shots=[1, 5]", "attack.rounds=[]"]))
    assert flat["task.shots"] == "1, 5"
    assert flat["federation.server_rate.initial"] == "1.0"
    assert flat["attack.augment"] == "true"
    assert flat["attack.rounds"] == "–"


def test_only_what_differs_is_shown() -> None:
    other = parse_scenario("", ["attack.boost=2.0", "federation.seed=3"])
    assert differences([PLAIN, other]) == [
        ("federation.seed", ["0", "3"]),
        ("attack.boost", ["replace", "2.0"]),
    ]
    assert differences([PLAIN, PLAIN]) == []


def test_a_scenario_that_is_not_known_differs_in_nothing() -> None:
    assert differences([PLAIN, None]) == []
    other = parse_scenario("", ["federation.seed=3"])
    assert differences([PLAIN, None, other]) == [("federation.seed", ["0", "–", "3"])]
