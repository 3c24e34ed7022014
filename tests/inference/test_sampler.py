"""Faces drawn from noise."""

import jax
import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.inference.loading import open_run
from fer_jax.inference.sampler import Sampler, draw
from tests.inference.runs import changed, untrained
from tests.micro import micro


@pytest.fixture(scope="module")
def by_class(data_dir, tmp_path_factory):
    config = changed(micro("dcgan", data_dir), model__conditional=True)
    return Sampler(open_run(untrained(config, tmp_path_factory.mktemp("by_class")).folder))


@pytest.fixture(scope="module")
def of_one(data_dir, tmp_path_factory):
    config = changed(micro("dcgan", data_dir), data__streams__face__only="happiness")
    return Sampler(open_run(untrained(config, tmp_path_factory.mktemp("of_one")).folder))


@pytest.fixture(scope="module")
def of_all(tiny_generator):
    return Sampler(open_run(tiny_generator.folder))


def test_samples(of_all):
    faces = of_all.sample(5)
    assert faces.shape == (5, 16, 16, 1) and faces.dtype == np.uint8 and of_all.classes == ()
    np.testing.assert_array_equal(of_all.sample(3), faces[:3])  # a face depends on the seed and its place alone
    assert np.abs(of_all.sample(5, seed=1).astype(int) - faces).max() > 0
    assert np.abs(faces[0].astype(int) - faces[1]).max() > 0


def test_classes(by_class, of_one):
    names = by_class.classes
    assert len(names) == 7 and by_class.labels(9).tolist() == [*range(7), 0, 1]
    assert by_class.labels(2, "Happy").tolist() == [names.index("happiness")] * 2
    whole, one = by_class.sample(7), by_class.sample(7, expression="anger")
    assert np.abs(whole.astype(int) - one).max() > 0
    at = names.index("anger")
    np.testing.assert_array_equal(whole[at], one[at])  # of the same vector, and here of the same class
    assert of_one.labels(3, "happy").tolist() == [0, 0, 0] == of_one.labels(3).tolist()


def test_mistakes(of_all, by_class, of_one, tiny):
    for sampler, expression, says in (
        (of_all, "happiness", "cannot be drawn: .* of all expressions together, and cannot be asked for one"),
        (of_one, "anger", "'anger' cannot be drawn: .* is a run of happiness alone"),
        (by_class, "joyless", "'joyless' is not one of neutral, "),
    ):
        with pytest.raises(UsageError, match=says):
            sampler.sample(2, expression=expression)
    with pytest.raises(UsageError, match="sample: 0 faces; give 1 or more"):
        of_all.sample(0)
    with pytest.raises(UsageError, match="a run of tdgan, which draws no faces from noise"):
        Sampler(open_run(tiny.folder))


def test_a_sample_depends_on_its_vector_and_class_alone(by_class):
    runner, state = by_class.run.runner, by_class.run.state
    labels = np.arange(70) % 7
    whole = draw(runner, state, labels)
    assert whole.shape == (70, 16, 16, 1)
    np.testing.assert_allclose(draw(runner, state, labels[:5]), whole[:5], atol=1e-6)
    z = jax.random.normal(
        jax.random.split(jax.random.fold_in(jax.random.key(np.uint32(0)), 1))[0], (64, runner.system.latent)
    )
    wanted = runner.system.draw_pictures(state, z[:6], jax.numpy.asarray(labels[64:]))
    np.testing.assert_allclose(whole[64:], wanted, atol=1e-5)
    assert np.abs(draw(runner, state, labels[:5], seed=1) - whole[:5]).max() > 1e-3
