"""Scores a run's checkpoint on a split.

fer-jax eval --workdir=runs/tdgan-tiny --split=validation

Written are <workdir>/eval/<split>.json and the plots of its figures.
"""

from absl import flags

from fer_jax.cli import common

SPLITS = ("train", "validation", "test")


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of the run.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_enum("split", "test", SPLITS, "The split.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    folder = common.required("workdir", "the folder of a run")
    from fer_jax.inference.run_folder import read_config

    config = read_config(folder)
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.cli.scoring import evaluate_run

    evaluate_run(config, folder, step=given.step, split=given.split)
