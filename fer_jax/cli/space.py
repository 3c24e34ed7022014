"""Shows the space of expressions that a GANmut learned, by what it makes of a face there.

python -m fer_jax.cli.space --workdir=runs/ganmut-tiny face.png test:17 --out=DIR
python -m fer_jax.cli.space --workdir=runs/ganmut-tiny face.png --walk=-0.8,-0.8:0.6,0.4 --circle=0.9
python -m fer_jax.cli.space --workdir=runs/ganmut-tiny face.png --side=21 --judge=runs/classifier

Pictures are files, taken as face crops, or places in the workdir's data such as test:17. For each, --out gets
<name>-emotions.png, the original and every emotion; <name>-grid.png, the face all over the space, on the regions of its
classes (of a space in 3-D: in the three planes through the origin); <name>-map.png and .csv, who an independent
recogniser takes these pictures to be: the package's own for such pictures, or the run --judge.
With --walk, <name>-walk.gif, the straight way from a point to another and back; with --circle, <name>-circle.gif, once
around the origin at that distance, in 3-D in the plane of the first two coordinates.
"""

import csv
import dataclasses
import itertools
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from fer_jax.cli import common
from fer_jax.cli.edit import names_of
from fer_jax.core.errors import UsageError
from fer_jax.report.space import Plane

_FINE = 201  # points a side of the regions' picture
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Space:
    """A trained run's space.

    Attributes:
      trained: the run.
      learned: its Rays or Normals, see `fer_jax.systems.ganmut.networks`.
      centres: (K, D) where each class is at its clearest.
    """

    trained: common.Trained
    learned: Any
    centres: np.ndarray

    @classmethod
    def of(cls, trained: common.Trained) -> "Space":
        """Of a run of GANmut."""
        emotions = trained.system.emotions(trained.state)
        learned = trained.system.space(trained.state.nets["gen"].averaged)
        return cls(trained, learned, np.stack([np.asarray(point) for point in emotions.values()]))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the coordinates."""
        return self.trained.system.controls

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the labels."""
        return self.trained.system.classes

    @property
    def radial(self) -> bool:
        """Whether it is a linear one: directions, and the distance from the origin is intensity, up to 1."""
        return hasattr(self.learned, "directions")

    def inside(self, points: np.ndarray) -> np.ndarray:
        """Whether points (N, D) belong to it: (N,)."""
        low, high = self.trained.system.control_range
        within = ((points >= low) & (points <= high)).all(1)
        return within & (np.linalg.norm(points, axis=1) <= high + 1e-6) if self.radial else within

    def check(self, points: np.ndarray, where: str) -> None:
        """Refuses points (N, D) that do not belong to it.

        Raises:
          UsageError: one does not.
        """
        if (outside := np.flatnonzero(~self.inside(points))).size:
            shown = ",".join(f"{number:g}" for number in points[outside[0]])
            low, high = self.trained.system.control_range
            what = (
                f"at most {high:g} from the origin" if self.radial else f"from {low:g} to {high:g} in each coordinate"
            )
            raise UsageError(f"{where}: the point {shown} is outside of the space, which is {what}")

    def label(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """The space's own rule at points (N, D) -> (classes (N,), how strongly (N,) in [0, 1], distances (N, K)).

        Gaussian: the probability of the class, and Mahalanobis distances. Linear: the distance from the origin, and no
        distances.
        """
        import jax.numpy as jnp

        there = jnp.asarray(points)
        labels = np.asarray(self.learned.label(there))
        if self.radial:
            return labels, np.linalg.norm(points, axis=1).clip(0, 1), None
        squares = np.asarray(self.learned.distances(there), np.float64)
        shares = np.exp(squares.min(1, keepdims=True) - squares)
        return labels, 1 / shares.sum(1), np.sqrt(squares.clip(0))  # the reference's 3-D has negative ones

    def planes(self, side: int) -> list[tuple[Plane, np.ndarray]]:
        """The plane, or in 3-D the three of two coordinates each, with a side x side grid; and its points (N, D)."""
        found = []
        for axes in itertools.combinations(range(len(self.names)), 2):
            flat, fine = _lattice(side), _lattice(_FINE)
            points = self._lift(flat, axes)
            labels, shares, distances = self.label(self._lift(fine, axes))
            labels = np.where(self.inside(self._lift(fine, axes)), labels, -1)
            other = [axis for axis in range(len(self.names)) if axis not in axes]
            plane = Plane(
                axes=(self.names[axes[0]], self.names[axes[1]]),
                points=flat,
                inside=self.inside(points),
                labels=labels.reshape(_FINE, _FINE),
                shares=shares.reshape(_FINE, _FINE),
                distances=None if distances is None else distances.reshape(_FINE, _FINE, -1),
                centres=self.centres[:, axes],
                off=self.centres[:, other].sum(1),
            )
            found.append((plane, points))
        return found

    def _lift(self, flat: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        points = np.zeros((len(flat), len(self.names)), np.float32)
        points[:, axes] = flat
        return points

    def draw(self, picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        """A picture (S, S, C) in [0, 1] at points (N, D) -> (N, S, S, C)."""
        same, parts = np.repeat(picture[None], _BATCH, 0), []
        for start in range(0, len(points), _BATCH):
            part = points[start : start + _BATCH].astype(np.float32)
            whole = np.concatenate([part, np.zeros((_BATCH - len(part), part.shape[1]), np.float32)])
            parts.append(np.asarray(self.trained.runner.edit(self.trained.state, same, whole))[: len(part)])
        return np.concatenate(parts)

    def walk(self, text: str, frames: int) -> np.ndarray:
        """Points (F, D) of the straight way that "X,Y:X,Y" says.

        Raises:
          UsageError: not of that form, or an end outside of the space.
        """
        try:
            ends = np.array([[float(number) for number in end.split(",")] for end in text.split(":")])
        except ValueError:
            ends = np.zeros(0)
        if ends.shape != (2, len(self.names)):
            form = ",".join(name.upper() for name in self.names)
            raise UsageError(f"--walk={text}: write two points, {form}:{form}")
        self.check(ends, f"--walk={text}")
        share = np.linspace(0, 1, frames)[:, None]
        return (1 - share) * ends[0] + share * ends[1]

    def circle(self, radius: float, frames: int) -> np.ndarray:
        """Points (F, D) once around the origin, in the plane of the first two coordinates.

        Raises:
          UsageError: outside of the space, or no distance.
        """
        if not radius > 0:
            raise UsageError(f"--circle={radius:g}: give the distance from the origin, above 0")
        angle = np.arange(frames) * (2 * math.pi / frames)
        points = radius * self._lift(np.stack([np.cos(angle), np.sin(angle)], 1), (0, 1)).astype(np.float64)
        self.check(np.eye(len(self.names))[:1] * radius, f"--circle={radius:g}")
        return points


def _lattice(side: int) -> np.ndarray:
    """(side * side, 2) over [-1, 1], as pictures are read: from the left, and from the top, where the second is 1."""
    at = np.linspace(-1, 1, side)
    return np.stack([array.ravel() for array in np.meshgrid(at, at[::-1])], 1)


def show(space: Space, picture: np.ndarray, out: Path, name: str, *, side: int, looker: Any) -> list[Path]:
    """Writes <name>-emotions.png, -grid.png, -map.png and -map.csv.

    Raises:
      UsageError: they cannot be written.
    """
    from fer_jax.report import images
    from fer_jax.report import space as report

    strip, grid, drawn_map, table = (
        out / f"{name}-{end}" for end in ("emotions.png", "grid.png", "map.png", "map.csv")
    )
    shown = space.draw(picture, space.centres)
    columns = {"original": picture[None], **{c: one[None] for c, one in zip(space.classes, shown, strict=True)}}
    common.write_picture(images.sheet(columns), strip)
    planes = space.planes(side)
    drawn = [(plane, space.draw(picture, points)) for plane, points in planes]
    common.write_picture(report.grid(drawn, space.classes), grid)
    shares = [(plane, looker.look(pictures).probabilities) for plane, pictures in drawn]
    common.write_picture(report.judged(shares, looker.name, looker.classes, space.classes), drawn_map)
    rows = [
        [*(f"{number:.4g}" for number in point), looker.classes[said.argmax()], f"{said.max():.4f}", space.classes[own]]
        for (plane, points), (_, probabilities) in zip(planes, shares, strict=True)
        for point, said, own, there in zip(points, probabilities, space.label(points)[0], plane.inside, strict=True)
        if there
    ]
    try:
        with table.open("w", newline="") as stream:
            csv.writer(stream).writerows([[*space.names, "judged", "probability", "class_of_space"], *rows])
    except OSError as error:
        raise UsageError(f"{table}: cannot be written: {error.strerror or error}") from error
    return [strip, grid, drawn_map, table]


def _move(space: Space, picture: np.ndarray, points: np.ndarray, path: Path, *, back: bool) -> Path:
    """Writes a GIF of a picture at points (F, D), `back` the same way too."""
    from fer_jax.report import images

    frames = list(space.draw(picture, points))
    scale = max(1, -(-96 // len(picture)))  # as sheets are enlarged
    frames += frames[-2:0:-1] * back
    try:
        images.save_gif(path, frames, milliseconds=flags.FLAGS.milliseconds, scale=scale)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of a GANmut run, or one made by import_torch.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_string("out", None, "Folder to write to; default: <workdir>/samples/space.")
    flags.DEFINE_integer("side", 9, "The grid has so many pictures a side.", 2, 51)
    flags.DEFINE_string("walk", "", "X,Y:X,Y: two points; in 3-D X,Y,Z:X,Y,Z.")
    flags.DEFINE_float("circle", None, "Distance from the origin.")
    flags.DEFINE_integer("frames", 24, "Pictures of a GIF, one way.", lower_bound=2)
    flags.DEFINE_integer("milliseconds", 80, "Time of each; a GIF holds multiples of 10.", 10, 60000)
    flags.DEFINE_string("judge", "", "Folder of a run that recognises expressions; default: the package's own.")
    flags.DEFINE_enum("resize", "bilinear", common.RESIZES, "How files are resized.")


def run(pictures: list[str]) -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    if not given.workdir:
        raise UsageError("--workdir: missing; the folder of a GANmut run")
    if not pictures:
        raise UsageError("no picture; name files or places such as test:17")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.evaluation import recognisers as recogniser

    trained = common.open_workdir(Path(given.workdir), step=given.step, only=("ganmut",))
    space = Space.of(trained)
    ways = {}
    if given.walk:
        ways["walk"] = space.walk(given.walk, given.frames)
    if given.circle is not None:
        ways["circle"] = space.circle(given.circle, given.frames)
    looker = recogniser.load(given.judge, "--judge", trained.config.data.streams[trained.system.edits].source)
    source = common.Pictures(trained.config, resize=given.resize)
    originals = [source.read(trained.system.edits, name) for name in pictures]  # all, before anything is written
    out = Path(given.out) if given.out else trained.folder / "samples" / "space"
    for name, original in zip(names_of(pictures), originals, strict=True):
        paths = show(space, original, out, name, side=given.side, looker=looker)
        paths += [
            _move(space, original, points, out / f"{name}-{way}.gif", back=way == "walk")
            for way, points in ways.items()
        ]
        logging.info("written: %s (checkpoint of step %d)", ", ".join(map(str, paths)), trained.step)


if __name__ == "__main__":
    from fer_jax.cli.command import call

    define_flags()
    call(run, sys.argv, names=True)
