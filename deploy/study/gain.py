"""What federating gains over training alone, and how much of it an arm keeps. Pure."""

from dataclasses import dataclass

from deploy.study.measurements import Measurements, Pick, main
from deploy.study.statistics import Estimate, Ratio, gain_kept, paired


@dataclass(frozen=True)
class Controls:
    """Two arms that nobody attacks: all is shared, and nothing is. ``own_parts``: each participant measures
    with a private part of its own, in arms and controls alike."""

    full: str
    alone: str
    own_parts: bool = False


USUAL = Controls("matching-nobody-mean", "alone-nobody")
SHARING = Controls("E7-depth-4-nobody", "E7-depth-0-nobody", own_parts=True)


def gain_of(measured: Measurements, rounds: int, controls: Controls) -> Estimate | None:
    """Main-task accuracy of full sharing minus training alone, so many rounds after the moment of the
    attack; None where it was not measured."""
    full, alone = (
        measured.by_seed(Pick(arm, "matching"), rounds, main) for arm in (controls.full, controls.alone)
    )
    return paired(full, alone)


def kept_of(measured: Measurements, pick: Pick, rounds: int, controls: Controls) -> Ratio | None:
    """The share of the gain that an arm keeps, all three so many rounds after the (last) attack. Where
    participants measure for themselves, those that attack in the arm are left out of its controls too."""
    alike = pick.arm if controls.own_parts else None
    full, alone = (
        measured.by_seed(Pick(arm, "matching"), rounds, main, alike=alike)
        for arm in (controls.full, controls.alone)
    )
    return gain_kept(measured.by_seed(pick, rounds, main), alone, full)
