"""A face evaluator, stored and used."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.core.labels import AU_NUMBERS
from fer_jax.evaluation import face_evaluator
from fer_jax.inference import packed
from fer_jax.systems.face_evaluator.networks import FaceEvaluatorNet

MODEL = {"embedding": 4, "depths": [1, 1], "width": 4}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    net = FaceEvaluatorNet(17, 2, **{**MODEL, "depths": (1, 1)})
    variables = jax.jit(lambda key: net.init(key, jnp.zeros((1, 16, 16, 3)), train=False))(jax.random.key(0))
    path = tmp_path_factory.mktemp("evaluator") / "evaluator.npz"
    about = {"config": {"model": MODEL}, "spec": {"image_size": 16, "classes": {"expression": ["a", "b"]}}}
    packed.write(path, about, {"net": jax.device_get(variables)})
    return net, variables, face_evaluator.read(path)


def test_a_stored_evaluator_gives_the_same_to_half_precision(stored):
    net, variables, read = stored
    images = np.random.default_rng(0).uniform(0, 1, (3, 16, 16, 3)).astype(np.float32)
    expected = net.apply(variables, jnp.asarray(images), train=False)
    scores = read.evaluate(images)
    assert read.classes == ("a", "b")
    np.testing.assert_allclose(scores.aus, jax.nn.sigmoid(expected.aus), atol=5e-3)
    np.testing.assert_allclose(scores.probabilities, jax.nn.softmax(expected.logits), atol=5e-3)
    np.testing.assert_allclose(np.linalg.norm(scores.identity, axis=1), 1, rtol=1e-5)


def test_any_number_size_and_colour_of_pictures(stored):
    read = stored[2]
    images = np.random.default_rng(0).uniform(0, 1, (70, 24, 24, 1)).astype(np.float32)
    whole = read.evaluate(images)
    np.testing.assert_allclose(whole.aus[65:], read.evaluate(images[65:]).aus, atol=1e-5)  # beyond the first batch
    np.testing.assert_array_equal(whole.features, read.features(images))
    assert whole.features.shape[0] == 70
    with pytest.raises(ValueError, match="no rows"):
        read.evaluate(images[:0])


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(UsageError, match="none.npz: cannot be read as packed weights"):
        face_evaluator.read(tmp_path / "none.npz")


def test_the_packages_own():
    evaluator = face_evaluator.load()
    assert face_evaluator.load() is evaluator and "happiness" in evaluator.classes
    assert face_evaluator.FILE.stat().st_size < 1e6 and evaluator.about["config"]["system"] == "face_evaluator"
    scores = evaluator.evaluate(np.random.default_rng(0).uniform(0, 1, (2, 30, 30, 3)).astype(np.float32))
    assert scores.aus.shape == (2, len(AU_NUMBERS)) and scores.probabilities.shape == (2, len(evaluator.classes))
