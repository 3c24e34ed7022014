"""The tiny workdirs of `tests.inference.runs`, and commands run in this process."""

import sys

import pytest

from tests.inference.runs import *  # noqa: F403


@pytest.fixture
def command(monkeypatch):
    """(module, *arguments): runs a command as `fer_jax.cli.app` does, in this process, its errors raised."""
    from absl import flags

    from fer_jax.cli import runtime
    from fer_jax.cli.command import with_configs

    monkeypatch.setattr(runtime, "start", lambda: None)

    def run(module, *arguments):
        before = set(flags.FLAGS)
        module.define_flags()
        own = set(flags.FLAGS) - before
        takes_names = getattr(module, "TAKES_NAMES", False)
        program = [module.__name__, *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", program)  # where a config's own flags are looked for
        flags.FLAGS.set_gnu_getopt(takes_names)
        try:
            try:
                names = flags.FLAGS(with_configs(program))[1:]
            finally:  # a config's overrides too; what libraries define in the run they keep
                own = set(flags.FLAGS) - before
            assert takes_names or not names, names
            module.run(*[names] * takes_names)
        finally:
            for name in own:
                delattr(flags.FLAGS, name)
            flags.FLAGS.set_gnu_getopt(False)

    return run
