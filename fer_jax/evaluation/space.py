"""The space of expressions that GANmut learned, as its own rule divides it and as an independent network reads it."""

import dataclasses
import itertools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.inference.batches import in_batches
from fer_jax.inference.editor import Editor
from fer_jax.report.space import Plane
from fer_jax.systems.ganmut.networks import Normals, Rays

_FINE = 201  # points a side of the regions' picture
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Space:
    """The space of expressions that a GANmut run learned.

    Attributes:
      editor: of the run.
      learned: its Rays or Normals, see `fer_jax.systems.ganmut.networks`.
      centres: (K, D) where each class is at its clearest.
    """

    editor: Editor
    learned: Rays | Normals
    centres: np.ndarray

    @classmethod
    def of(cls, editor: Editor) -> "Space":
        """The space of an editor of a GANmut run."""
        run = editor.run
        points = run.system.expressions(run.state).values()
        learned = run.system.space(run.state.nets["gen"].averaged)
        return cls(editor, learned, np.stack([np.asarray(point) for point in points]))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return self.editor.run.system.controls

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self.editor.run.system.classes

    @property
    def radial(self) -> bool:
        """Whether it is a linear one: directions, and the distance from the origin is intensity, up to 1."""
        return isinstance(self.learned, Rays)

    def inside(self, points: np.ndarray) -> np.ndarray:
        """Whether points (N, D) belong to it: (N,)."""
        low, high = self.editor.run.system.control_range
        within = ((points >= low) & (points <= high)).all(1)
        return within & (np.linalg.norm(points, axis=1) <= high + 1e-6) if self.radial else within

    def check(self, points: np.ndarray, where: str) -> None:
        """Refuses points (N, D) that do not belong to it.

        Raises:
          UsageError: one does not.
        """
        if (outside := np.flatnonzero(~self.inside(points))).size:
            shown = ",".join(f"{number:g}" for number in points[outside[0]])
            low, high = self.editor.run.system.control_range
            what = (
                f"at most {high:g} from the origin" if self.radial else f"from {low:g} to {high:g} in each coordinate"
            )
            raise UsageError(f"{where}: the point {shown} is outside of the space, which is {what}")

    def label(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """The space's own rule at points (N, D) -> (classes (N,), how strongly (N,) in [0, 1], distances (N, K)).

        Gaussian: the probability of the class, and Mahalanobis distances. Linear: the distance from the origin, and no
        distances.
        """
        there = jnp.asarray(points)
        labels = np.asarray(self.learned.label(there))
        if isinstance(self.learned, Rays):
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

    def draw(self, image: np.ndarray, points: np.ndarray) -> np.ndarray:
        """An image (S, S, C) in [0, 1] at points (N, D) -> (N, S, S, C)."""
        run = self.editor.run

        def edit(points: np.ndarray) -> Any:
            return run.runner.edit(run.state, np.repeat(image[None], len(points), 0), points)

        return in_batches(edit, points.astype(np.float32), size=_BATCH)

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
