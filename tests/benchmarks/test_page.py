"""The page says what was measured, and does not hide what was not."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.encodings import Accuracy, Row
from benchmarks.page import figure, scaling
from benchmarks.page.document import page
from benchmarks.page.fit import Fit
from benchmarks.results import Encoded, Results
from protocol.errors import UsageProblem
from tests.benchmarks.examples import QUIET, measured


def test_the_page_is_the_same_from_what_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "measured" / "benchmarks.json"
    results.write(measured(), path)
    assert page(results.read(path)) == page(measured())


def test_what_was_kept_and_cannot_be_read_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.json"
    with pytest.raises(UsageProblem, match=r"benchmarks\.json: .*make bench"):
        results.read(path)
    path.write_text('{"sides": [{"case": {"parameters": "many"}}]}')
    with pytest.raises(UsageProblem, match=r"sides\.0\.case\.parameters: .*make bench"):
        results.read(path)


def test_every_side_of_a_case_is_a_row() -> None:
    lines = page(measured()).splitlines()
    rows = [line for line in lines if line.startswith(("| 110,000 parameters, 4 participants |", "|  |"))]
    assert [row.split(" | ")[1:3] for row in rows[:3]] == [
        ["bare", "1.00 (1.00–2.00)"],
        ["ours", "1.50 (1.40–3.20)"],
        ["flower", "9.00"],
    ]


def test_other_peoples_local_federation_is_beside_ours_where_it_was_measured() -> None:
    found = measured()
    assert "| BlazeFL, threads | 0.13 (0.12–0.14) | 0.065 (0.06–0.07) | 2.00 |" in page(found).splitlines()
    assert "BlazeFL was not measured" not in page(found)
    found.peers = []
    assert "BlazeFL was not measured" in page(found)


def test_an_encoding_is_shown_beside_the_exact_one() -> None:
    def row(encoding: str, size: int, main: float) -> Row:
        accuracy = Accuracy("right after it", 2, "linear", main, attack_train=1.0, backdoor=0.5)
        return Row(encoding, 1, size, 4 * size, 0.1, 0.05, (accuracy,))

    found = measured()
    found.encodings = Encoded(("a=1",), [row("float32", 400, 0.9), row("int8", 100, 0.85)])
    lines = page(found).splitlines()
    assert "| int8 | 100 | 0.25 | 100 | 50.0 |" in lines
    assert "| linear | right after it | int8 | 0.850 | 1.000 | 0.500 |" in lines


def test_a_machine_that_was_busy_is_said_at_the_top() -> None:
    found = measured()
    assert "not idle" not in page(found)
    found.conditions["rounds"] = replace(QUIET, others=0.3)
    assert "**The machine was not idle** while this was measured: rounds" in page(found)
    found.conditions["rounds"] = replace(QUIET, stolen=0.3)
    assert "**The machine was not idle**" in page(found)


def test_a_look_is_called_one() -> None:
    found = measured()
    assert "not to be quoted" not in page(found)
    found.quick = True
    assert "not to be quoted" in page(found)


def test_what_failed_is_said_with_the_reason() -> None:
    found = measured()
    found.failures["federations"] = ["1 parameters, 2 participants: no memory"]
    assert "**federations could not be measured**, at least in part: 1 parameters, 2" in page(found)


def test_a_page_of_nothing_says_so() -> None:
    text = page(Results())
    assert "Not measured." in text
    assert "| reached |" not in text


def test_the_figure_is_drawn_the_same_each_time(tmp_path: Path) -> None:
    sides = measured().sides
    found = scaling.scaling(sides)
    assert found is not None
    first = figure.write(sides, found.round, tmp_path / "one").read_bytes()
    assert first == figure.write(sides, found.round, tmp_path / "two").read_bytes()
    assert first.startswith(b"<?xml")


def test_three_cases_are_too_few_for_a_fit() -> None:
    plain = [side for side in measured().sides if side.name == "ours" and not side.case.keys]
    assert scaling.scaling(plain[:3]) is None
    assert scaling.scaling(plain) is not None


def fit(each_s: float, byte_s: float) -> Fit:
    return Fit(fixed_s=0.0, each_s=each_s, byte_s=byte_s, typical=0.0, worst=0.0)


def test_the_limit_is_what_takes_longest() -> None:
    by_messages = scaling.predicted(fit(1e-3, 1e-10), 10_000, 440_000)
    assert by_messages.processor_s == pytest.approx(10.44)
    assert by_messages.network_s == pytest.approx(3.52)
    assert by_messages.bytes_share == pytest.approx(0.44 / 10.44)
    by_network = scaling.predicted(fit(1e-5, 1e-10), 10_000, 440_000)
    assert by_network.processor_s < by_network.network_s


def test_from_which_size_on_the_network_is_the_limit() -> None:
    # 10 Gbit/s are 0.8 ns a byte.
    assert scaling.even_bytes(fit(1e-3, 0.3e-9)) == pytest.approx(2e6)
    assert scaling.even_bytes(fit(1e-3, 1e-9)) is None


def test_what_would_move_the_limit_follows_from_what_it_is() -> None:
    def said(each_s: float, byte_s: float) -> str:
        one = fit(each_s, byte_s)
        return "\n".join(scaling.text(scaling.Scaling(round=one, processor=one)))

    assert "less to do for each message" in said(1e-2, 1e-10)
    assert "a faster pass over them" in said(1e-6, 5e-9)
    assert "the network is the limit" in said(1e-6, 1e-10)
