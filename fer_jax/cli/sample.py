"""Draws a run's sample sheet anew, from a checkpoint.

fer-jax sample --workdir=runs/tdgan-tiny --split=test
"""

from absl import flags

from fer_jax.cli import common, eval


def define_flags() -> None:
    """The flags."""
    eval.define_flags()


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    folder = common.required("workdir", "the folder of a run")
    from fer_jax.inference.run_folder import read_config

    config = read_config(folder)
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.cli.scoring import sample_run

    sample_run(config, folder, step=given.step, split=given.split)
