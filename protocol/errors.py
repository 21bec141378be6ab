"""The errors that reach a person: one line each, and the exit code that goes with it."""


class FedmetaError(Exception):
    """Something that a person can mend; the message says what, where and what would help, in one line."""

    exit_code = 3


class UsageProblem(FedmetaError):
    """The command line, a scenario or a data set is wrong; nothing was started."""

    exit_code = 2


class RunFailed(FedmetaError):
    """The run cannot go on."""
