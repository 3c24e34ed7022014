"""Names the expression in pictures of faces: one row a picture with its class, probabilities, valence and arousal.

python -m fer_jax.cli.predict face.jpg faces/ "more/*.png"
python -m fer_jax.cli.predict faces/ --workdir=runs/emotion_gcn-tiny --out=table.csv

Without --workdir the model that the package holds is used; fer_jax/pretrained/fer2013.md says what it knows.
Named are files, folders (every picture below, sorted) and patterns. A picture is taken as the crop of a face, and seen
as the run's own pictures are in its evaluation. Each has its row, in the order given, with an empty class and the
reason in the column "error" where it cannot be read. Valence and arousal are empty where the network has none.
The same from Python: fer_jax.predict("faces/"), fer_jax.predict("faces/", "runs/emotion_gcn-tiny").
"""

import collections
import contextlib
import csv
import functools
import glob
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import RunFailed, UsageError

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")  # looked for in folders
_THREADS = 4
_DECIMALS = 6
Row = dict[str, Any]  # see `fields`; None = empty


def find(names: Iterable[str | Path]) -> list[str]:
    """The files that names of files, folders and patterns stand for; a file need not be there, nor be a picture.

    Raises:
      UsageError: there are none, or a folder or pattern stands for none.
    """
    files: list[str] = []
    for name in map(str, names):
        found = [name]
        if not os.path.exists(name) and glob.has_magic(name):
            found = sorted(glob.glob(name, recursive=True))
        found = [file for one in found for file in (_below(one) if os.path.isdir(one) else [one])]
        if not found:
            raise UsageError(f"{name}: no pictures there; looked for are, in folders, {', '.join(ENDINGS)}")
        files += found
    if not files:
        raise UsageError("no pictures given; name files, folders or patterns, see --help")
    return files


def _below(folder: str) -> list[str]:
    return sorted(str(file) for file in Path(folder).rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())


def fields(classes: Sequence[str]) -> list[str]:
    """The columns."""
    return ["file", "class", *(f"p_{name}" for name in classes), "valence", "arousal", "error"]


class Predictor:
    """A trained system that recognises, ready for pictures: one compiled program for batches of one size.

    Attributes:
      batch_size: rounded up to a multiple of the devices.
      classes: their names.
      knows_va: whether it has valence and arousal.
    """

    def __init__(self, trained: common.Trained, batch_size: int):
        """Raises UsageError where the system does not recognise."""
        import jax

        from fer_jax.core.protocols import Recogniser

        system, runner = trained.system, trained.runner
        if not isinstance(system, Recogniser):
            raise UsageError(
                f"--workdir {trained.folder}: a run of {trained.config.system}, which recognises no expressions"
            )

        def answer(state, image):
            answers = system.answer(state, image)
            return {**answers, "logits": jax.nn.softmax(answers["logits"])}

        devices, data = runner.mesh.size, trained.config.data
        self.batch_size = -(-batch_size // devices) * devices
        self.classes = trained.spec.classes["expression"]
        self._to_devices = runner.to_devices
        self._state = jax.jit(system.prepare, out_shardings=runner.replicated)(trained.state)
        self._answer = jax.jit(
            answer, in_shardings=(runner.replicated, runner.by_batch), out_shardings=runner.replicated
        )
        seen = data.streams[system.recognises].eval_view
        self._load = functools.partial(
            common.load_picture, image_size=data.image_size, channels=data.channels, resize="bilinear", view=seen
        )
        shape = (self.batch_size, data.image_size, data.image_size, data.channels)
        self._batch = np.zeros(shape, np.float32)
        self.knows_va = "va" in jax.eval_shape(answer, self._state, self._batch)

    def rows(self, files: Iterable[str]) -> Iterator[tuple[Row, np.ndarray | None]]:
        """Each file's row and, where it could be read, the picture (S, S, C) in [0, 1], in order."""
        decoded = _decoded(files, self._load, ahead=2 * self.batch_size)
        while chunk := list(itertools.islice(decoded, self.batch_size)):
            answers = self._answers([picture for _, picture in chunk if not isinstance(picture, str)])
            for file, picture in chunk:
                if isinstance(picture, str):
                    yield self._row(file, error=picture), None
                else:
                    yield self._row(file, *next(answers)), picture

    def _answers(self, pictures: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Probabilities (K,), and valence and arousal (2,) or None, of each of up to a batch of pictures."""
        import jax

        if pictures:
            self._batch[: len(pictures)] = pictures  # what is left of the batch before is padding
            answers = jax.device_get(self._answer(self._state, self._to_devices(self._batch.copy())))
            for i in range(len(pictures)):
                yield answers["logits"][i], answers["va"][i] if self.knows_va else None

    def _row(self, file: str, shares=None, va=None, error: str | None = None) -> Row:
        row: Row = dict.fromkeys(fields(self.classes)) | {"file": file, "error": error}
        if shares is not None:
            row |= {f"p_{name}": float(share) for name, share in zip(self.classes, shares, strict=True)}
            row["class"] = self.classes[int(shares.argmax())]
        if va is not None:
            row["valence"], row["arousal"] = map(float, va)
        return row


def _decoded(
    files: Iterable[str], load: Callable[[str], np.ndarray], ahead: int
) -> Iterator[tuple[str, np.ndarray | str]]:
    """Each file and its picture, or why there is none, in order; threads are up to `ahead` pictures ahead."""

    def attempt(file: str) -> np.ndarray | str:
        try:
            return load(file)
        except UsageError as error:
            return str(error).removeprefix(f"{file}: ")
        except Exception as error:  # whatever a decoder says of a broken file: the others go on
            return f"cannot be read: {type(error).__name__}: {error}"

    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: collections.deque[Any] = collections.deque()
        for file in files:
            waiting.append((file, pool.submit(attempt, file)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        for first, future in waiting:
            yield first, future.result()


def predict(
    pictures: str | Path | Iterable[str | Path], workdir: Path | None, *, step: int | None, batch_size: int
) -> list[Row]:
    """The rows of pictures by a workdir's checkpoint, or by the package's model; see `fer_jax.predict`."""
    files = find([pictures] if isinstance(pictures, str | Path) else pictures)
    predictor = Predictor(_open(workdir, step), min(batch_size, len(files)))
    return [row for row, _ in predictor.rows(files)]


def _open(workdir: Path | None, step: int | None) -> common.Trained:
    if workdir:
        return common.open_workdir(workdir, step=step)
    if step is not None:
        raise UsageError(f"--step={step}: is of a --workdir; the model of the package has one set of weights")
    return common.open_pretrained()


@contextlib.contextmanager
def table(out: Path | None, columns: Sequence[str]) -> Iterator[Callable[[Row], None]]:
    """Gives a function that writes a row: to a file, which is there only once all are, or as csv to stdout.

    Raises:
      UsageError: the file cannot be written.
      RunFailed: not any longer, e.g. on a full disk.
    """
    if out is None:
        try:
            yield _writer(sys.stdout, columns)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads has enough, e.g. head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        return
    partial = out.with_name(f"{out.name}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        stream = partial.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written: {error.strerror or error}") from error
    try:
        with stream:
            yield _writer(stream, columns, lines=out.suffix.lower() == ".jsonl")
        partial.replace(out)
    except OSError as error:
        raise RunFailed(f"--out {out}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _writer(stream: Any, columns: Sequence[str], *, lines: bool = False) -> Callable[[Row], None]:
    def rounded(row: Row) -> Row:
        return {name: round(value, _DECIMALS) if isinstance(value, float) else value for name, value in row.items()}

    if lines:
        return lambda row: stream.write(json.dumps(rounded(row)) + "\n")
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
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
    files = find(names)
    folder = Path(given.workdir) if given.workdir else None
    if folder:
        common.read_config(folder)  # a wrong one is said before anything slow is imported
    from fer_jax.cli import runtime

    runtime.start()
    trained = _open(folder, given.step)
    if not folder:
        logging.info(
            "model: %s of the package, trained on FER2013; %s.md says what it knows", *2 * [trained.folder.stem]
        )
    predictor = Predictor(trained, min(given.batch_size, len(files)))
    if given.plot and not predictor.knows_va:
        raise UsageError(f"--plot: the network of {trained.folder} has no valence and arousal")
    chosen = set(np.linspace(0, len(files) - 1, given.faces).astype(int).tolist()) if given.plot else set()
    failed, faces = 0, []
    with table(out, fields(predictor.classes)) as write:
        for i, (row, picture) in enumerate(predictor.rows(files)):
            write(row)
            failed += picture is None
            if i in chosen and picture is not None:
                faces.append((picture, row))
    if given.plot:
        _plot(faces, predictor.classes, Path(given.plot))
    if written := [name for name in (given.out, given.plot) if name]:
        logging.info("written: %s (checkpoint of step %d)", " and ".join(written), trained.step)
    if failed:
        logging.warning('%d of %d pictures have no prediction; the column "error" says why', failed, len(files))


def _plot(faces: Sequence[tuple[np.ndarray, Row]], classes: Sequence[str], path: Path) -> None:
    from fer_jax.report import plots

    va = np.array([[row["valence"], row["arousal"]] for _, row in faces]).reshape(-1, 2)
    names = [row["class"] for _, row in faces]
    common.write_picture(plots.valence_arousal([picture for picture, _ in faces], va, names, classes), path)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv, names=True)
