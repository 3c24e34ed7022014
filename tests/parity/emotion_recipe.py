"""What the Emotion-GCN fixtures add to recipe R1: overridden tensors, inputs by number, errors in an output's std."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from fer_jax.losses.agreement import ccc_loss
from fer_jax.losses.classification import cross_entropy
from fer_jax.systems.emotion_gcn import graph
from fer_jax.systems.emotion_gcn.system import inverse_frequency
from tests.parity.recipe import Fixture, _input, check_table

AFFECTNET = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger")


class EmotionFixture(Fixture):
    """A fixture of shared/parity/emotion_gcn (spec, section 12)."""

    def tensors(self, prefix: str = "") -> dict[str, np.ndarray]:
        """As in the recipe, with the manifest's overrides; an overridden tensor keeps its number."""
        tensors = super().tensors()
        overrides = self.manifest["overrides"]
        numbered = [name for name, _ in self.manifest["tensors"] if not name.endswith("num_batches_tracked")]
        for i, name in enumerate(numbered):
            if name in overrides:
                tensors[name] = self._override(overrides[name], i, tensors[name].shape)
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    def _override(self, rule: str, index: int, shape: tuple[int, ...]) -> np.ndarray:
        rng = np.random.default_rng([self.manifest["seed"], index])
        if rule == "A":
            return graph.adjacency(graph.affectnet_correlation(AFFECTNET)).astype(np.float32)
        if rule == "U":
            return rng.uniform(0.5, 1.5, shape).astype(np.float32)
        assert rule == "K", rule
        return rng.normal(0, math.sqrt(2 / math.prod(shape[1:])), shape).astype(np.float32)

    def numbered(self) -> dict[int, np.ndarray]:
        """Inputs by their number: the image is 0, node features 1, labels 2, valence/arousal 3, a colour cast 4."""
        return {entry["k"]: _input(self.manifest["seed"], _bounded(entry)) for entry in self.manifest["inputs"]}

    def check(self, actual: dict[str, np.ndarray], *, of_std: float = 0.0, atol: float = 0.0) -> None:
        """Each given output within `atol` plus a share of its std in the manifest."""
        outputs = self.manifest["expected"]["outputs"]
        for name, value in actual.items():
            alone = dataclasses.replace(self)
            expected = {**self.manifest["expected"], "outputs": {name: outputs[name]}}
            alone.__dict__ |= {"manifest": {**self.manifest, "expected": expected}, "expected": self.expected}
            alone.check_outputs({name: value}, atol=atol + of_std * outputs[name]["std"])


def _bounded(entry: dict[str, Any]) -> dict[str, Any]:
    """``integers(0,7)`` in the form that recipe R1's reader knows."""
    if not entry["dist"].startswith("integers("):
        return entry
    low, high = entry["dist"].removeprefix("integers(").removesuffix(")").split(",")
    return {**entry, "dist": "integers", "low": int(low), "high": int(high)}


@dataclasses.dataclass(frozen=True)
class Exactness:
    """How close a float type must come."""

    dtype: type
    outputs: float  # share of an output's std
    losses: float  # relative
    norms: float  # relative, of gradients
    of_largest: float  # of a table of gradients, beside: what is left of sums over many elements that cancel

    @property
    def double(self) -> bool:
        """Whether this is float64."""
        return self.dtype == np.float64


SINGLE = Exactness(np.float32, 1e-4, 1e-4, 1e-3, 1e-5)
# DenseNet's training mode amplifies rounding, by which some ReLU turns on or off: the reference's own float32 outputs
# are off by 6e-5 of their std.
SINGLE_DENSENET_TRAINING = Exactness(np.float32, 3e-4, 3e-4, 5e-3, 2e-5)
DOUBLE = Exactness(np.float64, 1e-6, 1e-9, 1e-6, 1e-9)
# The reference normalises its graph in float32 always: the last bit of the row sums is lost, there and here.
DOUBLE_GRAPH = Exactness(np.float64, 1e-5, 1e-6, 1e-5, 1e-8)
COUNTS = dict(zip(AFFECTNET, (74874, 134415, 25459, 14090, 6378, 3803, 24882), strict=True))
WEIGHTS = inverse_frequency(COUNTS, AFFECTNET)
GRADIENTS = {"ce_weighted": (1.0, 0.0), "ccc": (0.0, 1.0), "total": (1.0, 1.0)}  # weights of the two losses


def nhwc(x, dtype=np.float32):
    """An array of the fixtures as ours."""
    x = jnp.asarray(x, dtype)
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def nchw(x):
    """The other way."""
    return np.asarray(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x)


def losses(logits, va, labels, true_va):
    """All losses that the manifests list, by their names there."""
    weighted = cross_entropy(logits, labels, jnp.asarray(WEIGHTS, jnp.float32))
    table = {"ce_weighted": weighted, "ce_unweighted": cross_entropy(logits, labels)}
    if va is not None:
        table["ccc"] = ccc_loss(va, true_va)
        table["total"] = weighted + table["ccc"]
    return {name: float(value) for name, value in table.items()}


def listed_losses(manifest, mode, exactness):
    """The part of a manifest's losses that is of this mode and float type, without prefix."""
    prefix = f"{mode}." if exactness.double else f"{mode}.f32."
    table = {n.removeprefix(prefix): v for n, v in manifest["losses"].items() if n.startswith(prefix)}
    return {name: value for name, value in table.items() if "." not in name}


def norms(tensors):
    """L2 norms by name."""
    return {name: float(np.linalg.norm(np.asarray(value, np.float64))) for name, value in tensors.items()}


def check_norms(actual, table, exactness):
    """Gradient norms by name; None in the table means that there is no gradient."""
    assert set(actual) <= set(table) and all(actual.get(name, 0) == 0 for name, norm in table.items() if norm is None)
    table = {name: value for name, value in table.items() if value is not None}
    check_table(actual, table, relative=exactness.norms, of_largest=exactness.of_largest)


def one_percent_off(fixture, part):
    """The fixture with every figure of a part ("expected", "losses", "grad_norms" ...) changed by 1 %."""
    changed = EmotionFixture(fixture.path)
    if part == "expected":
        changed.__dict__["expected"] = {name: value * 1.01 for name, value in fixture.expected.items()}
    else:
        changed.__dict__["manifest"] = {**fixture.manifest, part: _scaled(fixture.manifest[part])}
    return changed


def _scaled(value):
    if isinstance(value, dict):
        return {name: _scaled(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_scaled(inner) for inner in value]
    return value if value is None else 1.01 * value
