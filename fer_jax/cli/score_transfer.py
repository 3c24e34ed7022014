"""How well TDGAN transfers expressions, by a recogniser that had no part in its training: another run's.

python -m fer_jax.main --config=configs/tdgan.py:tiny --workdir=runs/judge --config.seed=7 --config.run.steps=1400
python -m fer_jax.cli.score_transfer --workdir=runs/tdgan-tiny --judge=runs/judge

Every test picture of the expression stream is put on a face of the other stream, one after another. The table says how
often the judge names the expression in the test picture itself, in the generated one, and in the face as it was: the
figure that transferring nothing would get. A run's own recognisers are no judges, since the generator learned to please
them. A judge of the same kind and data can still share some of their weaknesses.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import UsageError

PICTURES = ("expression", "generated", "face")


def check(trained: common.Trained, judge: common.Trained) -> None:
    """The judge must see the pictures that the run makes.

    Raises:
      UsageError: it recognises no expressions, is the run itself, or has other pictures or classes.
    """
    from fer_jax.core.protocols import Recogniser

    where = f"--judge {judge.folder}"
    if not isinstance(judge.system, Recogniser):
        raise UsageError(f"{where}: a run of {judge.config.system}, which recognises no expressions")
    if judge.folder.resolve() == trained.folder.resolve():
        raise UsageError(f"{where}: is the run to be judged; train another one, with another --config.seed")
    for what, mine, theirs in (
        ("pictures of size", trained.spec.image_size, judge.spec.image_size),
        ("pictures with channels", trained.spec.channels, judge.spec.channels),
        ("the classes", trained.spec.classes["expression"], judge.spec.classes["expression"]),
    ):
        if mine != theirs:
            raise UsageError(f"{where}: takes {what} {theirs}, the run to be judged makes {mine}")


def answers(trained: common.Trained, judge: common.Trained, data: Any, *, seed: int = 0) -> dict[str, np.ndarray]:
    """The judge's logits (N, K) by kind of picture, and the "label" (N,), over the test split of opened data."""
    import jax

    system, gen = trained.system, trained.state.nets["gen"].averaged
    ready = jax.jit(judge.system.prepare)(judge.state)

    @jax.jit
    def answer(face, expression, key):
        noise = system.draw_noise(key, face.shape[0]).generate
        pictures = {"face": face, "expression": expression}
        pictures["generated"], _ = system.generate(gen, face, expression, noise)
        return {kind: judge.system.answer(ready, picture)["logits"] for kind, picture in pictures.items()}

    faces = data.some("test", len(data.tables["face"]["train"]))["face"]["image"]
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*PICTURES, "label")}
    for step, batch in enumerate(data.evaluate("test")):
        expression, mask = batch["expression"], batch["mask"]["mask"]
        count = len(mask)
        face = faces[(step * count + np.arange(count)) % len(faces)]
        key = jax.random.fold_in(jax.random.key(seed), step)
        logits = jax.device_get(answer(face, expression["image"], key))
        for name, values in {**logits, "label": expression["expression"]}.items():
            found[name].append(values[mask])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of the TDGAN run to be judged.")
    flags.DEFINE_string("judge", None, "Folder of a run that recognises expressions in such pictures.")
    flags.DEFINE_integer("step", None, "The judged checkpoint's step; default: the selected one.")
    flags.DEFINE_integer("seed", 0, "Of the noise.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    if not (given.workdir and given.judge):
        raise UsageError("--workdir and --judge: both are needed, see --help")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.core.metrics import classification
    from fer_jax.data import open_data

    trained = common.open_workdir(Path(given.workdir), step=given.step, only=("tdgan",))
    judge = common.open_workdir(Path(given.judge), step=None)
    check(trained, judge)
    found = answers(trained, judge, open_data(trained.config), seed=given.seed)
    classes = trained.spec.classes["expression"]
    figures = {kind: classification(found[kind], found["label"], classes) for kind in PICTURES}
    names = ("accuracy", "macro_f1", "cross_entropy")
    rows = [[kind, *(f"{figures[kind][name]:.4f}" for name in names)] for kind in PICTURES]
    print(common.aligned([["what the judge sees", *names], *rows]))
    path = trained.folder / "eval" / "judged.json"
    about = {"step": trained.step, "judge": str(judge.folder), "judge_step": judge.step, "classes": classes}
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**about, **figures}, indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
    logging.info("written: %s", path)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv)
