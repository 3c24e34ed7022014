"""Figures of what a generator draws: arithmetic by hand, and what a tiny run reports."""

import jax
import numpy as np
import pytest

from fer_jax import systems
from fer_jax.core.protocols import Generator
from fer_jax.data import open_data
from fer_jax.evaluation import frechet
from fer_jax.evaluation import recognisers as recogniser
from fer_jax.evaluation import sampling as generator
from fer_jax.evaluation.evaluate import evaluate
from fer_jax.train.mesh import Runner
from tests.micro import micro


def config_of(data_dir, *, only="", conditional=False, measures=None):
    config = micro("dcgan", data_dir)
    with config.unlocked():
        config.data.streams.face.only = only
        config.data.streams.face.options.identities = 20
        config.model.conditional = conditional
        config.measures.update(measures or {"samples": 16, "final_samples": 24})
    return config


@pytest.fixture(scope="module")
def made(data_dir):
    """(only, conditional) -> (config, data, runner, state) of an untrained run."""

    def make(**options):
        config = config_of(data_dir, **options)
        data = open_data(config)
        runner = Runner(systems.build(config, data.spec), 0, devices=1)
        return config, data, runner, runner.init()

    return make


def test_distances_are_named_after_the_network():
    rng = np.random.default_rng(0)
    real, shifted = rng.normal(size=(60, 3)), rng.normal(size=(50, 3))
    shifted = shifted - shifted.mean(0) + real.mean(0) + (3, 0, 4)
    found = generator.distances("me", *(frechet.Statistics.of(x) for x in (real, shifted)))
    assert set(found) == {"frechet_me", "frechet_me_floor", "kernel_me", "examples"} and found["examples"] == 50
    assert found["frechet_me"] == pytest.approx(25, abs=2)
    assert found["frechet_me_floor"] < 1 < found["kernel_me"]
    same = generator.distances("me", *(frechet.Statistics.of(real) for _ in range(2)))
    assert same["frechet_me"] == pytest.approx(0, abs=1e-9)


def test_who_shows_the_class_that_was_asked():
    known = ("happiness", "neutral", "anger")
    names = ("neutral", "Happy", "boredom")  # in another order, by another name, and one that nobody knows
    shares = np.eye(3)[[1, 1, 0, 0, 2, 2]]
    labels = np.array([0, 0, 0, 1, 1, 2])
    found = generator.recognised(shares, labels, np.eye(3)[[1, 0]], np.array([0, 1]), names, known)
    assert found == {
        "accuracy": 3 / 5,
        "neutral": pytest.approx(2 / 3),
        "Happy": 1 / 2,
        "real_accuracy": 1.0,
        "real_neutral": 1.0,
        "real_Happy": 1.0,
        "examples": 5,
    }


def test_of_all_expressions_together(made):
    config, data, runner, state = made()
    assert isinstance(runner.system, Generator)
    found = evaluate(runner, state, data, "test", config)
    assert set(found) == {"disc", "distance"}  # samples have no class
    assert found["distance"]["examples"] == 16
    assert found["distance"]["frechet_face_evaluator"] > found["distance"]["frechet_face_evaluator_floor"] > 0
    assert evaluate(runner, state, data, "test", config, final=True)["distance"]["examples"] == 24


def test_of_one_expression(made):
    """Fewer than ten real pictures: no distance; but all samples are to show it."""
    config, data, runner, state = made(only="happy")
    assert len(data.tables["face"]["validation"]) < 10
    found = evaluate(runner, state, data, "validation", config)
    assert set(found) == {"disc", "samples_face_evaluator"}
    figures = found["samples_face_evaluator"]
    assert set(figures) == {"accuracy", "happiness", "real_accuracy", "real_happiness", "examples"}
    assert figures["accuracy"] == figures["happiness"] and figures["examples"] == 16


def test_by_class_in_the_proportions_of_the_split(made):
    config, data, runner, state = made(conditional=True, measures={"samples": 32})
    found = evaluate(runner, state, data, "test", config)
    names = data.spec.classes["expression"]
    figures = found["samples_face_evaluator"]
    assert {*names, *(f"real_{name}" for name in names)} < set(figures) and figures["examples"] == 32
    assert found["distance"]["examples"] == 32


def test_one_network_for_each_class_pooled(made, monkeypatch):
    """Every class is drawn by its own network, as often as the split has it."""
    config, data, runner, state = made(measures={"final_samples": 20})
    names, asked = data.spec.classes["expression"], []

    def drawn(own_runner, own_state, labels):
        asked.append((own_state.step, len(labels)))
        return np.full((len(labels), 16, 16, 1), 0.1 * own_state.step, np.float32)

    monkeypatch.setattr(generator, "drawn", drawn)
    networks = {name: (runner, state.replace(step=number)) for number, name in enumerate(names)}
    found = generator.pooled(networks, data, "test", config.measures)
    labels = np.resize(data.tables["face"]["test"].labels["expression"][:], 20)
    assert dict(asked) == {number: count for number, count in enumerate(np.bincount(labels)) if count}
    assert found["samples_face_evaluator"]["examples"] == found["distance"]["examples"] == 20


def test_a_sample_depends_on_its_vector_and_class_alone(made):
    _, _, runner, state = made(conditional=True)
    labels = np.arange(70) % 7
    whole = generator.drawn(runner, state, labels)
    assert whole.shape == (70, 16, 16, 1)
    np.testing.assert_allclose(generator.drawn(runner, state, labels[:5]), whole[:5], atol=1e-6)
    z = jax.random.normal(
        jax.random.split(jax.random.fold_in(jax.random.key(np.uint32(0)), 1))[0], (64, runner.system.latent)
    )
    wanted = runner.system.draw_pictures(state, z[:6], jax.numpy.asarray(labels[64:]))
    np.testing.assert_allclose(whole[64:], wanted, atol=1e-5)
    assert np.abs(generator.drawn(runner, state, labels[:5], seed=1) - whole[:5]).max() > 1e-3


def test_the_package_has_a_judge():
    judge = recogniser.load("", "--judge", "rendered_faces")
    assert isinstance(judge, recogniser.Looker) and judge.name == "face_evaluator"
