"""Names the expression in pictures of faces: one row a picture with its class, probabilities, valence and arousal.

fer-jax predict face.jpg faces/ "more/*.png" --out=table.csv
fer-jax predict faces/ --workdir=runs/emotion_gcn-tiny

Without --workdir the model that the package holds is used; fer_jax/pretrained/fer2013.md says what it knows.
Named are files, folders (every picture below, sorted) and patterns. A picture is taken as the crop of a face, and seen
as the run's own pictures are in its evaluation. Each has its row, in the order given, with an empty class and the
reason in the column "error" where it cannot be read. Valence and arousal are empty where the network has none.
The same from Python: fer_jax.load("fer2013").predict("faces/").
"""

import contextlib
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.core.errors import RunFailed, UsageError
from fer_jax.core.writing import whole_file
from fer_jax.inference import images
from fer_jax.inference.predictions import Row, columns, rounded

TAKES_NAMES = True


@contextlib.contextmanager
def table(out: Path | None, names: Sequence[str]) -> Iterator[Callable[[Row], Any]]:
    """Gives a function that writes a row: to a file, which is there only once all are, or as csv to stdout.

    Raises:
      UsageError: the file cannot be written.
      RunFailed: not any longer, e.g. on a full disk.
    """
    if out is None:
        try:
            yield _writer(sys.stdout, names)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads has enough, e.g. head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        return
    begun = False
    try:
        with whole_file(out) as partial:
            with partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
                begun = True
                yield _writer(stream, names, lines=out.suffix.lower() == ".jsonl")
    except OSError as error:
        text = f"--out {out}: cannot be written: {error.strerror or error}"
        raise (RunFailed if begun else UsageError)(text) from error


def _writer(stream: Any, names: Sequence[str], *, lines: bool = False) -> Callable[[Row], Any]:
    if lines:
        return lambda row: stream.write(json.dumps(rounded(row)) + "\n")
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    return lambda row: writer.writerow(rounded(row))


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a run that recognises expressions; default: the package's model.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_string("out", None, "Table to write, .csv or .jsonl; default: csv to stdout.")
    flags.DEFINE_string("plot", None, "Picture to draw faces on the valence/arousal plane into; default: none.")
    flags.DEFINE_integer("faces", 150, "Faces on that plane at most, evenly chosen.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 64, "Pictures that go through the network together.", lower_bound=1)


def run(names: Sequence[str]) -> None:
    """Does what the parsed flags say with the pictures named."""
    given = flags.FLAGS
    out = Path(given.out) if given.out else None
    if out and out.suffix.lower() not in (".csv", ".jsonl"):
        raise UsageError(f"--out {out}: the ending must be .csv or .jsonl")
    sources = images.find(list(names))
    if given.step is not None and not given.workdir:
        raise UsageError(f"--step={given.step}: is of a --workdir; the model of the package has one set of weights")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.inference.loading import open_packed, open_run
    from fer_jax.inference.recogniser import Recogniser

    opened = open_run(Path(given.workdir), step=given.step) if given.workdir else open_packed("fer2013")
    recogniser = Recogniser(opened, batch_size=min(given.batch_size, len(sources)))
    if not given.workdir:
        logging.info("model: %s of the package; see %s", opened.path.stem, opened.path.with_suffix(".md"))
    if given.plot and not recogniser.predicts_valence_arousal:
        raise UsageError(f"--plot: the network of {opened.path} has no valence and arousal")
    chosen = set(np.linspace(0, len(sources) - 1, given.faces).astype(int).tolist()) if given.plot else set()
    failed, faces = 0, []
    with table(out, columns(recogniser.classes)) as write:
        for i, (row, image) in enumerate(_progress(recogniser.rows(sources), len(sources), out)):
            write(row)
            failed += image is None
            if i in chosen and image is not None:
                faces.append((image, row))
    if given.plot:
        _plot(faces, recogniser.classes, Path(given.plot))
    if written := [name for name in (given.out, given.plot) if name]:
        logging.info("written: %s (checkpoint of step %d)", " and ".join(written), opened.step)
    if failed:
        logging.warning('%d of %d pictures have no prediction; the column "error" says why', failed, len(sources))


def _progress(rows: Iterator[Any], total: int, out: Path | None) -> Iterator[Any]:
    """The rows, with a bar on a terminal, where the table does not go there itself."""
    from tqdm import tqdm

    return iter(tqdm(rows, total=total, leave=False, disable=None if out else True, unit=" pictures", delay=2))


def _plot(faces: Sequence[tuple[np.ndarray, Row]], classes: Sequence[str], path: Path) -> None:
    from fer_jax.report import plots

    points = np.array([[row["valence"], row["arousal"]] for _, row in faces]).reshape(-1, 2)
    names = [row["class"] for _, row in faces]
    images.write_picture(plots.valence_arousal([image for image, _ in faces], points, names, classes), path)
