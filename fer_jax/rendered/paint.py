"""Colour of every visible surface point of a head: skin, lips, brows, eyes, hair, beard, folds, teeth.

Paint lives in the coordinates of the template mesh (`FaceModel.rest`), so it follows identity and expression exactly
and has no resolution of its own. All colours are linear RGB, all functions are vectorised over `P` points.
"""

from __future__ import annotations

import functools

import numpy as np

from fer_jax.core.labels import AU_NUMBERS
from fer_jax.rendered import model as face_model

_AT = {number: index for index, number in enumerate(AU_NUMBERS)}
_TILE = 256


def smooth(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """Smooth step: 0 below `low`, 1 above `high` (or the reverse when `low > high`)."""
    t = np.minimum(np.maximum((x - np.float32(low)) * np.float32(1.0 / (high - low)), np.float32(0)), np.float32(1))
    return t * t * (3 - 2 * t)


@functools.cache
def noise_tile() -> np.ndarray:
    """(256, 256) float32 periodic noise of two octaves, zero mean, deviation about 1; the same in every process."""
    rng = np.random.default_rng(20240701)
    tile = np.zeros((_TILE, _TILE), np.float32)
    for cells, weight in ((32, 0.6), (128, 0.8)):
        coarse = rng.standard_normal((cells, cells)).astype(np.float32)
        spot = np.arange(_TILE) * cells / _TILE
        lower, t = spot.astype(int), (spot % 1).astype(np.float32)
        upper = (lower + 1) % cells
        rows = coarse[lower] * (1 - t[:, None]) + coarse[upper] * t[:, None]
        tile += weight * (rows[:, lower] * (1 - t) + rows[:, upper] * t)
    return tile / tile.std()


def noise(u: np.ndarray, v: np.ndarray, seed: int) -> np.ndarray:
    """Noise at coordinates counted in tile cells (nearest cell), shifted by a seed."""
    column = (u.astype(np.int32) + seed * 37) & (_TILE - 1)
    row = (v.astype(np.int32) + seed * 91) & (_TILE - 1)
    return noise_tile()[row, column]


@functools.cache
def hair_height() -> np.ndarray:
    """(V,) signed height of every vertex above the default hairline, template mesh units."""
    rest = face_model.load().rest
    turn = np.degrees(np.arctan2(np.abs(rest[:, 0]), rest[:, 2] - 0.45))
    angles = [0, 20, 36, 50, 64, 74, 84, 112, 130, 180]  # from the front, past temple, sideburn, ear, to the nape
    line = np.interp(turn, angles, [7.88, 7.90, 7.86, 7.62, 7.36, 7.24, 7.42, 7.30, 6.80, 6.60])
    return (rest[:, 1] - line).astype(np.float32)


@functools.cache
def beard_map() -> np.ndarray:
    """(V,) in [0, 1]: where a full beard grows."""
    model = face_model.load()
    x, y, z = np.abs(model.rest[:, 0]), model.rest[:, 1], model.rest[:, 2]
    cheek = np.interp(x, [0, 0.16, 0.30, 0.45, 0.62, 0.8], [6.88, 6.88, 6.74, 6.70, 6.95, 7.25])
    area = smooth(0.03, -0.05, y - cheek) * smooth(5.95, 6.15, y) * smooth(0.35, 0.6, z)
    area *= np.where((x > 0.68) & (z < 0.62), 0, 1)
    return (area * (1 - np.clip(1.6 * model.lips, 0, 1)) * (model.inner < 0.1)).astype(np.float32)


def skin(
    look: face_model.Appearance,
    tex: np.ndarray,
    lips: np.ndarray,
    inner: np.ndarray,
    hairy: np.ndarray,
    bearded: np.ndarray,
    aus: np.ndarray,
    age: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Albedo (P, 3) and gloss (P,) of the points of the body surface.

    Args:
      look: colours of the identity.
      tex: (P, 3) template coordinates.
      lips: (P,) in [0, 1].
      inner: (P,) in [0, 1], lining of the mouth.
      hairy: (P,) height above the hairline.
      bearded: (P,) in [0, 1].
      aus: (17,) intensities; they deepen the folds.
      age: share of old age in [0, 1].
    """
    side, height, front = np.abs(tex[:, 0]), tex[:, 1], tex[:, 2] > 0.85
    tone = 1 + 0.030 * noise(tex[:, 0] * 160 + 512, height * 160, look.texture)
    albedo = look.skin.astype(np.float32) * tone[:, None]
    blush = np.exp(-(((side - 0.36) / 0.16) ** 2) - ((height - 6.95) / 0.14) ** 2)
    blush += 0.8 * np.exp(-((side / 0.09) ** 2) - ((height - 6.98) / 0.10) ** 2)
    albedo *= 1 - blush[:, None] * np.array([0.02, 0.13, 0.11], np.float32)
    gloss = np.full(len(tex), 0.10, np.float32)

    spot = np.flatnonzero(front & (height < 8.0) & (height > 6.4))
    albedo[spot] *= 1 - _folds(tex[spot, 0], height[spot], aus, age)[:, None] * np.array([0.75, 0.95, 1.0], np.float32)
    spot = np.flatnonzero(front & (np.abs(height - 7.28) < 0.17) & (np.abs(side - 0.31) < 0.22))
    _lids(albedo, tex, spot, look)
    spot = np.flatnonzero(lips > 0.02)
    cover = smooth(0.15, 0.75, lips[spot])[:, None]
    albedo[spot] = (1 - cover) * albedo[spot] + cover * look.lips
    gloss[spot] += 0.14 * cover[:, 0]
    if look.beard > 0.02:
        _grow(albedo, np.flatnonzero(bearded > 0.02), tex, bearded, look, look.beard, look.hair * 0.8)
    spot = np.flatnonzero(front & (np.abs(height - 7.50) < 0.16) & (side < 0.64))
    cover = _brows(side[spot], tex[spot, 0], height[spot], look)[:, None]
    albedo[spot] = (1 - cover) * albedo[spot] + cover * look.brow
    _hair(albedo, gloss, tex, hairy, look)
    spot = np.flatnonzero(inner > 0.02)
    cover = smooth(0.1, 0.6, inner[spot])[:, None]
    albedo[spot] = (1 - cover) * albedo[spot] + cover * np.array([0.16, 0.022, 0.022], np.float32)
    return albedo.astype(np.float32), gloss


def _folds(x: np.ndarray, y: np.ndarray, aus: np.ndarray, age: float) -> np.ndarray:
    """Darkening in [0, 1) by expression lines: frown, forehead, nasolabial fold, crow's feet, nose, chin."""
    side = np.abs(x)

    def line(distance: np.ndarray, width: float, window: np.ndarray) -> np.ndarray:
        return np.exp(-((distance / np.float32(width)) ** 2)) * window

    def strength(*numbers: int) -> float:
        return float(max(aus[_AT[number]] for number in numbers))

    raised, outer, frown = strength(1), strength(2), strength(4)
    old = 0.22 * age
    dark = 0.45 * max(frown, old) * line(side - 0.055, 0.014, smooth(7.38, 7.46, y) * smooth(7.66, 7.56, y))
    ripple = 0.012 * np.sin(side * 14)
    middle, flank = smooth(0.34, 0.16, side), smooth(0.12, 0.30, side) * smooth(0.62, 0.5, side)
    window = np.maximum(max(raised, old) * middle, max(outer, old) * flank)
    for level in (7.66, 7.73, 7.80):
        dark += 0.30 * line(y - level - ripple, 0.012, window)
    path = np.interp(y, [6.48, 6.62, 6.78, 6.95, 7.02], [0.385, 0.37, 0.30, 0.20, 0.155])
    fold = 0.42 * max(strength(12), 0.9 * strength(10), 0.9 * strength(9), 0.5 * strength(14), old * 1.6, 0.12)
    dark += fold * line(side - path, 0.022, smooth(6.50, 6.62, y) * smooth(7.04, 6.96, y))
    for slope in (-0.35, 0.0, 0.35):
        feet = line(y - 7.26 - slope * (side - 0.5), 0.010, smooth(0.52, 0.56, side) * smooth(0.68, 0.62, side))
        dark += 0.28 * max(strength(6), 1.2 * old) * feet
    dark += 0.35 * strength(9) * line(y - 7.30 - 0.3 * side, 0.016, smooth(0.13, 0.06, side))
    dark += 0.35 * strength(9) * line(y - 7.22 - 0.3 * side, 0.014, smooth(0.13, 0.06, side))
    dark += 0.30 * strength(15, 17) * line(y - 6.44 + 0.5 * side * side, 0.020, smooth(0.20, 0.10, side))
    return np.minimum(dark, 0.75)


def _lids(albedo: np.ndarray, tex: np.ndarray, spot: np.ndarray, look: face_model.Appearance) -> None:
    """Darkens, in place, the lid margin (lashes) and a little of the eye socket."""
    centres, radius = eyeballs()
    centre = centres[(tex[spot, 0] > 0).astype(int)]
    offset = tex[spot] - centre
    distance = np.sqrt((offset**2).sum(axis=1)) / radius
    lash = smooth(1.22, 1.10, distance) * (0.40 + 0.55 * smooth(-0.03, 0.02, offset[:, 1]))
    albedo[spot] *= 1 - 0.18 * smooth(1.9, 1.2, distance)[:, None]
    lash = (0.9 * lash)[:, None]
    albedo[spot] = (1 - lash) * albedo[spot] + lash * np.minimum(look.brow, 0.05)


def _brows(side: np.ndarray, x: np.ndarray, y: np.ndarray, look: face_model.Appearance) -> np.ndarray:
    """Cover (P,) in [0, 1] of the eyebrows."""
    along = np.clip((side - 0.10) / 0.46, 0, 1)
    arch = 1 + 0.5 * look.brow_arch
    middle = 7.486 + 0.050 * arch * np.sin(np.pi * along**1.1) - 0.030 * along
    half = look.brow_thickness * (1.05 - 0.62 * along**1.5)
    body = smooth(1.25, 0.55, np.abs(y - middle) / half)
    ends = smooth(0.07, 0.17, side) * smooth(0.60, 0.53, side)
    strands = 1 + 0.16 * noise(x * 230 + 70 * y + 512, y * 60, look.texture + 5)
    return np.clip(body * ends * strands, 0, 1) * look.brow_density


def _grow(
    albedo: np.ndarray,
    spot: np.ndarray,
    tex: np.ndarray,
    amount: np.ndarray,
    look: face_model.Appearance,
    density: float,
    colour: np.ndarray,
) -> None:
    """Mixes, in place, short hair over the points `spot`."""
    grain = 1 + 0.22 * noise(tex[spot, 0] * 260 + 512, tex[spot, 1] * 200, look.texture + 9)
    cover = np.clip(amount[spot] * density * grain, 0, 0.95)[:, None]
    albedo[spot] = (1 - cover) * albedo[spot] + cover * colour


def _hair(
    albedo: np.ndarray, gloss: np.ndarray, tex: np.ndarray, hairy: np.ndarray, look: face_model.Appearance
) -> None:
    """Paints, in place, the scalp hair; a bald head keeps a faint shadow."""
    spot = np.flatnonzero(hairy - look.hairline > -0.05)
    ragged = 0.010 * noise(tex[spot, 0] * 150 + 512, tex[spot, 2] * 40 + 512, look.texture + 3)
    cover = smooth(-0.03, 0.07, hairy[spot] - look.hairline + ragged)
    cover *= 0.25 + 0.75 * min(1.0, 1.5 * look.hair_cover)
    shade = strands(tex[spot], look)
    albedo[spot] = (1 - cover[:, None]) * albedo[spot] + cover[:, None] * look.hair * shade[:, None]
    gloss[spot] = gloss[spot] * (1 - cover) + 0.05 * cover


def strands(tex: np.ndarray, look: face_model.Appearance) -> np.ndarray:
    """Brightness (P,) around 1 of hair: streaks that fall from a parting."""
    across = np.abs(tex[:, 0] - 0.35 * look.part)
    streak = noise(tex[:, 2] * 90 + 25 * across + 512, (tex[:, 1] + across) * 9, look.texture + 1)
    streak += 0.6 * noise(tex[:, 0] * 110 + 512, tex[:, 1] * 10, look.texture + 2)
    return np.clip(1 + 0.22 * streak, 0.35, 1.9).astype(np.float32)


@functools.cache
def eyeballs() -> tuple[np.ndarray, float]:
    """Centres (2, 3) (the person's right eye, then the left) and radius of the eyeballs in the template."""
    model = face_model.load()
    points = model.rest[model.vertex_material == face_model.EYE]
    centres = np.stack([points[points[:, 0] < 0].mean(axis=0), points[points[:, 0] > 0].mean(axis=0)])
    for index, sign in enumerate((-1, 1)):
        own = points[points[:, 0] * sign > 0]
        centres[index] = (own.min(axis=0) + own.max(axis=0)) / 2
    return centres.astype(np.float32), float(np.ptp(points[points[:, 0] > 0][:, 1]) / 2)


def eye(look: face_model.Appearance, tex: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Albedo (P, 3) and gloss (P,) of eyeball points: white, limbus, iris with spokes, pupil."""
    centres, radius = eyeballs()
    offset = (tex - centres[(tex[:, 0] > 0).astype(int)]) / np.float32(radius)
    spread = np.sqrt(offset[:, 0] ** 2 + offset[:, 1] ** 2)
    white = np.array([0.78, 0.73, 0.70], np.float32) * (1 - 0.25 * smooth(0.45, 0.95, spread))[:, None]
    white = white * np.array([1.0, 0.95, 0.95], np.float32)
    spokes = 1 + 0.15 * noise(np.arctan2(offset[:, 1], offset[:, 0]) * 18 + 512, spread * 4, look.texture)
    iris = look.iris * (1.15 * spokes * (1 - 0.65 * smooth(0.36, 0.50, spread)))[:, None]
    mix = smooth(0.53, 0.46, spread)[:, None]
    albedo = (1 - mix) * white + mix * iris
    albedo *= (1 - 0.97 * smooth(0.23, 0.17, spread))[:, None]
    albedo *= (1 - 0.45 * smooth(0.12, 0.55, offset[:, 1]))[:, None]  # shadow of the upper lid
    return albedo.astype(np.float32), np.full(len(tex), 0.5, np.float32)
