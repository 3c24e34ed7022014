"""Errors that end a command with one line instead of a traceback."""

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any


class UsageError(Exception):
    """Bad usage or bad input: the text says what is wrong, where, and what to do. Exit status 2."""


class RunFailed(Exception):
    """The run cannot go on, through no fault of its input. Exit status 1."""


def check_choices(config: Any, choices: Mapping[str, Sequence[Any]]) -> None:
    """Refuses a config with a value that there is not.

    Args:
      config: whose fields are checked.
      choices: field, with dots between its parts -> what it can be.

    Raises:
      UsageError: the value of a field is none of them.
    """
    for field, known in choices.items():
        value = functools.reduce(operator.getitem, field.split("."), config)
        if value not in known:
            raise UsageError(f"config.{field}: {value!r} is not one of {', '.join(map(str, known))}")
