"""The command line with participants that return their input plus one: python -m benchmarks.wire.echo …

As :mod:`tests.system.failures.light`, whose model it takes; every check is on.
"""

import numpy as np

from protocol.manifest import Parameters
from protocol.messages import Train
from tests.system.failures.light import LightRole, start


class EchoRole(LightRole):
    def update(self, order: Train, start: Parameters) -> Parameters:
        (model,) = start.buffers
        return Parameters(self.manifest, (model + np.float32(1.0),))


if __name__ == "__main__":
    start(EchoRole)
