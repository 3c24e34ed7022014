"""Seeded sampling of the rendered population: who, with which expression, pose, light and background.

Everything is a pure function of (seed, identity, picture): nothing depends on the order of the calls, on the number
of workers or on the platform's random state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from fer_jax.core.labels import AU_NUMBERS
from fer_jax.data.workers import in_order
from fer_jax.rendered import model as face_model
from fer_jax.rendered import render as renderer

EXPRESSIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
LIGHT_SIZE = 8
Job = tuple[int, int, int, int, bool]  # seed, identity, picture, size, free

# (AU, mean share of the picture's strength, probability of being present); FACS prototypes, EMFACS-like variants.
PROTOTYPES: dict[str, tuple[tuple[int, float, float], ...]] = {
    "neutral": (),
    "happiness": ((6, 0.90, 0.93), (12, 1.00, 1.00), (25, 0.65, 0.65)),
    "sadness": ((1, 1.00, 0.97), (4, 0.60, 0.93), (15, 1.00, 0.97), (17, 0.60, 0.55)),
    "surprise": ((1, 0.90, 0.96), (2, 1.00, 0.97), (5, 0.90, 0.93), (25, 0.50, 0.60), (26, 0.95, 0.96)),
    "fear": (
        (1, 1.00, 0.97), (2, 0.55, 0.90), (4, 0.75, 0.95), (5, 0.95, 0.94), (7, 0.45, 0.85), (20, 1.00, 0.95),
        (25, 0.60, 0.60), (26, 0.40, 0.85),
    ),
    "disgust": ((9, 1.00, 0.96), (10, 0.80, 0.70), (15, 0.45, 0.90), (17, 0.70, 0.92), (4, 0.25, 0.30)),
    "anger": ((4, 1.00, 0.98), (5, 0.60, 0.90), (7, 0.80, 0.95), (23, 1.00, 0.95)),
}  # fmt: skip

# Valence and arousal of the full-strength prototypes, after the circumplex (Russell, 1980); ours, not measured.
CIRCUMPLEX: dict[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "happiness": (0.80, 0.45),
    "sadness": (-0.70, -0.40),
    "surprise": (0.15, 0.80),
    "fear": (-0.60, 0.75),
    "disgust": (-0.70, 0.35),
    "anger": (-0.60, 0.70),
}
# Small terms linear in the AUs: (AU, valence, arousal).
_AU_TERMS = ((12, 0.10, 0.04), (6, 0.05, 0.0), (15, -0.08, -0.05), (4, -0.06, 0.03), (9, -0.06, 0.02), (5, 0.0, 0.10),
             (26, 0.0, 0.06), (45, 0.0, -0.08), (17, -0.03, -0.02))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class FaceSpec:
    """One picture, fully described."""

    identity: int
    identity_vector: np.ndarray  # (identity_size,) float32
    expression: int  # index into EXPRESSIONS
    strength: float  # in [0, 1]; 0 for neutral
    aus: np.ndarray  # (17,) float32 in [0, 1], order of `AU_NUMBERS`
    valence: float  # in [-1, 1]
    arousal: float  # in [-1, 1]
    pose: np.ndarray  # (3,) float32 degrees: yaw (to the person's left), pitch (up), roll (to the person's left)
    light: np.ndarray  # (8,) float32: direction to the light (3), strength, colour (3), ambient
    gaze: tuple[float, float]  # to the person's left, up; in [-1, 1]
    asymmetry: float  # left over right intensity, in [-1, 1]
    background: tuple[int, int, int]  # seed of the background


def identity_vector(seed: int, identity: int) -> np.ndarray:
    """(identity_size,) float32 standard normal numbers of one person."""
    rng = np.random.default_rng([_natural("seed", seed), _natural("identity", identity), 2**31])
    return rng.standard_normal(face_model.load().identity_size).astype(np.float32)


def sample(seed: int, identity: int, picture: int, *, free: bool = False) -> FaceSpec:
    """Draws the picture number `picture` of a person; its class is ``picture % 7``.

    `free` pictures have action units drawn each for itself, in combinations that no class has: what they show has no
    name, so their class, valence and arousal say nothing. They are for networks that must not guess a unit from others.

    Raises:
      ValueError: a negative argument.
    """
    rng = np.random.default_rng([_natural("seed", seed), _natural("identity", identity), _natural("picture", picture)])
    expression = picture % len(EXPRESSIONS)
    name = EXPRESSIONS[expression]
    strength = 0.0 if name == "neutral" else float(0.35 + 0.65 * rng.beta(2.0, 1.3))
    aus = sample_free_aus(rng) if free else sample_aus(rng, name, strength)
    valence, arousal = affect(name, strength, aus)
    pose = np.clip(rng.normal(0, [6.5, 3.5, 2.2]), [-15, -8, -5], [15, 8, 5]).astype(np.float32)
    return FaceSpec(
        identity=identity,
        identity_vector=identity_vector(seed, identity),
        expression=expression,
        strength=strength,
        aus=aus,
        valence=valence,
        arousal=arousal,
        pose=pose,
        light=_sample_light(rng),
        gaze=(float(np.clip(rng.normal(0, 0.2), -0.6, 0.6)), float(np.clip(rng.normal(0, 0.12), -0.4, 0.4))),
        asymmetry=float(np.clip(rng.normal(0, 0.07), -0.2, 0.2)),
        background=(seed, identity, picture),
    )


def sample_aus(rng: np.random.Generator, name: str, strength: float) -> np.ndarray:
    """AU intensities (17,) of one picture of class `name`.

    The prototype with varied and dropped units; in 30 % of the pictures a trace of another class on top, as in life
    (a neutral face gets a weak one), which makes the classes overlap a little; stray units; rare blinks.
    """
    at = {number: index for index, number in enumerate(AU_NUMBERS)}
    aus = np.zeros(len(at), np.float32)

    def add(which: str, amount: float) -> None:
        for number, share, chance in PROTOTYPES[which]:
            present, varied = rng.random() < chance, amount * share * rng.uniform(0.75, 1.2)
            aus[at[number]] = max(aus[at[number]], varied if present else 0.0)

    add(name, strength)
    if rng.random() < 0.3:
        amount = rng.uniform(0.1, 0.5) if name == "neutral" else strength * rng.uniform(0.2, 1.0)
        add(EXPRESSIONS[rng.integers(1, len(EXPRESSIONS))], amount)
    strays = rng.random(len(at)) < 0.07
    aus += (strays * rng.uniform(0.03, 0.30, len(at))).astype(np.float32)
    if rng.random() < 0.04:
        aus[at[45]] = rng.uniform(0.5, 1.0)
    return np.clip(aus, 0, 1)


def sample_free_aus(rng: np.random.Generator) -> np.ndarray:
    """AU intensities (17,), each present with the same chance and of any strength, whatever the others are."""
    count = len(AU_NUMBERS)
    present = rng.random(count) < rng.uniform(0.05, 0.4)
    return (present * rng.uniform(0.05, 1.0, count)).astype(np.float32)


def affect(name: str, strength: float, aus: np.ndarray) -> tuple[float, float]:
    """(valence, arousal), each in [-1, 1]: prototype position times strength plus small linear AU terms, squashed.

    ``v = tanh(strength * centre_v + sum_j c_j * au_j)`` with `_AU_TERMS`, and the same for arousal; `tanh` is scaled
    by its value at 1.1 so that a full prototype reaches about its centre.
    """
    at = {number: index for index, number in enumerate(AU_NUMBERS)}
    total = strength * np.array(CIRCUMPLEX[name], np.float64)
    for number, valence, arousal in _AU_TERMS:
        total += float(aus[at[number]]) * np.array([valence, arousal])
    squashed = np.clip(np.tanh(total) / np.tanh(1.1), -1, 1)
    return float(squashed[0]), float(squashed[1])


def render(spec: FaceSpec, size: int) -> np.ndarray:
    """The picture of a spec: uint8 RGB (size, size, 3)."""
    return renderer.render(spec, size)


def render_many(jobs: list[Job]) -> list[np.ndarray]:
    """Pictures of (seed, identity, picture, size, free) jobs, in order: what a worker process runs."""
    return [render(sample(seed, identity, picture, free=free), size) for seed, identity, picture, size, free in jobs]


def render_all(jobs: Iterable[Job], workers: int | None = None) -> Iterator[tuple[Job, np.ndarray]]:
    """Yields (job, uint8 picture) in the order of `jobs`.

    Args:
      jobs: (seed, identity, picture, size, free) tuples, see `sample`.
      workers: as for `fer_jax.data.workers.in_order`.

    Raises:
      ValueError: `workers` is below 1.
    """
    jobs = list(jobs)
    yield from zip(jobs, in_order(render_many, jobs, workers), strict=True)


def _sample_light(rng: np.random.Generator) -> np.ndarray:
    """Light vector (8,), see `FaceSpec.light`."""
    azimuth, elevation = np.clip(rng.normal(0, 32), -65, 65), rng.uniform(5, 50)
    azimuth, elevation = np.radians(azimuth), np.radians(elevation)
    direction = [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
    warmth = np.clip(rng.normal(0, 0.05), -0.12, 0.12)
    tint = [1 + warmth, 1.0, 1 - 1.3 * warmth]
    return np.array([*direction, rng.uniform(0.55, 0.95), *tint, rng.uniform(0.22, 0.45)], np.float32)


def _natural(name: str, value: int) -> int:
    """The value itself.

    Raises:
      ValueError: it is negative.
    """
    if value < 0:
        raise ValueError(f"{name}: expected a number >= 0, got {value}")
    return int(value)
