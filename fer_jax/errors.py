"""The error a user can cause: one line that says what is wrong, where, and what to do."""


class UsageError(Exception):
    """Bad usage or bad input. Commands print its text as one line and exit with status 2."""
