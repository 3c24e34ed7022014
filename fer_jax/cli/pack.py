"""Packs a run's weights into one small file, half precision, with its config and its figures: what the package ships.

python -m fer_jax.cli.pack --workdir=runs/classifier-compact --out=fer_jax/pretrained/fer2013.npz
python -m fer_jax.cli.pack --workdir=runs/face_evaluator --out=fer_jax/evaluation/face_evaluator.npz --nets=net
"""

import json
import sys
from pathlib import Path

from absl import flags, logging

from fer_jax.core.errors import UsageError


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a run that has ended.", required=True)
    flags.DEFINE_integer("step", None, "Checkpoint; default: the selected one.")
    flags.DEFINE_string("out", None, "File to write, .npz.", required=True)
    flags.DEFINE_list("nets", [], "Networks to pack; default: all of them.")


def run() -> None:
    """Does what the parsed flags say."""
    from fer_jax.cli import runtime

    given = flags.FLAGS
    runtime.start()
    from fer_jax.cli import common
    from fer_jax.inference import packed
    from fer_jax.interop import weights
    from fer_jax.train import workdir

    trained = common.open_workdir(Path(given.workdir), step=given.step)
    figures = trained.folder / "eval" / "test.json"
    if not figures.exists():
        raise UsageError(f"--workdir {trained.folder}: no {figures.name} there; let the run end first (fer_jax.main)")
    variables = weights.variables(trained.state)
    if unknown := [name for name in given.nets if name not in variables]:
        raise UsageError(f"--nets {','.join(unknown)}: the run has {', '.join(variables)}")
    about = {
        "config": workdir.as_dict(trained.config),
        "spec": trained.spec._asdict(),
        "step": trained.step,
        "test": json.loads(figures.read_text()),
    }
    out = Path(given.out)
    packed.write(out, about, {name: variables[name] for name in given.nets or variables})
    logging.info("written: %s, %d kB", out, out.stat().st_size // 1000)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv)
