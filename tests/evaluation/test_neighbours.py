"""The nearest training pictures, and whether a generator only repeats them."""

import numpy as np

from fer_jax.evaluation import evaluators, neighbours


def test_nearest_in_chunks(monkeypatch):
    """As by comparing with all of them at once; a copy of a training picture lies at 0."""
    monkeypatch.setattr(neighbours, "_CHUNK", 7)
    rng = np.random.default_rng(0)
    training, samples = rng.uniform(size=(30, 4, 4, 1)), rng.uniform(size=(5, 4, 4, 1))
    samples[2] = training[17]
    positions = np.arange(1, 30)
    found = neighbours.neighbours(
        {"samples": samples, "held_out": samples[:2]},
        {"pixels": lambda x: x.reshape(len(x), -1), "means": lambda x: x.mean((1, 2))},
        lambda chosen: training[chosen],
        positions,
        3,
    )
    apart = np.sqrt(((samples[:, None] - training[1:]) ** 2).mean((2, 3, 4)))
    order = np.argsort(apart, 1)[:, :3]
    nearest = found["samples", "pixels"]
    np.testing.assert_array_equal(nearest.positions, order + 1)
    np.testing.assert_allclose(nearest.distances, np.take_along_axis(apart, order, 1), atol=1e-7)
    assert nearest.positions[2, 0] == 17 and nearest.distances[2, 0] < 1e-6
    rows = neighbours.table(found)
    assert [row[0] for row in rows[1:]] == ["pixels", "means"]
    assert rows[1][1:3] == [f"{apart.min(1).mean():.4f}", f"{apart[:2].min(1).mean():.4f}"]
    sheet = neighbours.neighbour_sheet(samples, found, lambda chosen: training[chosen])
    assert sheet.size == ((1 + 2 * 3) * 98 + 2, 5 * 98 + 2 + 14)


def test_a_generator_that_repeats_its_training_pictures_is_noticed():
    rng = np.random.default_rng(0)
    training = rng.uniform(size=(40, 4, 4, 1))
    pictures = {
        "samples": training[::5] + 0.01 * rng.normal(size=(8, 4, 4, 1)),
        "held_out": rng.uniform(size=(8, 4, 4, 1)),
    }
    encoders = {"pixels": lambda x: x.reshape(len(x), -1)}
    found = neighbours.neighbours(pictures, encoders, lambda chosen: training[chosen], np.arange(40), 1)
    assert float(neighbours.table(found)[1][3]) < 0.1


def test_encoders(tiny_emotion):
    """A recogniser without features: by pixels alone."""
    own = neighbours.encoders_of(evaluators.load(str(tiny_emotion.folder), "--evaluator", "rendered_faces"))
    assert list(own) == ["pixels"] and own["pixels"](np.zeros((3, 4, 4, 1))).shape == (3, 16)
    both = neighbours.encoders_of(evaluators.load(None, "--evaluator", "rendered_faces"))
    assert list(both) == ["pixels", "face_evaluator features"]
