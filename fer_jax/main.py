"""Trains, evaluates or samples a system: python -m fer_jax.main --config=configs/tdgan.py[:variant]."""

import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from fer_jax.core.errors import UsageError

MODES = ("train", "eval", "sample")

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file, with its variant after a colon.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; default: runs/<config>[-<variant>].")
_MODE = flags.DEFINE_enum("mode", "train", MODES, "train goes on from whatever the workdir holds.")
_STEP = flags.DEFINE_integer("step", None, "eval, sample: the checkpoint's step; default: the selected one.")
_SPLIT = flags.DEFINE_enum("split", "test", ("train", "validation", "test"), "eval, sample: the split.")


def run() -> None:
    """Does what the parsed flags say."""
    if not flags.FLAGS["config"].present:
        raise UsageError("--config: missing; e.g. --config=configs/tdgan.py:tiny")
    from fer_jax.cli import runtime

    name = config_flags.get_config_filename(flags.FLAGS["config"])
    if not Path(name.partition(":")[0]).exists():
        raise UsageError(f"--config: there is no file {name.partition(':')[0]}; see the folder configs/")
    folder = Path(_WORKDIR.value or runtime.default_workdir(name))
    runtime.start()
    from fer_jax.evaluation import command
    from fer_jax.train import loop

    if _MODE.value == "train":
        loop.train(_CONFIG.value, folder)
    else:
        command.evaluate_workdir(_CONFIG.value, folder, step=_STEP.value, split=_SPLIT.value, mode=_MODE.value)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    call(run, sys.argv)
