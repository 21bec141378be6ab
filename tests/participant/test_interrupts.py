import os
import signal

import pytest

from participant.interrupts import held_back


def test_an_interrupt_that_is_held_back_comes_afterwards() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), held_back():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("the end")
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
