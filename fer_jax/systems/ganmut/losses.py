"""Where GANmut's generator goes in its space, and what is asked of it there (spec, sections 5 to 7).

A space is a `Rays` or a `Normals`, and a judgement a `Judgement`, of `networks`; draws are made apart from
their use, so that a step can be run on given ones. Points are (B, D), classes (B,) with neutral 0.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from fer_jax.losses.classification import symmetric_kl
from fer_jax.losses.reconstruction import l2

DISC, GEN, REC = range(3)  # passes through the generator: of its critic's step, of its own, and back again
SHOWN_STRENGTH = 0.9  # of the linear space, for pictures of a class
STRONG = 0.2  # strengths of other classes than neutral begin here


def directions(key: jax.Array, count: int, dimensions: int, *, octant: bool = False) -> jax.Array:
    """Random unit vectors (count, D), uniform over the circle or sphere.

    `octant`: in 3-D as the reference, uniform numbers in [0, 1) brought to length 1, which all point one way.
    """
    if dimensions == 2:
        angles = jax.random.uniform(key, (count,), maxval=2 * math.pi)
        return jnp.stack([jnp.cos(angles), jnp.sin(angles)], 1)
    draw = jax.random.uniform if octant else jax.random.normal
    vectors = draw(key, (count, dimensions))
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


class LinearDraws(NamedTuple):
    """What one step draws in a linear space.

    Attributes:
      targets: classes (B,) to be shown, a permutation of the batch's own.
      strengths: (B,), their distances from the origin.
      noise: (3, B, D) of each pass.
      directions: (3, n, D), unit vectors for the first n pictures of each pass.
      mix: share of the fake in each picture that the penalty looks at, (B, 1, 1, 1).
    """

    targets: jax.Array
    strengths: jax.Array
    noise: jax.Array
    directions: jax.Array
    mix: jax.Array


class GaussianDraws(NamedTuple):
    """What one step draws in a Gaussian space: points (2, B, D) in [-1, 1] of two passes, and `mix` as above."""

    points: jax.Array
    mix: jax.Array


@dataclasses.dataclass(frozen=True)
class LinearRules:
    """Points and the generator's terms in a linear space.

    Attributes:
      random: so many first pictures of a batch go in random directions.
      noise: of the others' points.
      neutral_strength: of neutral as a target U(0, this); the reference has 0.2, which moves those of its pictures
        that go in random directions off the origin.
      octant: in 3-D the random directions are positive, as the reference's.
      cycle: "approximate": the way back goes to the class that the picture has, as strong as the discriminator is
        sure (noise and random directions as in every pass); "original": to the point where it sees the picture.
    """

    random: int = 5
    noise: float = 0.075
    neutral_strength: float = 0.0
    octant: bool = False
    cycle: str = "approximate"

    def draw(self, key: jax.Array, labels: jax.Array, dimensions: int) -> LinearDraws:
        """For a batch of classes (B,)."""
        keys, count = jax.random.split(key, 5), len(labels)
        targets = jax.random.permutation(keys[0], labels)
        share = jax.random.uniform(keys[1], (count,))
        vectors = directions(keys[3], 3 * self.random, dimensions, octant=self.octant)
        return LinearDraws(
            targets,
            self.strengths(share, targets),
            jax.random.normal(keys[2], (3, count, dimensions)),
            vectors.reshape(3, self.random, dimensions),
            jax.random.uniform(keys[4], (count, 1, 1, 1)),
        )

    def strengths(self, share: jax.Array, targets: jax.Array) -> jax.Array:
        """Shares (B,) in [0, 1) -> strengths in [0.2, 1), neutral's below `neutral_strength`."""
        return jnp.where(targets == 0, self.neutral_strength * share, 0.8 * share + 0.2)

    def points(self, space: Any, draws: LinearDraws, which: int) -> jax.Array:
        """Where a pass goes, (B, D)."""
        return self._scattered(space, draws.targets, draws.strengths, draws, which)

    def _scattered(self, space, labels, strengths, draws, which):
        points = space.at(labels, strengths) + self.noise * draws.noise[which]
        row = jnp.arange(len(labels))
        sideways = draws.directions[which][jnp.minimum(row, self.random - 1)] * strengths[:, None]
        return jnp.where((row < self.random)[:, None], sideways, points)

    def back(self, space: Any, draws: LinearDraws, labels: jax.Array, real: Any) -> jax.Array:
        """Where the way back goes, given what the discriminator says of the real pictures."""
        if self.cycle == "original":
            return real.points
        return self._scattered(space, labels, jax.nn.softmax(real.classes).max(1), draws, REC)

    def gen_terms(self, space: Any, seen: Any, points: jax.Array, draws: LinearDraws) -> dict[str, jax.Array]:
        """Of fakes at `points`: their class (those in random directions have none), strength and coordinates."""
        losses = optax.softmax_cross_entropy_with_integer_labels(seen.classes, draws.targets)
        placed = jnp.arange(len(losses)) >= self.random
        off = jnp.square(jax.nn.softmax(seen.classes).max(1) - draws.strengths)
        strong = draws.strengths > STRONG
        return {
            "cls": jnp.where(placed, losses, 0).sum() / placed.sum(),
            "strength": jnp.where(strong, off, 0).sum() / jnp.maximum(strong.sum(), 1),
            "points": l2(seen.points, points),
        }

    def modes(self, space: Any) -> jax.Array:
        """A point (K, D) that shows each class."""
        return space.modes(SHOWN_STRENGTH)


@dataclasses.dataclass(frozen=True)
class GaussianRules:
    """Points and the generator's terms in a Gaussian space.

    `raw_modes`: a class is shown at its centre before the tanh, as in the reference's sample pictures.
    """

    raw_modes: bool = False

    def draw(self, key: jax.Array, labels: jax.Array, dimensions: int) -> GaussianDraws:
        """For a batch of classes (B,)."""
        point_key, mix_key = jax.random.split(key)
        points = jax.random.uniform(point_key, (2, len(labels), dimensions), minval=-1, maxval=1)
        return GaussianDraws(points, jax.random.uniform(mix_key, (len(labels), 1, 1, 1)))

    def points(self, space: Any, draws: GaussianDraws, which: int) -> jax.Array:
        """Where a pass goes, (B, D): to each class's centre, then to the points drawn."""
        row, classes = jnp.arange(draws.points.shape[1]), len(space.raw)
        centres = space.centres[jnp.minimum(row, classes - 1)]
        return jnp.where((row < classes)[:, None], centres, draws.points[which])

    def back(self, space: Any, draws: GaussianDraws, labels: jax.Array, real: Any) -> jax.Array:
        """Where the way back goes: to the points where the discriminator sees the real pictures."""
        del space, draws, labels
        return real.points

    def gen_terms(self, space: Any, seen: Any, points: jax.Array, draws: GaussianDraws):
        """Of fakes at `points`: classes seen against those of the points, and the centres' classes."""
        del draws
        row, classes = jnp.arange(len(points)), len(space.raw)
        losses = optax.softmax_cross_entropy_with_integer_labels(seen.classes, jnp.minimum(row, classes - 1))
        return {
            "cls": symmetric_kl(seen.classes, -space.distances(points)),
            "prediction": jnp.where(row < classes, losses, 0).sum() / classes,
        }

    def modes(self, space: Any) -> jax.Array:
        """A point (K, D) that shows each class."""
        return space.raw if self.raw_modes else space.centres
