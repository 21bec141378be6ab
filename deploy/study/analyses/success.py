"""E1 to E3: how well the attack works, how long it lasts, and what a support set changes."""

from deploy.study import claims
from deploy.study.analyses.pieces import (
    BENIGN_ROUNDS,
    LIFESPANS,
    SUPPORTS,
    analysis_of,
    before_after,
    benign_ticks,
    curve_of,
    headings,
    lifespan_of,
    rises,
    series_of,
)
from deploy.study.findings import Figure, Findings, Panel, Series, Table
from deploy.study.measurements import BEFORE, METRICS, Measurements, Pick, When, main, train, validation
from deploy.study.sizes import Size
from deploy.study.statistics import paired

ONE_ATTACK = (
    "E1, E2 where nobody holds the class, and E4's and E6's linear federation are the same attack on the "
    "same model in each seed, measured by episodes of their own: that they agree confirms nothing. E3 looks "
    "at E1 and E2 once more."
)


@analysis_of("E1")
def _e1(measured: Measurements, size: Size) -> Findings:
    panels = tuple(
        Panel(words.capitalize(), "adaptation steps", series=_by_steps(measured, held), ticks=_steps(size))
        for held, words in SUPPORTS
    )
    rows = [
        (
            str(steps),
            "yes" if held else "no",
            *before_after(measured, Pick("E1", "linear", held, steps), (0, size.benign), METRICS),
            *before_after(measured, Pick("E1", "linear", held, steps), (0, size.benign), {"main task": main}),
        )
        for held, _ in SUPPORTS
        for steps in size.adaptation_steps
    ]
    header = (
        "steps", "backdoor in support", *headings((0, size.benign), METRICS),
        *headings((0, size.benign), {"main task": main}),
    )  # fmt: skip
    figure = Figure(
        "backdoor-by-adaptation-steps",
        "Backdoor accuracy as users adapt the model to their support set, before and right after one attack.",
        "Backdoor accuracy against the number of adaptation steps.",
        panels,
    )
    return Findings(
        tables=(
            Table(figure.stem, "Backdoor accuracy by adaptation steps.", header, tuple(rows)),
        ),
        figures=(figure,),
        verdicts=(claims.c1(measured),),
        notes=(
            "Backdoor and main-task accuracy are to be read together: a model that takes everything for the "
            "target class has a backdoor accuracy of 1, and a main task of chance.",
            ONE_ATTACK,
        ),
    )  # fmt: skip


def _by_steps(measured: Measurements, held: bool) -> tuple[Series, ...]:
    found = []
    for n, (name, metric) in enumerate(METRICS.items()):
        for when, words in ((0, "right after"), (BEFORE, "before")):
            picks = [Pick("E1", "linear", held, s) for s in measured.steps_of(Pick("E1", "linear", held))]
            moment: When = 0 if when == 0 else BEFORE
            values = [(pick.steps or 0, measured.at(pick, moment, metric)) for pick in picks]
            found.append(
                series_of(f"{name}, {words}", enumerate(v for _, v in values), n, dashed=when == BEFORE)
            )
    return tuple(found)


def _steps(size: Size) -> tuple[tuple[float, str], ...]:
    # Equal distances: 0, 1, 5 … 100 have no scale that shows them all.
    return tuple((float(i), str(steps)) for i, steps in enumerate(size.adaptation_steps))


@analysis_of("E2")
def _e2(measured: Measurements, size: Size) -> Findings:
    arms = (("E2-apart", "nobody holds the class"), ("E2-holders", "benign participants hold it"))
    panels = tuple(
        Panel(
            words.capitalize(),
            BENIGN_ROUNDS,
            series=tuple(
                curve_of(measured, Pick(arm, "linear", held), metric, f"{name}, {who}", 2 * i + n)
                for i, (arm, who) in enumerate(arms)
                for n, (name, metric) in enumerate(METRICS.items())
            ),
            ticks=benign_ticks(size),
        )
        for held, words in SUPPORTS
    )
    rows = [
        (
            who,
            "yes" if held else "no",
            *before_after(measured, Pick(arm, "linear", held), size.after, {"attack-train": train}),
            *rises(measured, Pick(arm, "linear", held), (0, size.benign)),
            lifespan_of(measured, Pick(arm, "linear", held), train),
            measured.at(Pick(arm, "linear", held), size.benign, validation),
            measured.at(Pick(arm, "linear", held), size.benign, main),
        )
        for arm, who in arms
        for held, _ in SUPPORTS
    ]
    header = (
        "benign participants", "backdoor in support", *headings(size.after, {"": train}),
        "rise, right after", f"rise, +{size.benign}", "median lifespan",
        f"attack-validation, +{size.benign}", f"main task, +{size.benign}",
    )  # fmt: skip
    return Findings(
        tables=(
            Table(
                "persistence", f"Backdoor accuracy on attack-train images over benign rounds. {LIFESPANS}",
                header, tuple(rows),
            ),
        ),
        figures=(
            Figure(
                "persistence",
                "Backdoor accuracy of users who adapt for 50 steps, over benign rounds after one attack.",
                "Backdoor accuracy against benign rounds after the attack.",
                panels,
            ),
        ),
        verdicts=claims.c2(measured, size.benign),
        notes=(ONE_ATTACK,),
    )  # fmt: skip


@analysis_of("E3")
def _e3(measured: Measurements, size: Size) -> Findings:
    moments: list[tuple[str, str, When]] = [("E1", "right after (E1)", 0)]
    moments += [
        (arm, f"{f'+{rounds}' if rounds else 'right after'} ({words})", rounds)
        for arm, words in (("E2-apart", "E2"), ("E2-holders", "E2, benign participants hold it"))
        for rounds in (0, size.benign)
    ]
    rows = []
    for arm, words, when in moments:
        for name, metric in METRICS.items():
            absent = measured.by_seed(Pick(arm, "linear", False), when, metric)
            held = measured.by_seed(Pick(arm, "linear", True), when, metric)
            rows.append(
                (
                    words,
                    name,
                    *(
                        measured.at(Pick(arm, "linear", in_support), when, metric)
                        for in_support in (False, True)
                    ),
                    paired(held, absent),
                )
            )
    header = ("measured", "images", "not in support", "in support", "in support − not")
    panel = Panel(
        "",
        BENIGN_ROUNDS,
        series=tuple(
            curve_of(measured, Pick("E2-apart", "linear", held), metric, f"{name}, {words}", 2 * held + n)
            for held, words in ((False, "not in support"), (True, "in support"))
            for n, (name, metric) in enumerate(METRICS.items())
        ),
        ticks=benign_ticks(size),
    )
    return Findings(
        tables=(
            Table(
                "support", "What it changes when the user's support set holds the backdoor class.",
                header, tuple(rows),
            ),
        ),
        figures=(
            Figure(
                "support",
                "Backdoor accuracy with the backdoor class in the user's support set under its right label, "
                "or not.",
                "Backdoor accuracy against benign rounds after the attack, in both cases.",
                (panel,),
            ),
        ),
        verdicts=(claims.c1_in_support(measured),),
        notes=(ONE_ATTACK,),
    )  # fmt: skip
