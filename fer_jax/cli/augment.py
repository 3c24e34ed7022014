"""Makes faces of a classifier's training pictures with a generator, for configs/classifier.py:augmented and :expanded.

python -m fer_jax.cli.augment --workdir=runs/ganmut --config=configs/classifier.py:study --out=augmented
python -m fer_jax.cli.augment --workdir=runs/ganmut --config=configs/classifier.py:study --out=expanded --expand

--workdir is a run of a system that edits, trained here or imported; --config says the pictures, and any of its variants
with the same training split can use what is made. Each face is drawn at a point that is uniform in a box around the
point of its class, as the system itself knows it by name, cut to the range of the controls:

* without --expand: --count faces of each picture, with the expression that it has.
* with --expand: one with each other expression, but for a share of them that is the expression's share of the training
  pictures, so that rare ones gain the most.

The network sees whole pictures at its own size; what it makes is resized to --size, and grey where the data is grey.
The folder's layout is said in fer_jax/data/generated.py. Run again, what is there is not made again: the same command
goes on after any interruption with the same draws. Departures from the reference: 48 pixels (its script now makes 224,
which its reader refuses), and no search for a face within the picture.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags, logging
from PIL import Image

from fer_jax.cli import common
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name
from fer_jax.data import generated
from fer_jax.data.generated import Entry, Manifest

if TYPE_CHECKING:
    from fer_jax.faces.paste import Detector

# Where the reference's authors read the classes off their checkpoint's space: x and y. Anger's box has no lower half.
PUBLISHED = {
    "anger": (0.6, -0.9), "disgust": (-0.7, -1.0), "fear": (-0.25, -0.9), "happiness": (0.6, 0.4),
    "sadness": (-0.9, -0.6), "surprise": (0.9, -0.45), "neutral": (0.4, -0.5),
}  # fmt: skip
POINTS = ("own", "published")
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
    detector: "Detector | None" = None

    @property
    def grey(self) -> bool:
        """Whether the data is."""
        return self.table.records.builder.info.features["image"].shape[-1] == 1

    def read(self, index: int) -> np.ndarray | str:
        """The picture (S, S, C) float32 in [0, 1], or why there is none."""
        import tensorflow_datasets as tfds

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
    from fer_jax.report import images

    whole = images.to_bytes(picture)
    image = Image.fromarray(whole[..., 0] if whole.shape[-1] == 1 else whole).convert("L" if grey else "RGB")
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
        from tqdm import tqdm

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
            padded = [*good, *[good[0]] * (self.batch_size - len(good))]  # one program for all batches
            points = np.array([job.point for job in padded], np.float32)
            made = np.asarray(self.edit(np.stack([seen[job.index] for job in padded]), points))
            futures += [pool.submit(self._write, job, picture) for job, picture in zip(good, made, strict=False)]
        return futures

    def _failed(self, job: Job, reason: str) -> Entry:
        return Entry(job.file, job.index, job.label, "failed", reason)

    def _write(self, job: Job, picture: np.ndarray) -> Entry:
        generated.put(self.out / job.file, encode(picture, self.size, grey=self.source.grey))
        return Entry(job.file, job.index, job.label, "ok")


def summary(manifest: Manifest) -> str:
    """Lines of text: each class and its faces, then how many there are, how many failed, and why."""
    rows = [["class", "made"], *([name, str(count)] for name, count in sorted(manifest.made.items()))]
    rows.append(["all", str(sum(manifest.made.values()))])
    reasons = "".join(f"\n  {count} {reason}" for reason, count in sorted(manifest.failed.items()))
    skipped = f"; {manifest.skipped} left out by the rule of frequencies" if manifest.kind == "expand" else ""
    return f"{common.aligned(rows)}\n{sum(manifest.failed.values())} failed{skipped}{reasons}"


# ---- command --------------------------------------------------------------------------------------------------------


def define_flags() -> None:
    """The flags."""
    from ml_collections import config_flags

    config_flags.DEFINE_config_file("config", None, "Config file, with its variant after a colon.", lock_config=True)
    flags.DEFINE_string("workdir", None, "Folder of a run of a system that edits.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_string("out", None, "Folder for the faces.")
    flags.DEFINE_bool("expand", False, "Make further examples with other expressions.")
    flags.DEFINE_integer("count", 10, "Faces of each picture, without --expand.", lower_bound=1)
    flags.DEFINE_float("radius", None, "Half-width of the boxes; default: 0.2, with --expand 0.05.", lower_bound=0.0)
    flags.DEFINE_enum("points", "own", POINTS, "The classes' points: the system's own, or the reference's.")
    flags.DEFINE_integer("size", 48, "Of the faces, in pixels.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 64, "Faces that the network makes at once.", lower_bound=1)
    flags.DEFINE_integer("limit", 0, "Only the first so many training pictures; 0 = all.", lower_bound=0)
    flags.DEFINE_integer("seed", 0, "Of the points.", lower_bound=0)


def augment(trained: common.Trained, config: Any, out: Path, *, detector: "Detector | None" = None) -> Manifest:
    """Makes the folder that the parsed flags say, of the training pictures of a classifier's config.

    Raises:
      UsageError: what the system or the data lacks, or a folder of other settings or that cannot be written.
    """
    from fer_jax.data import open_data

    given, system = flags.FLAGS, trained.system
    kind = "expand" if given.expand else "augment"
    radius = _RADIUS[kind] if given.radius is None else given.radius
    table = open_data(config, training=False).tables[config.data.evaluate]["train"]
    names = table.classes.get("expression")
    if not names:
        raise UsageError(f"--config: its stream {config.data.evaluate} has no label expression, which is needed")
    low, high = map(float, system.control_range)
    if given.points == "published":
        around = published_boxes(names, radius, len(system.controls))
    else:
        around = boxes(names, system.emotions(trained.state), radius, (low, high))
    shown = [names[label] for label in table.labels["expression"]]
    shares = {name: count / len(shown) for name, count in collections.Counter(shown).items()}
    settings = {name: given[name].value for name in ("points", "seed", "count", "limit")} | {"radius": radius}
    manifest = Manifest(kind, False, given.size, table.fingerprint(), settings=settings | _of_generator(trained))
    network = trained.config.data
    maker = Maker(
        source=Source(table, network.image_size, network.channels, detector),
        edit=lambda pictures, points: trained.runner.edit(trained.state, pictures, points),
        out=out,
        size=given.size,
        batch_size=given.batch_size,
        done=generated.begin(out, manifest),
    )
    logging.info("%d faces are there; of %s (%s)", len(maker.done), table.records.name, out)
    jobs: Iterator[Job | None]
    first = shown[: given.limit or len(shown)]
    if kind == "augment":
        jobs, total = augment_jobs(first, around, given.count, given.seed), len(first) * given.count
    else:
        shares = {name: shares.get(name, 0.0) for name in names}
        jobs, total = expand_jobs(first, around, shares, given.seed), len(first) * (len(names) - 1)
    skipped = maker.make(jobs, total)
    return generated.finish(out, manifest, maker.done, skipped)


def _of_generator(trained: common.Trained) -> dict[str, Any]:
    """What tells a generator from any other."""
    whole = json.dumps(trained.config.to_dict(), sort_keys=True, default=str)
    return {
        "system": trained.config.system,
        "step": trained.step,
        "config": hashlib.sha256(whole.encode()).hexdigest()[:16],
    }


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    for name in ("workdir", "out"):
        if not given[name].value:
            raise UsageError(f"--{name}: missing; needed are --workdir, --config and --out, see --help")
    if not given["config"].present:
        raise UsageError("--config: missing; e.g. --config=configs/classifier.py:study")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.core.protocols import Editor

    trained = common.open_workdir(Path(given.workdir), step=given.step)
    if not isinstance(trained.system, Editor):
        raise UsageError(f"--workdir {trained.folder}: a run of {trained.config.system}, which edits nothing")
    out = Path(given.out)
    manifest = augment(trained, given.config, out)
    print(summary(manifest))
    logging.info("written: %s (%s, checkpoint of step %d)", out, manifest.kind, trained.step)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv)
