"""TDGAN's transfers and blends: repeatable, and the networks' own pictures at the ends."""

import jax
import numpy as np
import pytest

from fer_jax.cli.pictures import Pictures
from fer_jax.inference.transfer import Blend, decoder, recognise, transfer


@pytest.fixture(scope="module")
def image_of(tiny):
    """(stream, place): an image of the run's data."""
    return Pictures(tiny.config).read


def pair(image_of):
    return image_of("face", "train:0"), image_of("expression", "test:1")


def test_repeatable_by_its_seed(loaded, image_of):
    first, again, other = (transfer(loaded, *pair(image_of), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (32, 32, 1) and np.abs(first - other).max() > 1e-3


def test_recognised_as_in_the_evaluation(loaded, image_of):
    """Both recognisers' probabilities are those of the evaluation's logits."""
    face, expression = pair(image_of)
    found = recognise(loaded, {"generated": face, "expression": expression})
    assert list(found) == [(n, r) for n in ("generated", "expression") for r in ("m_er", "d_er")]
    batch = {"expression": {"image": np.stack([face, expression]), "expression": np.zeros(2, np.int32)}}
    logits = jax.jit(loaded.system.eval_step)(loaded.state, batch, jax.random.key(0))
    for (name, which), shares in found.items():
        own = np.exp(logits[which][("generated", "expression").index(name)])
        np.testing.assert_allclose(shares, own / own.sum(), rtol=1e-3)


@pytest.mark.parametrize("varied", ["face", "expression"])
def test_ends_of_a_blend_are_direct_decodings(loaded, image_of, varied):
    if varied == "face":
        blend = Blend(varied, (image_of("face", "train:0"), image_of("face", "train:8")), pair(image_of)[1])
    else:
        blend = Blend(varied, (pair(image_of)[1], image_of("expression", "test:4")), pair(image_of)[0])
    images = decoder(loaded, blend, seed=3)(np.array([0.0, 0.5, 1.0]))
    noise = loaded.system.draw_noise(jax.random.key(3), 1).generate
    params = loaded.state.nets["gen"].averaged
    for end, image in zip(blend.ends, images[[0, 2]], strict=True):
        both = {varied: end[None], "expression" if varied == "face" else "face": blend.fixed[None]}
        direct, _ = jax.jit(loaded.system.generate)(params, noise=noise, **both)
        np.testing.assert_allclose(image, direct[0], atol=1e-6)
    assert np.abs(images[0] - images[2]).max() > 0.01
    assert min(np.abs(images[1] - images[i]).max() for i in (0, 2)) > 0
