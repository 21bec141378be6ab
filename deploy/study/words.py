"""The words of a study's pages, with the numbers that they stand for."""

from deploy.study.federations import (
    ADAPTIVE,
    AWARE,
    PATIENT,
    PLAIN,
    TRANSFER,
    Data,
    Settings,
    many_participants,
    scenario_of,
    split_sizes,
)
from deploy.study.measurements import STEPS
from deploy.study.sizes import Size
from protocol.scenario import Attack


def words(data: Data, size: Size) -> list[tuple[str, str]]:
    """Each with its meaning."""
    plain, adaptive, transfer, aware, patient = (
        _attack(settings) for settings in (PLAIN, ADAPTIVE, TRANSFER, AWARE, {**ADAPTIVE, **PATIENT})
    )
    classes = split_sizes(data)
    many = many_participants(data, size)
    return [
        (
            "main task",
            f"accuracy on {classes.test} classes that nobody trains on and that are in no attack, in 5-way "
            "5-shot episodes",
        ),
        (
            "backdoor accuracy",
            f"the share of the backdoor class's images that users take for the target class, by chance .2: "
            f"attack-train, of the {plain.images} images that the attacker has; attack-validation, of others",
        ),
        (
            "participants",
            f"4, all of them in each round, of which one attacks; in E7 {many}, of which one attacks, or a "
            "quarter where the attack is patient. From the attack on the server rate is .3",
        ),
        (
            "holders",
            "benign participants who train on the backdoor class under its right label, from the attack on",
        ),
        (
            "linear, fresh-head",
            f"a user fine-tunes features and head for {STEPS} steps: the shared head, or one drawn anew",
        ),
        (
            "matching, matching-tuned",
            "a user compares features with those of the support set, as they are, or after fine-tuning them "
            f"for {STEPS} steps",
        ),
        (
            "plain attacker",
            f"`{plain.name}`, {plain.steps} steps: poisons the head that users adapt, with a boost that "
            "replaces the model, λ = M_r/η",
        ),
        (
            "adaptive attacker",
            f"`{adaptive.name}`, {adaptive.steps} steps: knows that users match features and that no head is "
            "shared, and makes images of the backdoor class look like the target",
        ),
        (
            "naive, transfer",
            f"the adaptive attacker with {transfer.steps} steps where only some blocks are shared: against "
            f"its own private part, or against those of {transfer.imagined} imagined users",
        ),
        (
            "aware",
            f"the adaptive attacker scales its update to the norm {aware.norm}, which a norm bound passes; "
            "it does not look for the best update of that norm",
        ),
        (
            "patient",
            f"attacks in {size.patient} rounds in a row, with {patient.steps} steps (and, in E7, "
            f"{patient.imagined} imagined users) in each",
        ),
        (
            "norm-bound, coordinate-median",
            "updates are scaled down to the median norm of their round; or the median of each value counts. "
            "From the first round of pre-training on",
        ),
    ]


def _attack(settings: Settings) -> Attack:
    return scenario_of(settings).attack
