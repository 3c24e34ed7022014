"""The head model: identity vector -> neutral mesh and colours; 17 AU intensities -> deformed mesh.

Mesh units are MakeHuman's decimetres; x points to the person's left (right in the picture), y up, z to the viewer.
Only numpy is imported, so that worker processes start fast.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np

from fer_jax.core.labels import AU_NUMBERS

MACRO_SIZE, APPEARANCE_SIZE = 6, 16
SKIN, EYE, TEETH, TONGUE, HAIR = 0, 1, 2, 3, 4

# FACS action unit -> ARKit face units at intensity 1 ("name" without a side = both sides). Weights above 1 make up
# for units that this mesh answers weakly; they were chosen by eye so that each AU can be read at 48 pixels.
FACS: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 2.0},
    2: {"browOuterUp": 1.45},
    4: {"browDown": 2.1, "noseSneer": 0.25},
    5: {"eyeWide": 1.7},
    6: {"cheekSquint": 1.25, "eyeSquint": 0.6},
    7: {"eyeSquint": 1.5, "eyeBlink": 0.12},
    9: {"noseSneer": 1.9, "browDown": 0.5},
    10: {"mouthUpperUp": 1.35, "noseSneer": 0.2},
    12: {"mouthSmile": 1.15},
    14: {"mouthDimple": 1.3},
    15: {"mouthFrown": 1.7},
    17: {"mouthShrugLower": 1.5},
    20: {"mouthStretch": 1.6},
    23: {"mouthPress": 0.5, "mouthRollLower": 0.85, "mouthRollUpper": 0.8, "mouthPucker": 0.35, "mouthFrown": 0.3},
    25: {"mouthLowerDown": 1.1, "mouthUpperUp": 0.45, "jawOpen": 0.07},
    26: {"jawOpen": 0.72},
    45: {"eyeBlink": 1.0},
}
_LID_TONE = 0.25  # share of AU5 in a resting face: the template's lids hang a little low


@dataclasses.dataclass(frozen=True)
class FaceModel:
    """Arrays of the packaged model; `V` vertices, `T` triangles."""

    rest: np.ndarray  # (V, 3) float32, the template; also the coordinates that paint (brows, hairline) is drawn in
    triangles: np.ndarray  # (T, 3) int64
    material: np.ndarray  # (T,) one of SKIN, EYE, TEETH, TONGUE, HAIR
    vertex_material: np.ndarray  # (V,)
    lips: np.ndarray  # (V,) float32 in [0, 1]
    inner: np.ndarray  # (V,) float32 in [0, 1], lining of the mouth
    openness: np.ndarray  # (V,) float32 in [0, 1], share of the sky that the neutral template sees
    macros: dict[str, np.ndarray]  # name -> (V, 3)
    detail_sigma: np.ndarray  # (D,)
    details: tuple[np.ndarray, np.ndarray]  # negative and positive sides, (D, V*3) each
    aus: np.ndarray  # (2, 17, V*3): left and right half of every AU
    gaze: np.ndarray  # (4, V*3): eyes to the person's left, right, up, down

    @property
    def identity_size(self) -> int:
        """Length of an identity vector."""
        return MACRO_SIZE + len(self.detail_sigma) + APPEARANCE_SIZE


@dataclasses.dataclass(frozen=True)
class Appearance:
    """Colours (linear RGB in [0, 1]) and paint parameters of one identity."""

    skin: np.ndarray
    lips: np.ndarray
    brow: np.ndarray
    iris: np.ndarray
    hair: np.ndarray
    brow_thickness: float  # half height of the strip, mesh units
    brow_arch: float  # in [-1, 1]
    brow_density: float  # in [0, 1]
    hairline: float  # rise of the hairline, mesh units
    hair_cover: float  # 0 bald .. 1 full
    hair_volume: float  # thickness of the hair, mesh units
    hair_side: float  # extra thickness at the sides, mesh units
    hair_end: float  # lowest y of long hair (template coordinates); above 7 = no long hair
    part: float  # where the parting is, in [-1, 1]
    beard: float  # 0 none .. 1 dense
    texture: int  # seed of skin and hair texture


@functools.cache
def load() -> FaceModel:
    """Reads the packaged model once a process."""
    with np.load(Path(__file__).with_name("face_model.npz"), allow_pickle=False) as data:
        raw = {name: data[name] for name in data.files}
    step = np.float32(raw["step"])
    units = dict(zip(raw["unit_names"].tolist(), raw["units"].astype(np.float32) * step, strict=True))
    triangles = raw["triangles"].astype(np.int64)
    vertex_material = np.zeros(len(raw["rest"]), np.uint8)
    vertex_material[triangles.reshape(-1)] = np.repeat(raw["material"], 3)

    def flat(name: str) -> np.ndarray:
        deltas = raw[name].astype(np.float32) * step
        return deltas.reshape(len(deltas), -1)

    def look(left: str, right: str) -> np.ndarray:
        return (units[f"eyeLook{left}Left"] + units[f"eyeLook{right}Right"]).reshape(-1)

    return FaceModel(
        rest=raw["rest"],
        triangles=triangles,
        material=raw["material"],
        vertex_material=vertex_material,
        lips=raw["lips"].astype(np.float32),
        inner=raw["inner"].astype(np.float32),
        openness=raw["openness"].astype(np.float32),
        macros=dict(zip(raw["macro_names"].tolist(), raw["macros"].astype(np.float32) * step, strict=True)),
        detail_sigma=raw["detail_sigma"],
        details=(flat("detail_negative"), flat("detail_positive")),
        aus=_au_shapes(units),
        gaze=np.stack([look("Out", "In"), look("In", "Out"), look("Up", "Up"), look("Down", "Down")]),
    )


def neutral(model: FaceModel, identity: np.ndarray) -> np.ndarray:
    """The neutral mesh (V, 3) of an identity vector, framed: see `frame`.

    Args:
      model: from `load`.
      identity: (identity_size,) standard normal numbers: sex, 3 ethnicities, age, weight, details, appearance.

    Raises:
      ValueError: the vector has another length.
    """
    identity = np.asarray(identity, np.float32)
    if identity.shape != (model.identity_size,):
        raise ValueError(f"identity vector: expected shape ({model.identity_size},), got {identity.shape}")
    mesh = model.rest.copy()
    for name, weight in macro_weights(identity).items():
        mesh += np.float32(weight) * model.macros[name]
    amount = np.tanh(0.6 * identity[MACRO_SIZE:-APPEARANCE_SIZE]) / 0.6 * model.detail_sigma
    amount = amount.astype(np.float32)
    low, high = model.details
    mesh += (_mix(np.maximum(-amount, 0), low) + _mix(np.maximum(amount, 0), high)).reshape(-1, 3)
    mesh[model.vertex_material == TEETH] -= np.array([0, 0, 0.05], np.float32)  # else they show through thin lips
    mesh = frame(model, mesh)
    hair, scalp = model.vertex_material == HAIR, model.rest[:, 1] > 7.4
    mesh[hair] = model.rest[hair]
    mesh[hair, 0] *= np.abs(mesh[scalp & ~hair, 0]).max() / np.abs(model.rest[scalp & ~hair, 0]).max()
    return mesh


def frame(model: FaceModel, mesh: np.ndarray) -> np.ndarray:
    """Moves and scales a neutral mesh so that eyes and chin always lie at the template's heights (depth too)."""
    eyes, chin = landmarks(model)
    eye, tip = mesh[eyes].mean(axis=0), mesh[chin]
    rest_eye, rest_tip = model.rest[eyes].mean(axis=0), model.rest[chin]
    scale = (rest_eye[1] - rest_tip[1]) / (eye[1] - tip[1])
    return ((mesh - eye) * scale + rest_eye).astype(np.float32)


@functools.cache
def _landmarks() -> tuple[np.ndarray, int]:
    model = load()
    eyes = np.flatnonzero(model.vertex_material == EYE)
    distance = np.abs(model.rest - np.array([0.0, 6.2, 1.3], np.float32)).sum(axis=1)
    return eyes, int(np.where(model.vertex_material == SKIN, distance + 9 * model.inner, 99).argmin())


def landmarks(model: FaceModel) -> tuple[np.ndarray, int]:
    """Indices of the eyeball vertices and of the vertex under the chin."""
    del model  # one packaged model; the argument keeps call sites honest
    return _landmarks()


def macro_weights(identity: np.ndarray) -> dict[str, float]:
    """Weights of the macro targets: every ethnicity x sex x age, and sex x age x weight, each set summing to 1."""
    ethnic, sex, age, weight = population(identity)
    heavy = np.clip([-weight, 1 - abs(weight), weight], 0, 1)
    result = {}
    for sex_name, s in sex.items():
        for age_name, a in age.items():
            for ethnic_name, e in ethnic.items():
                result[f"{ethnic_name}-{sex_name}-{age_name}"] = e * s * a
            for weight_name, w in zip(("minweight", "averageweight", "maxweight"), heavy, strict=True):
                result[f"{sex_name}-{age_name}-{weight_name}"] = s * a * float(w)
    return result


def population(identity: np.ndarray) -> tuple[dict[str, float], dict[str, float], dict[str, float], float]:
    """Shares of ethnicity, sex and age, and weight in [-0.7, 0.7], read from the first six numbers of a vector."""
    male = float(1 / (1 + np.exp(-4.0 * identity[0])))
    logits = np.exp(2.5 * np.float64(identity[1:4]))
    shares = logits / logits.sum()
    old = float(np.clip(1 / (1 + np.exp(-1.6 * (identity[4] - 0.9))), 0, 1))
    ethnic = {"african": float(shares[0]), "asian": float(shares[1]), "caucasian": float(shares[2])}
    weight = 0.7 * float(np.tanh(identity[5] * 0.6))
    return ethnic, {"female": 1 - male, "male": male}, {"young": 1 - old, "old": old}, weight


def express(
    model: FaceModel, mesh: np.ndarray, aus: np.ndarray, asymmetry: float = 0.0, gaze: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Adds an expression to a neutral mesh.

    Args:
      model: from `load`.
      mesh: (V, 3) neutral mesh.
      aus: (17,) intensities in [0, 1], order `AU_NUMBERS`.
      asymmetry: in [-1, 1]; the left half gets `1 + asymmetry` times the intensity, the right half `1 - asymmetry`.
      gaze: (to the person's left, up), each in [-1, 1].

    Returns:
      (V, 3) float32.

    Raises:
      ValueError: `aus` has another shape or values outside [0, 1].
    """
    aus = np.asarray(aus, np.float32)
    if aus.shape != (len(AU_NUMBERS),) or not ((aus >= 0) & (aus <= 1)).all():
        raise ValueError(f"aus: expected shape ({len(AU_NUMBERS)},) with values in [0, 1], got {aus}")
    amount = _without_overshoot(aus)
    sides = amount[None] * np.array([[1 + asymmetry], [1 - asymmetry]], np.float32)
    sides[:, -1] = amount[-1]  # blinks are symmetric
    left, up = gaze
    looks = np.array([max(left, 0), max(-left, 0), max(up, 0), max(-up, 0)], np.float32)
    shift = _mix(sides.reshape(-1), model.aus.reshape(2 * len(AU_NUMBERS), -1)) + _mix(looks, model.gaze)
    return mesh + shift.reshape(-1, 3)


def _mix(weights: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Weighted sum (N,) of shapes (K, N); not BLAS, whose order of summation may change with its thread count."""
    used = np.flatnonzero(weights)
    return np.einsum("k,kn->n", weights[used], shapes[used])


def _without_overshoot(aus: np.ndarray) -> np.ndarray:
    """Adds the tone of resting lids; weakens pairs that would push lids or lips through each other when added."""
    amount = aus.copy()
    at = {number: index for index, number in enumerate(AU_NUMBERS)}
    blink, part = amount[at[45]], max(amount[at[25]], amount[at[26]])
    amount[at[5]] = (amount[at[5]] + _LID_TONE) * (1 - blink)
    amount[[at[6], at[7]]] *= 1 - 0.75 * blink
    amount[at[7]] *= 1 - 0.3 * amount[at[6]]
    amount[at[25]] *= 1 - 0.35 * amount[at[26]]
    amount[[at[17], at[23]]] *= 1 - 0.5 * part
    return amount


def _au_shapes(units: dict[str, np.ndarray]) -> np.ndarray:
    """(2, 17, V*3) deltas of the left and right half of every AU; unpaired units count half on either side."""
    halves = []
    for side in ("Left", "Right"):
        rows = []
        for number in AU_NUMBERS:
            total = np.zeros_like(next(iter(units.values())))
            for name, weight in FACS[number].items():
                total += weight * (units[name + side] if name + side in units else 0.5 * units[name])
            rows.append(total.reshape(-1))
        halves.append(np.stack(rows))
    return np.stack(halves).astype(np.float32)


_SKIN_STOPS = ((250, 224, 210), (236, 196, 168), (205, 154, 118), (142, 94, 66), (82, 52, 38))
_HAIR_STOPS = ((26, 22, 21), (60, 40, 29), (116, 76, 46), (178, 130, 78), (226, 188, 128))
_IRIS_STOPS = ((58, 34, 20), (92, 58, 30), (112, 104, 54), (92, 128, 112), (96, 140, 176))


def appearance(identity: np.ndarray) -> Appearance:
    """Colours and paint parameters of an identity vector; the last 16 numbers, with the population's tendencies."""
    ethnic, sex, age, _ = population(identity)
    free = np.tanh(np.float64(identity[-APPEARANCE_SIZE:]) * 0.6) / 0.6
    melanin = 0.82 * ethnic["african"] + 0.36 * ethnic["asian"] + 0.19 * ethnic["caucasian"] + 0.09 * free[0]
    skin = _ramp(_SKIN_STOPS, max(melanin, 0.1)) * (1 + np.array([0.03, -0.01, -0.08]) * free[1])
    light_hair = 0.08 + 0.05 * free[4] + 0.42 * ethnic["caucasian"] * (0.9 + free[4])
    hair = _ramp(_HAIR_STOPS, light_hair)
    red = np.clip(0.5 * ethnic["caucasian"] * (free[5] - 0.6), 0, 0.6)
    hair = (1 - red) * hair + red * _linear((150, 62, 28))
    grey = np.clip(1.3 * age["old"] - 0.35 + 0.1 * free[5], 0, 0.85)
    brow = (1 - 0.5 * grey) * hair * 0.7 + 0.5 * grey * _linear((120, 116, 112)) * 0.8
    hair = (1 - grey) * hair + grey * _linear((186, 182, 178))
    makeup = np.clip(0.5 * free[3] * sex["female"], 0, 0.7)
    lips = skin * np.array([0.80, 0.46, 0.47]) * (1 + 0.08 * free[2]) + 0.02
    lips = (1 - makeup) * lips + makeup * _linear((168, 34, 52))
    bald = np.clip(sex["male"] * (0.9 * free[11] + 0.6 * age["old"] - 0.55), 0, 1)
    long = sex["female"] * (free[13] + 0.75) > 0.25
    curly = np.clip(1.5 * ethnic["african"] - 0.4 + 0.3 * free[12], 0, 1)
    return Appearance(
        skin=np.clip(skin, 0, 1),
        lips=np.clip(lips, 0, 1),
        brow=np.minimum(brow, 0.32 * skin),
        iris=_ramp(_IRIS_STOPS, 0.05 + 0.75 * ethnic["caucasian"] * (0.6 + free[6]) + 0.05 * free[6]),
        hair=np.clip(hair, 0, 1),
        brow_thickness=float(0.043 + 0.009 * free[7] + 0.010 * (sex["male"] - 0.5)),
        brow_arch=float(np.clip(0.5 * free[9] + 0.35 * (sex["female"] - 0.5), -1, 1)),
        brow_density=float(np.clip(0.85 + 0.12 * free[8], 0.6, 1)),
        hairline=float(0.09 * free[10] + 0.10 * sex["male"] * age["old"]),
        hair_cover=float(1 - bald),
        hair_volume=float((1 - bald) * (0.09 + 0.035 * free[12] + 0.14 * curly)),
        hair_side=float((1 - bald) * np.clip(0.03 + 0.05 * sex["female"] + 0.05 * free[13] + 0.1 * curly, 0, 0.25)),
        hair_end=float(np.clip(6.0 - 0.5 * free[13], 5.2, 6.6)) if long and bald < 0.1 else 9.0,
        part=float(np.clip(free[15], -1, 1)),
        beard=float(np.clip(sex["male"] * (0.8 * free[14] + 0.05), 0, 0.9)),
        texture=int(abs(float(identity[-1])) * 1e4),
    )


def _linear(rgb: tuple[int, int, int]) -> np.ndarray:
    """8-bit sRGB to linear RGB (a plain 2.2 power, which `render` inverts)."""
    return (np.array(rgb) / 255.0) ** 2.2


def _ramp(stops: tuple[tuple[int, int, int], ...], position: float) -> np.ndarray:
    """Colour at `position` in [0, 1] (clipped) along equidistant 8-bit stops, linear RGB."""
    table = np.array([_linear(stop) for stop in stops])
    spots = np.linspace(0, 1, len(stops))
    return np.array([np.interp(position, spots, table[:, channel]) for channel in range(3)])
