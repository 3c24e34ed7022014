"""Faces that an editor makes of a classifier's training pictures, to augment or to expand them.

Each face is drawn at a point that is uniform in a box around the point of its class, as the editor itself knows it by
name, cut to the range of the controls:

* "augment": some faces of each picture, with the expression that it has.
* "expand": one with each other expression, but for a share of them that is the expression's share of the training
  pictures, so that rare ones gain the most.

The network is given whole pictures at its own size; what it makes is resized, and grey where the data is grey. The
folder's layout is that of `fer_jax.data.generated`. What is there is not made again: the same call goes on after any
interruption with the same draws. Departures from the reference: 48 pixels (its script now makes 224, which its reader
refuses), and no search for a face within the picture.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from PIL import Image
from tqdm import tqdm

from fer_jax.core.config import SystemConfig, as_plain
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name
from fer_jax.data import generated
from fer_jax.data.generated import Entry, Manifest
from fer_jax.data.opening import open_data
from fer_jax.faces.paste import Detector
from fer_jax.inference.batches import in_batches
from fer_jax.inference.editor import Editor
from fer_jax.inference.images import to_picture
from fer_jax.inference.loading import LoadedRun

# Where the reference's authors read the classes off their checkpoint's space: x and y. Anger's box has no lower half.
PUBLISHED = {
    "anger": (0.6, -0.9), "disgust": (-0.7, -1.0), "fear": (-0.25, -0.9), "happiness": (0.6, 0.4),
    "sadness": (-0.9, -0.6), "surprise": (0.9, -0.45), "neutral": (0.4, -0.5),
}  # fmt: skip
_RADIUS = {"augment": 0.2, "expand": 0.05}
_THREADS = 4  # that decode and write
_AHEAD = 2  # batches that are decoded while the network works


# ---- what is to be made ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Job:
    """A face that is to be made: its file, of which training picture, of which class, and at which point."""

    file: str
    index: int
    label: str
    point: tuple[float, ...]


Boxes = Mapping[str, tuple[np.ndarray, np.ndarray]]  # class -> lowest and highest point (K,)


def boxes(classes: Sequence[str], points: Mapping[str, Any], radius: float, limits: tuple[float, float]) -> Boxes:
    """Of half-width `radius` around the point of each class, cut to the limits; classes are told by their names.

    Raises:
      UsageError: there is no point of a class.
    """
    known = {expression_name(name): np.asarray(point, np.float64) for name, point in points.items()}
    if missing := [name for name in classes if expression_name(name) not in known]:
        raise UsageError(f"--workdir: its system has no point of {', '.join(missing)}; it has {', '.join(points)}")
    centres = {name: known[expression_name(name)] for name in classes}
    return {name: (np.clip(c - radius, *limits), np.clip(c + radius, *limits)) for name, c in centres.items()}


def published_boxes(classes: Sequence[str], radius: float, controls: int) -> Boxes:
    """Likewise, around the points that the reference's authors read off their own checkpoint.

    Raises:
      UsageError: the space is not a plane, or a class has no published point.
    """
    if controls != len(PUBLISHED["anger"]):
        raise UsageError(f"--points=published: points of a plane, and the system has {controls} controls; use own")
    if missing := [name for name in classes if expression_name(name) not in PUBLISHED]:
        raise UsageError(f"--points=published: there is none of {', '.join(missing)}; use own")
    found = dict(boxes(classes, PUBLISHED, radius, (-1.0, 1.0)))
    for name, (low, high) in found.items():
        if expression_name(name) == "anger":
            found[name] = (np.array([low[0], PUBLISHED["anger"][1]]), high)
    return found


def augment_jobs(shown: Sequence[str], around: Boxes, count: int, seed: int) -> Iterator[Job]:
    """`count` faces of each picture, with the class that it shows."""
    for index, label in enumerate(shown):
        for number in range(count):
            point = np.random.default_rng([seed, index, number]).uniform(*around[label])
            yield Job(generated.augmented_file(index, number), index, label, tuple(point.tolist()))


def expand_jobs(shown: Sequence[str], around: Boxes, shares: Mapping[str, float], seed: int) -> Iterator[Job | None]:
    """A face of each picture with each class that it does not show, or None, with the class's probability `shares`."""
    for index, own in enumerate(shown):
        for number, label in enumerate(around):
            if label == own:
                continue
            rng = np.random.default_rng([seed, index, number])
            left_out = rng.random() < shares[label]
            point = tuple(rng.uniform(*around[label]).tolist())
            yield None if left_out else Job(generated.expanded_file(index, label), index, label, point)


# ---- pictures -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Source:
    """Training pictures as the generator sees them.

    Attributes:
      table: of the training split.
      size: that the network takes, in pixels.
      channels: likewise.
      detector: pictures in which it finds no face are not edited; None = all are.
    """

    table: Any
    size: int
    channels: int
    detector: Detector | None = None

    @property
    def grey(self) -> bool:
        """Whether the data is."""
        return self.table.records.builder.info.features["image"].shape[-1] == 1

    def read(self, index: int) -> np.ndarray | str:
        """The picture (S, S, C) float32 in [0, 1], or why there is none."""
        feature = tfds.features.FeaturesDict({"image": self.table.records.builder.info.features["image"]})
        (record,) = self.table.read(np.array([index]))
        try:
            encoded = feature.deserialize_example_np(record, decoders={"image": tfds.decode.SkipDecoding()})["image"]
            with Image.open(io.BytesIO(encoded)) as opened:
                image = opened.convert("L" if self.channels == 1 else "RGB")
        except Exception as error:  # decoders of damaged data raise what they like
            return f"cannot be decoded: {type(error).__name__}"
        if self.detector and not self.detector(np.asarray(image.convert("RGB"), np.float32) / 255):
            return "no face found"
        seen = np.asarray(image.resize((self.size, self.size), Image.Resampling.BILINEAR), np.float32) / 255
        return seen.reshape(self.size, self.size, self.channels)


def encode(picture: np.ndarray, size: int, *, grey: bool) -> bytes:
    """A picture (S, S, C) in [0, 1] -> PNG of `size` pixels."""
    image = to_picture(picture).convert("L" if grey else "RGB")
    buffer = io.BytesIO()
    image.resize((size, size), Image.Resampling.BILINEAR).save(buffer, "PNG")
    return buffer.getvalue()


# ---- the work -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Maker:
    """Makes faces, and keeps account of them in the folder.

    Attributes:
      edit: pictures (B, S, S, C) in [0, 1], points (B, K) -> pictures.
      size: of what is written, in pixels.
      done: lines of the folder, by file.
    """

    source: Source
    edit: Callable[[np.ndarray, np.ndarray], Any]
    out: Path
    size: int
    batch_size: int
    done: dict[str, Entry]

    def is_done(self, job: Job) -> bool:
        """Whether a job need not be tried again: its face is there, or it failed, as it would again."""
        entry = self.done.get(job.file)
        return entry is not None and (entry.status != "ok" or (self.out / job.file).exists())

    def make(self, jobs: Iterable[Job | None], total: int) -> int:
        """Makes those of the jobs that are not done; returns how many were None. `total` is for the progress bar.

        A line is written as soon as its file is there: a process that is killed loses the two batches in work.

        Raises:
          UsageError: the folder cannot be written.
        """
        skipped = 0
        generated.put(
            self.out / generated.PICTURES, generated.lines_of(self.done.values())
        )  # a line cut off would spoil the next

        with contextlib.ExitStack() as opened:
            bar = opened.enter_context(tqdm(total=total, leave=False, disable=None, unit=" faces"))

            def due() -> Iterator[Job]:
                nonlocal skipped
                for job in jobs:
                    bar.update()
                    skipped += job is None
                    if job is not None and not self.is_done(job):
                        yield job

            pool = opened.enter_context(concurrent.futures.ThreadPoolExecutor(_THREADS))
            try:
                lines = opened.enter_context(open(self.out / generated.PICTURES, "ab", buffering=0))
                for written in self._batches(due(), pool):
                    entries = [future.result() for future in written]
                    lines.write(generated.lines_of(entries))
                    self.done |= {entry.file: entry for entry in entries}
            except OSError as error:
                raise UsageError(f"--out {self.out}: cannot be written: {error.strerror or error}") from error
        return skipped

    def _batches(self, jobs: Iterator[Job], pool: Any) -> Iterator[list[Any]]:
        """Yields the writes of a batch, as futures of entries, while the network works on the next."""
        ahead: collections.deque[tuple[list[Job], dict[int, Any]]] = collections.deque()
        writes: list[Any] = []
        while True:
            while len(ahead) < _AHEAD and (batch := list(itertools.islice(jobs, self.batch_size))):
                ahead.append((batch, {i: pool.submit(self.source.read, i) for i in {job.index for job in batch}}))
            if not ahead:
                break
            batch, reads = ahead.popleft()
            futures = self._edited(batch, {index: future.result() for index, future in reads.items()}, pool)
            if writes:
                yield writes
            writes = futures
        yield writes

    def _edited(self, batch: Sequence[Job], seen: Mapping[int, np.ndarray | str], pool: Any) -> list[Any]:
        good = [job for job in batch if isinstance(seen[job.index], np.ndarray)]
        futures = [pool.submit(self._failed, job, seen[job.index]) for job in batch if isinstance(seen[job.index], str)]
        if good:
            points = np.array([job.point for job in good], np.float32)
            images = np.stack([seen[job.index] for job in good])
            made = in_batches(self.edit, images, points, size=self.batch_size)
            futures += [pool.submit(self._write, job, image) for job, image in zip(good, made, strict=True)]
        return futures

    def _failed(self, job: Job, reason: str) -> Entry:
        return Entry(job.file, job.index, job.label, "failed", reason)

    def _write(self, job: Job, picture: np.ndarray) -> Entry:
        generated.put(self.out / job.file, encode(picture, self.size, grey=self.source.grey))
        return Entry(job.file, job.index, job.label, "ok")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How faces are made.

    Attributes:
      kind: "augment" or "expand".
      points: "own", the classes' points as the system knows them, or "published", the reference's.
      radius: half-width of the boxes; None: 0.2 to augment, 0.05 to expand.
      count: faces of each picture, to augment.
      size: of the faces, in pixels.
      limit: only the first so many training pictures; None: all.
      seed: of the points.
      batch_size: faces that the network makes at once.
    """

    kind: Literal["augment", "expand"] = "augment"
    points: Literal["own", "published"] = "own"
    radius: float | None = None
    count: int = 10
    size: int = 48
    limit: int | None = None
    seed: int = 0
    batch_size: int = 64


def synthesise(
    editor: Editor, config: SystemConfig, out: Path, settings: Settings, *, detector: Detector | None = None
) -> Manifest:
    """Makes the faces of the training pictures of a classifier's config.

    Args:
      editor: whose controls are a point of a space.
      config: of the classifier; its evaluated stream has the pictures.
      out: folder for the faces.
      settings: how.
      detector: pictures in which it finds no face are not edited; None: all are.

    Raises:
      UsageError: what the system or the data lacks, or a folder of other settings or that cannot be written.
    """
    run, system, kind = editor.run, editor.controlled, settings.kind
    radius = _RADIUS[kind] if settings.radius is None else settings.radius
    table = open_data(config, training=False).tables[config.data.evaluate]["train"]
    names = table.classes.get("expression")
    if not names:
        raise UsageError(f"--config: its stream {config.data.evaluate} has no label expression, which is needed")
    low, high = map(float, system.control_range)
    if settings.points == "published":
        around = published_boxes(names, radius, len(system.controls))
    else:
        around = boxes(names, system.expressions(run.state), radius, (low, high))
    shown = [names[label] for label in table.labels["expression"]]
    shares = {name: count / len(shown) for name, count in collections.Counter(shown).items()}
    about = {
        "points": settings.points,
        "seed": settings.seed,
        "count": settings.count,
        "limit": settings.limit,
        "radius": radius,
    }
    manifest = Manifest(kind, False, settings.size, table.fingerprint(), settings=about | _of_editor(run))
    network = run.config.data
    maker = Maker(
        source=Source(table, network.image_size, network.channels, detector),
        edit=functools.partial(run.runner.edit, run.state),
        out=out,
        size=settings.size,
        batch_size=settings.batch_size,
        done=generated.begin(out, manifest),
    )
    logging.info("%d faces are there; of %s (%s)", len(maker.done), table.records.name, out)
    jobs: Iterator[Job | None]
    first = shown[: settings.limit or len(shown)]
    if kind == "augment":
        jobs = augment_jobs(first, around, settings.count, settings.seed)
        total = len(first) * settings.count
    else:
        shares = {name: shares.get(name, 0.0) for name in names}
        jobs = expand_jobs(first, around, shares, settings.seed)
        total = len(first) * (len(names) - 1)
    skipped = maker.make(jobs, total)
    return generated.finish(out, manifest, maker.done, skipped)


def _of_editor(run: LoadedRun) -> dict[str, Any]:
    """What tells an editor from any other."""
    whole = json.dumps(as_plain(run.config), sort_keys=True, default=str)
    return {
        "system": run.config.system,
        "step": run.step,
        "config": hashlib.sha256(whole.encode()).hexdigest()[:16],
    }
