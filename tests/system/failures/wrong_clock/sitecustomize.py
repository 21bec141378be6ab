"""With this on PYTHONPATH a process has a wrong clock: each reading is off by up to a day, and by another
time than the one before, so that time even goes backwards. The monotonic clock is as it was."""

import datetime
import random
import time

DAY_S = 86_400.0
_time, _time_ns, _datetime = time.time, time.time_ns, datetime.datetime


def _off() -> float:
    return random.SystemRandom().uniform(-DAY_S, DAY_S)


class WrongDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):  # type: ignore[no-untyped-def]
        return _datetime.now(tz) + datetime.timedelta(seconds=_off())

    @classmethod
    def utcnow(cls):  # type: ignore[no-untyped-def]
        return _datetime.utcnow() + datetime.timedelta(seconds=_off())


time.time = lambda: _time() + _off()
time.time_ns = lambda: _time_ns() + int(_off() * 1e9)
datetime.datetime = WrongDatetime  # type: ignore[misc]
