"""Trains a system, or goes on with a run where its workdir stands.

fer-jax train --config=tdgan.py:tiny
fer-jax train --config=configs/tdgan.py:raf_db --workdir=runs/raf_db --config.optim.lr=2e-4

At the end the selected checkpoint is scored on the test split. The workdir holds config.json, metrics.jsonl (the
record), checkpoints/ (the last and the best one), samples/, plots/ and eval/<split>.json.
"""

from pathlib import Path

from absl import flags

from fer_jax.cli import common


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_string("workdir", None, "Folder of the run; default: runs/<config>[-<variant>].")


def run() -> None:
    """Does what the parsed flags say."""
    config = common.config()
    folder = Path(flags.FLAGS.workdir or common.default_workdir())
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.cli.training import train

    train(config, folder)
