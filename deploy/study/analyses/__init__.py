"""From measurements to findings: one function for each experiment. Pure."""

# Importing a module registers its analyses.
from deploy.study.analyses import adaptive, decisions, sharing, success, variations  # noqa: F401
from deploy.study.analyses.pieces import ANALYSES
from deploy.study.findings import Findings
from deploy.study.measurements import Measurements
from deploy.study.sizes import Size


def analyse(experiment: str, measured: Measurements, size: Size) -> Findings:
    """Of what is there: seeds or arms whose runs failed are missing."""
    return ANALYSES[experiment](measured, size)
