"""Errors that end a command with one line instead of a traceback."""


class UsageError(Exception):
    """Bad usage or bad input: the text says what is wrong, where, and what to do. Exit status 2."""


class RunFailed(Exception):
    """The run cannot go on, through no fault of its input. Exit status 1."""
