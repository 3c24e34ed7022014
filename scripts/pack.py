"""Packs a run's weights into one small file, half precision, with its config and its figures: what the package ships.

python scripts/pack.py --workdir=runs/classifier-compact --out=fer_jax/pretrained/fer2013.npz
python scripts/pack.py --workdir=runs/face_evaluator --out=fer_jax/evaluation/face_evaluator.npz --nets=net
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
    from fer_jax.core.config import as_plain
    from fer_jax.inference import packed
    from fer_jax.inference.loading import open_run
    from fer_jax.inference.variables import variables

    trained = open_run(Path(given.workdir), step=given.step)
    figures = trained.path / "eval" / "test.json"
    if not figures.exists():
        raise UsageError(f"--workdir {trained.path}: no {figures.name} there; let the run end first (fer_jax.main)")
    found = variables(trained.state)
    if unknown := [name for name in given.nets if name not in found]:
        raise UsageError(f"--nets {','.join(unknown)}: the run has {', '.join(found)}")
    about = {
        "config": as_plain(trained.config),
        "spec": trained.spec._asdict(),
        "step": trained.step,
        "test": json.loads(figures.read_text()),
    }
    out = Path(given.out)
    packed.write(out, about, {name: found[name] for name in given.nets or found})
    logging.info("written: %s, %d kB", out, out.stat().st_size // 1000)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv)
