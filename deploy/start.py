"""The program's first and last lines. Until the command line can answer Ctrl-C by itself, Ctrl-C ends the
process without a word; once it has answered, one more changes nothing about the exit code."""

import gc
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    from deploy.cli import main as fedmeta

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        fedmeta()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # The interpreter's last collection would walk all that torch has made: a quarter of what starting and
        # ending a process costs.
        gc.freeze()
