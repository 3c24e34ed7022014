"""Inception-v3 in both forms against torchvision's and pytorch-fid's numbers: blocks and pooled features."""

import jax
import numpy as np
import pytest

from fer_jax.interop.inception import TORCH_NAMES
from fer_jax.interop.torch_names import import_tree
from fer_jax.nn.inception import Inception
from tests.parity.emotion_recipe import nchw, nhwc

BLOCKS = ("Mixed_5d", "Mixed_6e", "Mixed_7c")


def tensors(fixture):
    """The state dict; rule K of the manifest, for kernels, keeps the maps' size where the recipe's own shrinks it."""
    made = fixture.tensors()
    listed = [entry for entry in fixture.manifest["tensors"] if not entry[0].endswith("num_batches_tracked")]
    for i, (name, shape) in enumerate(listed):
        if fixture.manifest["overrides"].get(name) == "K":
            rng = np.random.default_rng([fixture.manifest["seed"], i])
            made[name] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
    return {name: value for name, value in made.items() if not name.startswith("fc.")}


@pytest.mark.parametrize("form", ["torchvision", "fid"])
def test_network(parity_fixture, form):
    fixture = parity_fixture("inception", f"inception_{form}")
    net, x = Inception(form), nhwc(fixture.inputs()["image"])
    template = jax.eval_shape(lambda: net.init(jax.random.key(0), x))
    variables = import_tree(template, tensors(fixture), TORCH_NAMES, fixture.path.name)

    @jax.jit
    def run(variables, x):
        pooled, kept = net.apply(variables, x, capture_intermediates=lambda module, _: module.name in BLOCKS)
        inside = {name.lower(): value["__call__"][0] for name, value in kept["intermediates"].items()}
        return inside | {"pool": pooled}

    actual = {name: nchw(value) for name, value in run(variables, x).items()}
    scale = max(about["std"] for about in fixture.manifest["expected"]["outputs"].values())
    fixture.check_outputs(actual, atol=1e-5 * scale)
    with pytest.raises(AssertionError):  # the comparison can fail
        fixture.check_outputs({name: value * 1.001 for name, value in actual.items()}, atol=1e-5 * scale)
