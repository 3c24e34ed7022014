"""Reader of parity fixtures (recipe R1): seeded tensors and inputs, and the comparison with what the reference gave.

A fixture is <name>.json (tensors, inputs, expected figures) and <name>.npz (expected arrays, whole or strided). Weights
and inputs are made from the seed, so that no weights are shipped.
"""

import dataclasses
import functools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Fixture:
    """One manifest; every array is in the reference's layout (NCHW, PyTorch's kernels)."""

    path: Path

    @functools.cached_property
    def manifest(self) -> dict[str, Any]:
        """The json file."""
        return json.loads(self.path.read_text())

    @functools.cached_property
    def expected(self) -> dict[str, np.ndarray]:
        """The arrays beside it."""
        with np.load(self.path.parent / self.manifest["expected"]["file"]) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def tensors(self, prefix: str = "") -> dict[str, np.ndarray]:
        """The state dict whose names start with `prefix`, which is taken off."""
        named = [(n, s) for n, s in self.manifest["tensors"] if not n.endswith("num_batches_tracked")]
        made = ((name, _tensor(self.manifest["seed"], i, name, shape)) for i, (name, shape) in enumerate(named))
        return {name.removeprefix(prefix): value for name, value in made if name.startswith(prefix)}

    def inputs(self) -> dict[str, np.ndarray]:
        """Inputs by name."""
        return {entry["name"]: _input(self.manifest["seed"], entry) for entry in self.manifest["inputs"]}

    def check_outputs(self, actual: dict[str, np.ndarray], *, atol: float) -> None:
        """Every expected output is there and within `atol`, element by element and in its norm."""
        outputs = self.manifest["expected"]["outputs"]
        missing = set(outputs) - set(actual)
        assert not missing, f"{self.path.name}: not compared: {sorted(missing)}"
        for name, about in outputs.items():
            value = np.asarray(actual[name])
            assert list(value.shape) == about["shape"], (self.path.name, name, value.shape)
            sampled = value.ravel()[:: about.get("stride", 1)].reshape(self.expected[name].shape)
            np.testing.assert_allclose(
                sampled, self.expected[name], atol=atol, rtol=0, err_msg=f"{self.path.name} {name}"
            )
            # The norm sees the elements that the stride leaves out; its error is at most atol * sqrt(size).
            norm = float(np.linalg.norm(value.astype(np.float64)))
            assert abs(norm - about["l2"]) <= atol * math.sqrt(value.size), (self.path.name, name, norm, about["l2"])


def _tensor(seed: int, index: int, name: str, shape: list[int]) -> np.ndarray:
    rng = np.random.default_rng([seed, index])
    if name.endswith("running_var"):
        value = rng.uniform(0.5, 1.5, shape)
    elif name.endswith("running_mean"):
        value = rng.normal(0, 0.1, shape)
    elif len(shape) == 1 and name.endswith("weight"):
        value = rng.uniform(0.5, 1.5, shape)
    elif len(shape) == 1:
        value = rng.normal(0, 0.05, shape)
    else:
        value = rng.normal(0, 1 / math.sqrt(math.prod(shape[1:]) or 1), shape)
    return np.asarray(value, np.float32)


def _input(seed: int, entry: dict[str, Any]) -> np.ndarray:
    rng = np.random.default_rng([seed, 100000 + entry["k"]])
    if entry["dist"] == "integers":
        return rng.integers(entry["low"], entry["high"], entry["shape"]).astype(np.int32)
    if entry["dist"] == "normal(0,1)":
        return rng.normal(0, 1, entry["shape"]).astype(np.float32)
    low, high = (float(bound) for bound in entry["dist"].removeprefix("uniform(").removesuffix(")").split(","))
    return rng.uniform(low, high, entry["shape"]).astype(np.float32)


def check_table(
    actual: dict[str, float], expected: dict[str, float], *, relative: float, of_largest: float = 0.0
) -> None:
    """Figures by name agree: relative to each, plus a share of the table's largest. No name may be missing."""
    assert expected and set(expected) <= set(actual), sorted(set(expected) - set(actual))[:5]
    slack = of_largest * max(abs(value) for value in expected.values())
    for name, value in expected.items():
        assert abs(actual[name] - value) <= relative * abs(value) + slack, (name, actual[name], value)
