"""Signals wake the loop; the second one ends the process at once."""

import os
import select
import signal
import subprocess
import sys

from coordinator.wakeup import Wakeup


def readable(wakeup: Wakeup) -> bool:
    return bool(select.select([wakeup.fileno()], [], [], 0)[0])


def test_a_notification_is_seen_until_it_is_drained() -> None:
    wakeup = Wakeup()
    assert not readable(wakeup)
    for _ in range(100_000):  # more than the pipe holds
        wakeup.notify()
    assert readable(wakeup)
    wakeup.drain()
    assert not readable(wakeup)
    wakeup.close()


def test_the_first_signal_wakes_and_says_which_it_was() -> None:
    wakeup, before = Wakeup(), signal.getsignal(signal.SIGTERM)
    with wakeup.on_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        assert wakeup.interrupted == "SIGTERM"
        assert readable(wakeup)
    assert signal.getsignal(signal.SIGTERM) == before
    wakeup.close()


def test_the_second_signal_ends_the_process_at_once() -> None:
    script = (
        "import os, signal\n"
        "from coordinator.wakeup import Wakeup\n"
        "with Wakeup().on_signals():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('still here')\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (130, b"")
