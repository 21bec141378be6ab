"""A page holds all it needs, is closed properly, and says in words what figures show."""

import re

import pytest

from coordinator.reading.report.page import (
    Block,
    Bullets,
    Code,
    Facts,
    FigureBlock,
    Heading,
    Notice,
    Paragraph,
    TableBlock,
    Verdict,
    render_page,
)
from tests.coordinator.reading.report.made_up import Page

EVIL = "<script>alert(\"x\")</script> & 'quoted'"
SVG = '<svg width="1" viewBox="0 0 1 1"><path d="M 0 0"/></svg>'
EVERYTHING: list[Block] = [
    Heading(EVIL),
    Heading(EVIL, 3),
    Heading("Third"),
    Paragraph(EVIL),
    Bullets([EVIL]),
    Notice(EVIL, "problem"),
    Facts([(EVIL, EVIL)]),
    FigureBlock(SVG, EVIL, EVIL, ["a b.png"]),
    TableBlock([EVIL, "n"], [[EVIL, "1.5"]], EVIL, frozenset({0}), files=["a.csv"]),
    TableBlock(["x"], [["y"]], EVIL, folded=True),
    Verdict(EVIL, "supported", EVIL),
    Code(EVIL),
]


def test_foreign_text_is_text() -> None:
    page = Page(render_page(EVIL, EVERYTHING, subtitle=EVIL, footer=EVIL))
    assert page.all("script") == []
    assert page.text.count(EVIL) >= 15
    (svg,) = page.all("svg")
    assert svg["aria-label"] == EVIL


def test_identifiers_are_unique_and_the_contents_lead_to_them() -> None:
    page = Page(
        render_page("Title", [Heading("Same"), Heading("Same"), Heading("Same", 3), Heading("Ünïcode")])
    )
    ids = page.attribute("id")
    assert len(ids) == len(set(ids)) == 4
    assert [one["href"] for one in page.all("a")] == [f"#{one}" for one in (ids[0], ids[1], ids[3])]


def test_nothing_is_loaded_from_elsewhere() -> None:
    source = render_page("Title", EVERYTHING)
    assert "http" not in source.replace("http-equiv", "")
    assert "@import" not in source
    page = Page(source)
    assert page.all("link") == page.all("img") == page.all("script") == []
    assert [one for one in page.attribute("href") if not one.startswith("#")] == ["a%20b.png", "a.csv"]
    (policy,) = [one for one in page.all("meta") if one.get("http-equiv")]
    assert "default-src 'none'" in (policy["content"] or "")


def test_light_dark_phone_and_paper_are_thought_of() -> None:
    source = render_page("Title", [])
    for needed in (
        "prefers-color-scheme: dark",
        "@media print",
        "width=device-width",
        "--fig-1f2328: #e6edf3",
    ):
        assert needed in source
    assert "/* light figures */" not in source


def test_a_table_may_be_wider_than_the_text_and_keeps_its_row_labels_in_view() -> None:
    source = render_page("Title", EVERYTHING)
    tables = re.findall(r"(<div[^>]*>)(<div[^>]*>)<table>", source)
    assert len(tables) == source.count("<table>") == 2
    assert all('class="wide"' in outer and 'class="scroll"' in inner for outer, inner in tables)
    style = " ".join(source.split())
    assert re.search(r"\.wide \{[^}]*width: calc\(100vw", style)
    assert re.search(r"th:first-child, td:first-child \{ position: sticky; left: 0; background: ", style)
    assert re.search(r"@media print .*\.wide \{ display: block; width: auto;", style)


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["1", "2.5", "–", ""], True),
        (["0.90 ±0.02", "1.00 ±0.00"], True),
        (["−0.3", "+4", "1e-05"], True),
        (["1.8 MB", "3 B"], True),
        (["none", "1"], False),
        (["tcp://1", "2"], False),
        (["–"], False),
    ],
)
def test_columns_of_numbers_stand_to_the_right(cells: list[str], numeric: bool) -> None:
    page = Page(render_page("Title", [TableBlock(["head"], [[cell] for cell in cells])]))
    assert all((one.get("class") == "number") == numeric for one in page.all("td"))


def test_verdicts_say_their_status_in_words_as_well_as_in_colour() -> None:
    blocks = [Verdict("C1", "contradicted", "why"), Verdict("C2", "open", "why", label="no data")]
    page = Page(render_page("Title", blocks))
    assert "contradicted" in page.text
    assert "no data" in page.text
    assert "undecided" not in page.text
