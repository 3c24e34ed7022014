"""A vectorised triangle rasteriser and mesh differential quantities, in plain numpy."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Coverage:
    """What each covered pixel sees; `P` pixels, in ascending order of `pixel`."""

    pixel: np.ndarray  # (P,) flat index, row * width + column
    triangle: np.ndarray  # (P,) index into the triangles that were passed
    weights: np.ndarray  # (P, 3) float32 perspective-correct barycentric weights, summing to 1


def rasterise(screen: np.ndarray, inverse_depth: np.ndarray, triangles: np.ndarray, size: int) -> Coverage:
    """Nearest front-facing triangle at every pixel centre.

    Triangles are cut into rows, rows into pixels, all at once; the nearest pixel is kept by a scatter maximum over
    inverse depth, which is affine on the screen, so the test is exact under perspective.

    Args:
      screen: (V, 2) positions in pixels, x to the right and y down, pixel centres at half-integers.
      inverse_depth: (V,) positive, larger is nearer.
      triangles: (T, 3), counter-clockwise as seen from the front in a y-up world.
      size: width and height of the picture.
    """
    x, y = np.ascontiguousarray(screen[:, 0]), np.ascontiguousarray(screen[:, 1])
    one, two, three = triangles.T
    x1, y1 = x[one], y[one]
    edge2x, edge2y, edge3x, edge3y = x[two] - x1, y[two] - y1, x[three] - x1, y[three] - y1
    area = edge2y * edge3x - edge2x * edge3y  # positive for front faces, as y points down
    top = np.clip(np.ceil(np.minimum(np.minimum(y1, y[two]), y[three]) - 0.5), 0, size).astype(np.int64)
    bottom = np.clip(np.floor(np.maximum(np.maximum(y1, y[two]), y[three]) - 0.5), -1, size - 1).astype(np.int64)
    front = np.flatnonzero((area > 1e-6) & (bottom >= top))
    # Weights of the second and third corner: affine in the pixel, (slope x, slope y, value at pixel 0, 0).
    scale = 1.0 / area[front]
    second = np.stack([-edge3y[front], edge3x[front]]) * scale
    third = np.stack([edge2y[front], -edge2x[front]]) * scale
    offset_x, offset_y = 0.5 - x1[front], 0.5 - y1[front]
    second = np.stack([*second, second[0] * offset_x + second[1] * offset_y])
    third = np.stack([*third, third[0] * offset_x + third[1] * offset_y])
    first = np.array([[0.0], [0.0], [1.0]]) - second - third
    near = [inverse_depth[corner][front] for corner in (one, two, three)]
    depth = first * near[0] + second * near[1] + third * near[2]
    owner, row = _expand(top[front], bottom[front])
    low, high = _spans((first, second, third), owner, row, size)
    line, column = _expand(low, high)
    row, owner = row[line], owner[line]
    flat = row * size + column
    value = depth[0][owner] * column + depth[1][owner] * row + depth[2][owner]
    best = np.zeros(size * size)
    np.maximum.at(best, flat, value)
    winner = np.flatnonzero(best[flat] == value)
    chosen = np.full(size * size, -1, np.int64)
    chosen[flat[winner]] = winner
    pixel = np.flatnonzero(chosen >= 0)
    pick = chosen[pixel]
    owner, row, column = owner[pick], row[pick], column[pick]
    weights = np.empty((len(pixel), 3), np.float32)
    for k, plane in enumerate((first, second, third)):
        share = plane[0][owner] * column + plane[1][owner] * row + plane[2][owner]
        weights[:, k] = share * near[k][owner] / value[pick]
    return Coverage(pixel, front[owner], weights)


def _expand(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All integers of the closed intervals [low, high] (N,): (interval index, integer), both (sum of lengths,)."""
    count = np.maximum(high - low + 1, 0)
    owner = np.repeat(np.arange(len(low)), count)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(count) - count - low, count)


def _spans(
    planes: tuple[np.ndarray, ...], owner: np.ndarray, row: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """First and last column (R,) where all three weights are non-negative, for every (triangle, row) pair."""
    low, high = np.zeros(len(owner)), np.full(len(owner), size - 1.0)
    for plane in planes:
        slope = plane[0][owner]
        rest = plane[1][owner] * row + plane[2][owner]
        with np.errstate(divide="ignore", invalid="ignore"):
            root = -rest / slope
        np.maximum(low, np.where(slope > 0, root, 0.0), out=low)
        np.minimum(high, np.where(slope < 0, root, size), out=high)
        high[(slope == 0) & (rest < 0)] = -1
    return np.ceil(low - 1e-9).astype(np.int64), np.floor(high + 1e-9).astype(np.int64)


def vertex_normals(mesh: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals (V, 3) float32 of a mesh (V, 3)."""
    columns = [np.ascontiguousarray(mesh[:, axis]) for axis in range(3)]
    one, two, three = triangles.T
    ax, ay, az = (column[two] - column[one] for column in columns)
    bx, by, bz = (column[three] - column[one] for column in columns)
    index = triangles.T.reshape(-1)
    faces = (ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
    total = [np.bincount(index, np.concatenate([face, face, face]), minlength=len(mesh)) for face in faces]
    length = np.maximum(np.sqrt(total[0] ** 2 + total[1] ** 2 + total[2] ** 2), 1e-12)
    return (np.stack(total, axis=1) / length[:, None]).astype(np.float32)


def concavity(mesh: np.ndarray, normals: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Height (V,) of the neighbours' mean above each vertex along its normal; positive in folds, negative on ridges.

    A neighbour counts once for every triangle that it shares with the vertex. Unit: mesh units.
    """
    one, two, three = triangles.T
    index = triangles.T.reshape(-1)
    count = np.maximum(np.bincount(index, minlength=len(mesh)), 1)
    height = np.zeros(len(mesh))
    for axis in range(3):
        x = np.ascontiguousarray(mesh[:, axis])
        others = np.concatenate([x[two] + x[three], x[three] + x[one], x[one] + x[two]])
        height += (np.bincount(index, others, minlength=len(mesh)) / (2 * count) - x) * normals[:, axis]
    return height.astype(np.float32)


def openness(mesh: np.ndarray, triangles: np.ndarray, directions: int = 96, size: int = 400) -> np.ndarray:
    """Cosine-weighted share in [0, 1] of the sphere that each vertex sees, (V,) float32: ambient occlusion.

    Each of `directions` (a Fibonacci sphere) is a parallel projection; a vertex is open to it when nothing is drawn
    in front of it. Slow: used once, when the packaged model is built.
    """
    normals = vertex_normals(mesh, triangles)
    order = np.arange(directions) + 0.5
    polar, turn = np.arccos(1 - 2 * order / directions), np.pi * (1 + 5**0.5) * order
    rays = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], axis=1)
    seen, total = np.zeros(len(mesh)), np.zeros(len(mesh))
    for ray in rays:
        side = np.cross(ray, [0.0, 1.0, 0.0] if abs(ray[1]) < 0.9 else [1.0, 0.0, 0.0])
        side /= np.linalg.norm(side)
        up = np.cross(side, ray)
        position = np.stack([mesh @ -side, mesh @ -up], axis=1)
        low, span = position.min(axis=0), np.ptp(position, axis=0).max()
        screen = (position - low) / span * (size - 8) + 4
        depth = mesh @ ray
        inverse = depth - depth.min() + 1.0
        both = np.concatenate([triangles, triangles[:, ::-1]])  # seen from behind, a surface blocks the sky too
        cover = rasterise(screen, inverse, both, size)
        picture = np.zeros(size * size)
        corner = inverse[both[cover.triangle]]
        picture[cover.pixel] = 1 / (cover.weights / corner).sum(axis=1)
        spot = screen.astype(int)
        nearest = picture[spot[:, 1] * size + spot[:, 0]]
        cosine = np.maximum(normals @ ray, 0)
        seen += cosine * (nearest <= inverse + 0.05)
        total += cosine
    return (seen / np.maximum(total, 1e-9)).astype(np.float32)
