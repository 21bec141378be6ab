"""How large a study is: the one place of its numbers."""

from dataclasses import dataclass
from typing import Literal

SizeName = Literal["published", "quick"]


@dataclass(frozen=True)
class Size:
    """``pretraining``: rounds before the attack; ``benign``: rounds after it; ``alone``: the same of the
    federations of many participants (E7). ``patient``: attack rounds of a patient attacker.

    ``after``: benign rounds after the attack at which curves are measured.
    Episodes of a measurement, for each seed: ``headline`` (E1), ``curve`` (E2, E4), ``variation`` (E5),
    ``forward`` (E6: no adaptation, so they are cheap), ``private`` (E7: of each participant).
    """

    name: SizeName
    seeds: int
    pretraining: int
    matching_pretraining: int  # the matching loss learns in fewer rounds
    benign: int
    patient: int
    after: tuple[int, ...]
    adaptation_steps: tuple[int, ...]
    headline: int
    curve: int
    variation: int
    forward: int
    many_participants: int
    many_classes: int  # of each of the many participants, where the data set draws as many as are wanted
    many_pretraining: int
    many_benign: int
    depths: tuple[int, ...]
    private: int


PUBLISHED = Size(
    name="published",
    seeds=3,
    pretraining=2000,
    matching_pretraining=800,
    benign=50,
    patient=20,
    after=(0, 5, 10, 20, 50),
    adaptation_steps=(0, 1, 5, 10, 20, 50, 100),
    headline=200,
    curve=100,
    variation=28,
    forward=150,
    many_participants=14,
    many_classes=6,
    many_pretraining=200,
    many_benign=50,
    depths=(4, 3, 2, 1),
    private=24,
)
QUICK = Size(
    name="quick",
    seeds=1,
    pretraining=300,
    matching_pretraining=150,
    benign=50,
    patient=10,
    after=(0, 5, 10, 20, 50),
    adaptation_steps=(0, 1, 5, 10, 20, 50, 100),
    headline=30,
    curve=16,
    variation=12,
    forward=50,
    many_participants=6,
    many_classes=6,
    many_pretraining=40,
    many_benign=20,
    depths=(4, 2),
    private=8,
)
SIZES: dict[SizeName, Size] = {size.name: size for size in (PUBLISHED, QUICK)}
