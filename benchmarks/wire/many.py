"""Several echoing participants in one process: python -m benchmarks.wire.many ADDRESS PREFIX COUNT [KEYS]"""

import sys
from pathlib import Path

from benchmarks.wire.echo import EchoRole
from tests.system.failures.peers import Crowd

if __name__ == "__main__":
    _, address, prefix, count, *folder = sys.argv
    keys = Path(folder[0]) if folder else None
    Crowd(address, keys, prefix, int(count), eager=True, role=EchoRole).take_part()
