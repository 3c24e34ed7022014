"""Stores the face judge of a workdir in the package, where the editors' evaluation finds it.

python -m fer_jax.main --config=configs/face_judge.py --workdir=runs/face_judge
python -m fer_jax.tools.build_face_judge --workdir=runs/face_judge
"""

import json
import sys
from pathlib import Path

from absl import flags, logging

from fer_jax.errors import UsageError


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a run of configs/face_judge.py.", required=True)
    flags.DEFINE_integer("step", None, "Checkpoint; default: the selected one.")
    flags.DEFINE_string("out", None, "File to write; default: the package's own.")


def run() -> None:
    """Does what the parsed flags say."""
    from fer_jax import runtime

    given = flags.FLAGS
    runtime.start()
    from fer_jax.eval import judge
    from fer_jax.tools import common

    trained = common.open_workdir(Path(given.workdir), step=given.step, only=("face_judge",))
    figures = trained.folder / "eval" / "test.json"
    if not figures.exists():
        raise UsageError(f"--workdir {trained.folder}: no {figures.name} there; let the run end first (fer_jax.main)")
    net = trained.state.nets["net"]
    about = {
        "image_size": trained.spec.image_size,
        "classes": trained.spec.classes["expression"],
        "model": {
            "aus": trained.system.net.aus,
            "classes": trained.system.net.classes,
            **trained.config.model.to_dict(),
        },
        "step": trained.step,
        "test": json.loads(figures.read_text()),
    }
    path = Path(given.out) if given.out else judge.FILE
    judge.write(path, about, {"params": net.averaged, **net.stats})
    logging.info("written: %s, %d kB", path, path.stat().st_size // 1000)


if __name__ == "__main__":
    from fer_jax.cli import call

    define_flags()
    call(run, sys.argv)
