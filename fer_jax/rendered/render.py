"""Software renderer of the face model: perspective camera, z-buffer, per-pixel normals, deferred shading, numpy only.

One picture takes some 33 ms of CPU time at 128 x 128 on one core. There is no OpenGL, so it runs wherever numpy does.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from fer_jax.core.labels import AU_NUMBERS
from fer_jax.rendered import model as face_model
from fer_jax.rendered import paint, raster

if TYPE_CHECKING:
    from fer_jax.rendered.population import FaceSpec

# Camera, in template mesh units. The eyes-to-chin distance is the same for every identity (`model.frame`), so brows
# and chin always lie at about 27 % and 92 % of the picture's height.
_TOP, _HEIGHT, _DISTANCE, _PLANE = 7.98, 1.98, 7.0, 1.25
_PIVOT = np.array([0.0, 7.0, 0.85], np.float32)  # centre of head rotations
_PARTING = tuple(AU_NUMBERS.index(number) for number in (10, 12, 20, 25, 26))  # AUs that show the teeth
# Material, albedo, gloss.
_MOUTH = ((face_model.TEETH, (0.74, 0.68, 0.58), 0.2), (face_model.TONGUE, (0.42, 0.10, 0.10), 0.1))
MIN_SIZE, MAX_SIZE = 16, 1024


def render(spec: FaceSpec, size: int) -> np.ndarray:
    """Draws one face.

    Args:
      spec: what to draw (see `population.FaceSpec`).
      size: width and height in pixels, 16..1024.

    Returns:
      uint8 RGB (size, size, 3).

    Raises:
      ValueError: `size` is out of range.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"size: expected {MIN_SIZE}..{MAX_SIZE}, got {size}")
    factor = 2 if size >= 40 else 3
    fine = size * factor
    vector = np.asarray(spec.identity_vector, np.float32)
    neutral, creases, look, drawn = _identity(vector.tobytes())
    model = face_model.load()
    mesh = face_model.express(model, neutral, spec.aus, spec.asymmetry, spec.gaze)
    normals = raster.vertex_normals(mesh, model.triangles)
    folds = raster.concavity(mesh, normals, model.triangles) - creases
    posed, turn = _pose(mesh, spec.pose)
    screen, inverse = project(posed, fine)
    cover = raster.rasterise(screen, inverse, drawn, fine)
    colour = _shade(spec, model, look, drawn, cover, normals @ turn.T, folds, posed)
    picture = background(spec, size).repeat(factor, axis=0).repeat(factor, axis=1).reshape(-1, 3)
    picture[cover.pixel] = colour
    return encode(_shrink(picture.reshape(fine, fine, 3), factor))


def _shrink(picture: np.ndarray, factor: int) -> np.ndarray:
    """Mean over blocks of `factor` x `factor` pixels."""
    rows: np.ndarray = sum(picture[k::factor] for k in range(1, factor)) + picture[::factor]
    total: np.ndarray = sum(rows[:, k::factor] for k in range(1, factor)) + rows[:, ::factor]
    return total * np.float32(1 / factor**2)


def encode(linear: np.ndarray) -> np.ndarray:
    """Linear RGB to 8-bit: soft shoulder above 0.8, then a 2.2 power."""
    soft = np.where(linear > 0.8, 0.8 + 0.2 * np.tanh((linear - 0.8) * 5), linear)
    return np.round(255 * np.clip(soft, 0, 1) ** (1 / 2.2)).astype(np.uint8)


def project(points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel positions (V, 2) (y down) and inverse distances (V,) of points (V, 3) for a picture of `size` pixels."""
    inverse = 1.0 / (_PLANE + _DISTANCE - points[:, 2].astype(np.float64))
    scale = size / _HEIGHT * _DISTANCE * inverse
    x = size / 2 + points[:, 0] * scale
    y = size / 2 - (points[:, 1] - (_TOP - _HEIGHT / 2)) * scale
    return np.stack([x, y], axis=1), inverse


def _pose(mesh: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mesh turned about the pivot by (yaw to the person's left, pitch up, roll to the person's left), degrees."""
    yaw, pitch, roll = np.radians(np.asarray(pose, np.float64))
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turn = (about_z @ about_x @ about_y).astype(np.float32)
    return (mesh - _PIVOT) @ turn.T + _PIVOT, turn


@functools.lru_cache(maxsize=16)
def _identity(data: bytes) -> tuple[np.ndarray, np.ndarray, face_model.Appearance, np.ndarray]:
    """Neutral mesh with hair volume, its concavity, the colours, and the triangles to draw, of one identity."""
    vector = np.frombuffer(data, np.float32)
    model, look = face_model.load(), face_model.appearance(vector)
    mesh = face_model.neutral(model, vector)
    normals = raster.vertex_normals(mesh, model.triangles)
    height = paint.hair_height() - look.hairline
    scalp = model.vertex_material == face_model.SKIN
    ears = (np.abs(model.rest[:, 0]) > 0.70) & (model.rest[:, 1] < 7.42) & (model.rest[:, 2] > 0.2)
    grow = paint.smooth(-0.01, 0.30, height) * look.hair_volume
    grow += paint.smooth(0.0, 0.25, height) * paint.smooth(0.35, 0.65, np.abs(model.rest[:, 0])) * look.hair_side
    mesh = mesh + normals * (grow * scalp * ~ears)[:, None].astype(np.float32)
    drawn = model.triangles[model.material != face_model.HAIR]
    if look.hair_end < 7.0:
        mesh, curtain = _long_hair(model, mesh, look)
        drawn = np.concatenate([drawn, curtain])
    normals = raster.vertex_normals(mesh, model.triangles)
    return mesh, raster.concavity(mesh, normals, model.triangles), look, drawn


def _long_hair(
    model: face_model.FaceModel, mesh: np.ndarray, look: face_model.Appearance
) -> tuple[np.ndarray, np.ndarray]:
    """The mesh with the sheet of hair behind the neck cut at a wavy end, and the sheet's triangles."""
    end = look.hair_end + 0.05 * np.sin(11 * model.rest[:, 0] + look.texture)
    low = (model.vertex_material == face_model.HAIR) & (mesh[:, 1] < end)
    mesh = mesh.copy()
    mesh[low, 1] = end[low]
    return mesh, model.triangles[model.material == face_model.HAIR]


def _shade(
    spec: FaceSpec,
    model: face_model.FaceModel,
    look: face_model.Appearance,
    drawn: np.ndarray,
    cover: raster.Coverage,
    normals: np.ndarray,
    folds: np.ndarray,
    posed: np.ndarray,
) -> np.ndarray:
    """Linear RGB (P, 3) of the covered pixels."""
    table = np.concatenate(
        [
            normals, model.rest, model.openness[:, None], folds[:, None], model.lips[:, None], model.inner[:, None],
            paint.hair_height()[:, None], paint.beard_map()[:, None],
        ],
        axis=1,
    ).astype(np.float32)  # fmt: skip
    corners = drawn[cover.triangle]
    value = cover.weights[:, 0, None] * table.take(corners[:, 0], axis=0)
    for k in (1, 2):
        value += cover.weights[:, k, None] * table.take(corners[:, k], axis=0)
    normal, tex = value[:, 0:3], value[:, 3:6]
    normal /= np.maximum(np.sqrt(np.einsum("pk,pk->p", normal, normal)), 1e-6)[:, None]
    age = face_model.population(np.asarray(spec.identity_vector))[2]["old"]
    albedo, gloss = np.empty((len(tex), 3), np.float32), np.empty(len(tex), np.float32)
    material = model.vertex_material[corners[:, 0]]
    part = np.flatnonzero(material == face_model.SKIN)
    albedo[part], gloss[part] = paint.skin(
        look, tex[part], value[part, 8], value[part, 9], value[part, 10], value[part, 11], spec.aus, age
    )
    open_ = 0.25 + 0.75 * value[:, 6]
    part = np.flatnonzero(material == face_model.EYE)
    albedo[part], gloss[part] = paint.eye(look, tex[part])
    open_[part] = 0.95
    parted = np.clip(0.3 + 1.6 * max(spec.aus[list(_PARTING)]), 0, 1)
    for kind, colour, shine in _MOUTH:
        part = np.flatnonzero(material == kind)
        albedo[part], gloss[part] = np.asarray(colour, np.float32), shine
        open_[part] = parted * np.clip(0.2 + 2.2 * (tex[part, 2] - 1.15), 0.15, 0.85)  # darker towards the throat
    part = np.flatnonzero(material == face_model.HAIR)
    albedo[part] = look.hair.astype(np.float32) * paint.strands(tex[part], look)[:, None] * np.float32(0.8)
    gloss[part], open_[part] = 0.03, 0.55
    open_ *= np.clip(1 - 14 * np.maximum(value[:, 7], 0) + 5 * np.maximum(-value[:, 7], 0), 0.55, 1.12)
    return _light(spec, albedo, gloss, normal, open_)


def _light(spec: FaceSpec, albedo: np.ndarray, gloss: np.ndarray, normal: np.ndarray, open_: np.ndarray) -> np.ndarray:
    """Diffuse light that bleeds red past the terminator, sky and ground ambient, a soft highlight."""
    direction, strength, tint, ambient = spec.light[0:3], spec.light[3], spec.light[4:7], spec.light[7]
    cosine = normal @ np.asarray(direction, np.float32)
    wrap = np.array([0.42, 0.28, 0.22], np.float32)
    key = np.maximum(cosine[:, None] + wrap, 0) / (1 + wrap)
    key *= (0.35 + 0.65 * open_)[:, None] * (np.float32(strength) * np.asarray(tint, np.float32))
    sky = (np.float32(ambient) * open_ * (0.8 + 0.2 * normal[:, 1]))[:, None]
    half = np.asarray(direction, np.float64) + np.array([0, 0, 1.0])
    half = (half / np.linalg.norm(half)).astype(np.float32)
    shine = np.square(np.square(np.square(np.maximum(normal @ half, 0))))
    shine = shine * shine * shine  # power 24; wet eyes are sharper
    wet = np.flatnonzero(gloss > 0.4)
    shine[wet] = shine[wet] ** 6
    highlight = shine * gloss * np.float32(strength) * open_
    return albedo * (key + sky) + highlight[:, None]


def background(spec: FaceSpec, size: int) -> np.ndarray:
    """Linear RGB (size, size, 3): two colours along a random direction and a few soft blobs."""
    rng = np.random.default_rng(spec.background)
    first, second = rng.uniform(0.02, 0.55, (2, 1)) * rng.uniform(0.7, 1.15, (2, 3))
    turn = rng.uniform(0, 2 * np.pi)
    axis = np.linspace(-0.7, 0.7, size, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    mix = 0.5 + np.float32(np.cos(turn)) * x + np.float32(np.sin(turn)) * y
    for _ in range(4):
        centre_x, centre_y, width, height = rng.uniform([-0.7, -0.7, 0.08, -0.5], [0.7, 0.7, 0.3, 0.5])
        bump = np.exp(-(((x - np.float32(centre_x)) / np.float32(width)) ** 2))
        mix = mix + np.float32(height) * bump * np.exp(-(((y - np.float32(centre_y)) / np.float32(width)) ** 2))
    mix = np.clip(mix, 0, 1)[:, :, None]
    return (first + (second - first) * mix).astype(np.float32)
