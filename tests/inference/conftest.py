"""The tiny workdirs of `runs`."""

from tests.inference.runs import *  # noqa: F403
