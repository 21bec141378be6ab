"""The daemon with the tiny model.

python -m tests.coordinator.serve_tiny SCENARIO RUN_DIR BIND [--resume] [--from CHECKPOINT] [--keys DIR]
"""

import sys
from pathlib import Path

from coordinator.daemon import Outcome
from coordinator.service import Settings, serve
from protocol.errors import FedmetaError
from protocol.scenario import load_scenario
from tests.coordinator.tiny import initial_parameters


def main() -> int:
    path, run_dir = Path(sys.argv[1]), Path(sys.argv[2])
    settings = Settings(
        scenario=load_scenario(path),
        name=path.stem,
        bind=sys.argv[3],
        run_dir=run_dir,
        resume="--resume" in sys.argv,
        keys=Path(sys.argv[sys.argv.index("--keys") + 1]) if "--keys" in sys.argv else None,
        origin=sys.argv[sys.argv.index("--from") + 1] if "--from" in sys.argv else None,
    )
    try:
        outcome = serve(settings, initial_parameters)
    except FedmetaError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 130 if outcome is Outcome.INTERRUPTED else 0


if __name__ == "__main__":
    sys.exit(main())
