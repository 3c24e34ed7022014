"""Storing and asking a face judge."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.evaluation import face_evaluator as judge
from fer_jax.inference import packed
from fer_jax.systems.face_evaluator.networks import FaceJudge

MODEL = {"embedding": 4, "depths": [1, 1], "width": 4}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    net = FaceJudge(17, 2, **{**MODEL, "depths": (1, 1)})
    variables = jax.jit(lambda key: net.init(key, jnp.zeros((1, 16, 16, 3)), train=False))(jax.random.key(0))
    path = tmp_path_factory.mktemp("judge") / "judge.npz"
    about = {"config": {"model": MODEL}, "spec": {"image_size": 16, "classes": {"expression": ["a", "b"]}}}
    packed.write(path, about, {"net": jax.device_get(variables)})
    return net, variables, judge.read(path)


def test_a_stored_judge_says_the_same_to_half_precision(stored):
    net, variables, read = stored
    images = np.random.default_rng(0).uniform(0, 1, (3, 16, 16, 3)).astype(np.float32)
    said = net.apply(variables, jnp.asarray(images), train=False)
    seen = read.look(images)
    assert read.classes == ("a", "b")
    np.testing.assert_allclose(seen.aus, jax.nn.sigmoid(said.aus), atol=5e-3)
    np.testing.assert_allclose(seen.probabilities, jax.nn.softmax(said.logits), atol=5e-3)
    np.testing.assert_allclose(np.linalg.norm(seen.identity, axis=1), 1, rtol=1e-5)


def test_any_number_size_and_colour_of_pictures(stored):
    read = stored[2]
    images = np.random.default_rng(0).uniform(0, 1, (70, 24, 24, 1)).astype(np.float32)
    whole = read.look(images)
    np.testing.assert_allclose(whole.aus[65:], read.look(images[65:]).aus, atol=1e-5)  # beyond the first batch
    assert whole.features.shape[0] == 70
    with pytest.raises(ValueError, match="no pictures"):
        read.look(images[:0])
