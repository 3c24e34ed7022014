"""Classifiers alone and together on one split, which the first one's data has.

fer-jax ensemble --workdirs=runs/regular,runs/augmented,runs/expanded
fer-jax ensemble --workdirs=runs/classifier-compact --tta=ten --split=validation

The table has each run's accuracy, top-2 accuracy and normalised accuracy (the mean recall of the classes), and those of
the ensembles: "max_logit" is what the reference of the FER2013 classifiers calls its vote, "mean_probability" the mean
of the softmax, "majority" a vote. Runs must know the same classes; each sees the pictures in its own way. Written are,
beside the first run's evaluation, <out>.json and the confusion matrices.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.config import changed
from fer_jax.core.errors import UsageError

_COLUMNS = ("accuracy", "top2", "normalised_accuracy", "macro_f1")


def logits_of(folder: Path, split: str, tta: str | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], int]:
    """(logits (N, K), labels (N,), classes, the checkpoint's step) of a run on a split of its data.

    Raises:
      UsageError: no such run, or it is no classifier's.
    """
    from fer_jax.data.opening import open_data
    from fer_jax.evaluation.evaluate import outputs
    from fer_jax.inference.loading import open_run
    from fer_jax.inference.runner import Runner
    from fer_jax.systems.building import build

    loaded = open_run(folder, only=("classifier",))
    config = changed(loaded.config, {"tta": tta}) if tta else loaded.config
    data = open_data(config, training=False)
    runner = Runner(build(config, loaded.spec, training=False), config.seed)
    found = outputs(runner, loaded.state, data, split)
    return found["logits"], found["expression"], loaded.spec.classes["expression"], loaded.step


def gather(
    folders: Sequence[Path], split: str, tta: str | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], list[int]]:
    """(logits (M, N, K), labels (N,), classes, steps) of several runs.

    Raises:
      UsageError: they know other classes, or their data has other pictures.
    """
    found = [logits_of(folder, split, tta) for folder in folders]
    _, labels, classes, _ = found[0]
    for folder, (_, own, names, _) in zip(folders[1:], found[1:], strict=True):
        if names != classes or len(own) != len(labels) or (own != labels).any():
            raise UsageError(f"--workdirs {folder}: has another {split} split than {folders[0]}, or other classes")
    return np.stack([logits for logits, *_ in found]), labels, classes, [step for *_, step in found]


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_list("workdirs", [], "Folders of classifiers' runs.")
    flags.DEFINE_enum("split", "test", ("train", "validation", "test"), "The split.")
    flags.DEFINE_enum(
        "tta", None, ("single", "flip", "ten"), "Parts of a picture whose predictions are averaged; default: the run's."
    )
    flags.DEFINE_string("out", "ensemble", "Name of what is written.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    if not given.workdirs:
        raise UsageError("--workdirs: missing; the folders of classifiers' runs, with commas between them")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.core.metrics import classification
    from fer_jax.evaluation.ensemble import RULES, combine

    folders = [Path(name) for name in given.workdirs]
    logits, labels, classes, steps = gather(folders, given.split, given.tta)
    figures: dict[str, Any] = {}
    for folder, own in zip(folders, logits, strict=True):
        figures[str(folder)] = classification(own, labels, classes)
    if len(folders) > 1:
        for rule in RULES:
            figures[rule] = classification(combine(logits, rule), labels, classes)
    rows = [[name, *(f"{values[column]:.4f}" for column in _COLUMNS)] for name, values in figures.items()]
    print(common.aligned([[f"{given.split}, {len(labels)} pictures", *_COLUMNS], *rows]))
    about = {"split": given.split, "tta": given.tta or "as trained", "steps": steps, "classes": classes}
    _write(folders[0], given.out, about, figures, classes)


def _write(folder: Path, name: str, about: dict[str, Any], figures: dict[str, Any], classes: Sequence[str]) -> None:
    from fer_jax.report import plots

    path, matrices = folder / "eval" / f"{name}.json", folder / "plots" / f"confusion_{name}.png"
    shown = {f"{Path(key).name}: {values['accuracy']:.3f}": values["confusion"] for key, values in figures.items()}
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**about, **figures}, indent=2) + "\n")
        plots.confusion(matrices, shown, classes)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
    logging.info("written: %s and %s", path, matrices)
