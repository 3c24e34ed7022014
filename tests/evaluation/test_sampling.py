"""Figures of what a generator draws: arithmetic by hand, and what a tiny run reports."""

import numpy as np
import pytest

from fer_jax.core.protocols import SamplingSystem
from fer_jax.evaluation import frechet, sampling
from fer_jax.evaluation.evaluate import Evaluator
from fer_jax.train.mesh import Trainer
from tests.inference.runs import changed
from tests.micro import micro
from tests.typed import build, open_data, typed


def config_of(data_dir, *, only=None, conditional=False, measures=None):
    config = changed(micro("dcgan", data_dir), model__conditional=conditional)
    if only:
        config.data.streams.face.only = only
    config.data.streams.face.options.identities = 20
    config.measures.update(measures or {"samples": 16, "final_samples": 24})
    return typed(config)


@pytest.fixture(scope="module")
def made(data_dir):
    """(only, conditional) -> (config, data, runner, state) of an untrained run."""

    def make(**options):
        config = config_of(data_dir, **options)
        data = open_data(config)
        runner = Trainer(build(config, data.spec), 0, devices=1)
        return config, data, runner, runner.init()

    return make


def figures_of(made, split, **options):
    config, data, runner, state = made
    return Evaluator(runner, data, config).figures(state, split, **options)


def test_distances_are_named_after_the_network():
    rng = np.random.default_rng(0)
    real, shifted = rng.normal(size=(60, 3)), rng.normal(size=(50, 3))
    shifted = shifted - shifted.mean(0) + real.mean(0) + (3, 0, 4)
    found = sampling.distances("me", *(frechet.Statistics.of(x) for x in (real, shifted)))
    assert set(found) == {"frechet_me", "frechet_me_floor", "kernel_me", "examples"} and found["examples"] == 50
    assert found["frechet_me"] == pytest.approx(25, abs=2)
    assert found["frechet_me_floor"] < 1 < found["kernel_me"]
    same = sampling.distances("me", *(frechet.Statistics.of(real) for _ in range(2)))
    assert same["frechet_me"] == pytest.approx(0, abs=1e-9)


def test_who_shows_the_class_that_was_asked():
    known = ("happiness", "neutral", "anger")
    names = ("neutral", "Happy", "boredom")  # in another order, by another name, and one that nobody knows
    shares = np.eye(3)[[1, 1, 0, 0, 2, 2]]
    labels = np.array([0, 0, 0, 1, 1, 2])
    found = sampling.recognised(shares, labels, np.eye(3)[[1, 0]], np.array([0, 1]), names, known)
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
    run = made()
    assert isinstance(run[2].system, SamplingSystem)
    found = figures_of(run, "test")
    assert set(found) == {"disc", "distance"}  # samples have no class
    assert found["distance"]["examples"] == 16
    assert found["distance"]["frechet_face_evaluator"] > found["distance"]["frechet_face_evaluator_floor"] > 0
    assert figures_of(run, "test", final=True)["distance"]["examples"] == 24


def test_of_one_expression(made):
    """Fewer than ten real pictures: no distance; but all samples are to show it."""
    run = made(only="happy")
    assert len(run[1].tables["face"]["validation"]) < 10
    found = figures_of(run, "validation")
    assert set(found) == {"disc", "samples_face_evaluator"}
    figures = found["samples_face_evaluator"]
    assert set(figures) == {"accuracy", "happiness", "real_accuracy", "real_happiness", "examples"}
    assert figures["accuracy"] == figures["happiness"] and figures["examples"] == 16


def test_by_class_in_the_proportions_of_the_split(made):
    run = made(conditional=True, measures={"samples": 32})
    found = figures_of(run, "test")
    names = run[1].spec.classes["expression"]
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

    monkeypatch.setattr(sampling, "draw", drawn)
    networks = {name: (runner, state.replace(step=number)) for number, name in enumerate(names)}
    found = sampling.pooled(networks, data, "test", config.measures)
    labels = np.resize(data.tables["face"]["test"].labels["expression"][:], 20)
    assert dict(asked) == {number: count for number, count in enumerate(np.bincount(labels)) if count}
    assert found["samples_face_evaluator"]["examples"] == found["distance"]["examples"] == 20
