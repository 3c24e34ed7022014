"""Trains, evaluates or samples a system.

python -m fer_jax.main --config=configs/tdgan.py
python -m fer_jax.main --config=configs/tdgan.py:tiny --workdir=runs/t --mode=eval --split=validation
"""

import sys
from pathlib import Path

from absl import flags

from fer_jax.cli import common
from fer_jax.cli.eval import SPLITS

MODES = ("train", "eval", "sample")


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_string("workdir", None, "Folder of the run; default: runs/<config>[-<variant>].")
    flags.DEFINE_enum("mode", "train", MODES, "train goes on from whatever the workdir holds.")
    flags.DEFINE_integer("step", None, "eval, sample: the checkpoint's step; default: the selected one.")
    flags.DEFINE_enum("split", "test", SPLITS, "eval, sample: the split.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    config = common.config()
    folder = Path(given.workdir or common.default_workdir())
    from fer_jax.cli import runtime

    runtime.start()
    if given.mode == "train":
        from fer_jax.cli.training import train

        train(config, folder)
        return
    from fer_jax.cli import scoring

    act = scoring.evaluate_run if given.mode == "eval" else scoring.sample_run
    act(config, folder, step=given.step, split=given.split)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv, doc=__doc__)
