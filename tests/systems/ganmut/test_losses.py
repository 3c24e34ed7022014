"""Where GANmut's generator goes, and its terms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.systems.ganmut.losses import DISC, GEN, REC, GaussianRules, LinearRules, directions
from fer_jax.systems.ganmut.networks import Judgement, Normals, Rays

SPACE = Rays(jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
LABELS = jnp.array([0, 1, 2, 1, 0, 2, 1, 1])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_directions_are_uniform_of_length_1(dimensions):
    found = np.asarray(directions(jax.random.key(0), 4000, dimensions))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert np.abs(found.mean(0)).max() < 0.05 and (np.abs(found.var(0) - 1 / dimensions) < 0.03).all()


def test_octant_is_the_references_slip():
    assert (directions(jax.random.key(0), 500, 3, octant=True) >= 0).all()
    assert (directions(jax.random.key(0), 500, 2, octant=True) < 0).any()


def test_linear_draws():
    rules = LinearRules(random=3)
    draws = rules.draw(jax.random.key(0), LABELS, 2)
    assert sorted(draws.targets.tolist()) == sorted(LABELS.tolist())
    neutral = np.asarray(draws.targets) == 0
    strengths = np.asarray(draws.strengths)
    assert (strengths[neutral] == 0).all() and (strengths[~neutral] >= 0.2).all() and (strengths < 1).all()
    coded = LinearRules(random=3, neutral_strength=0.2).draw(jax.random.key(0), LABELS, 2)
    assert (np.asarray(coded.strengths)[neutral] > 0).all() and (np.asarray(coded.strengths)[neutral] < 0.2).all()


def test_linear_points():
    """The first go in random directions as far as their strength, without noise; the others to their class."""
    rules = LinearRules(random=3)
    draws = rules.draw(jax.random.key(1), LABELS, 2)
    for which in (DISC, GEN):
        points = np.asarray(rules.points(SPACE, draws, which))
        np.testing.assert_allclose(points[:3], draws.directions[which] * draws.strengths[:3, None], rtol=1e-5)
        own = SPACE.at(draws.targets, draws.strengths) + 0.075 * draws.noise[which]
        np.testing.assert_allclose(points[3:], own[3:], rtol=1e-5)
    assert not np.allclose(rules.points(SPACE, draws, DISC), rules.points(SPACE, draws, GEN))


def test_the_way_back():
    rules = LinearRules(random=2)
    draws = rules.draw(jax.random.key(1), LABELS, 2)
    logits = 3 * jax.nn.one_hot(LABELS, 3)
    seen = Judgement(jnp.zeros((8, 1, 1)), logits, jnp.full((8, 2), 0.3))
    back = np.asarray(rules.back(SPACE, draws, LABELS, seen))
    sure = float(jax.nn.softmax(logits[0])[0])
    own = SPACE.at(LABELS, jnp.full(8, sure)) + 0.075 * draws.noise[REC]
    np.testing.assert_allclose(back[2:], own[2:], rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(back[:2], axis=1), sure, rtol=1e-5)
    original = LinearRules(random=2, cycle="original").back(SPACE, draws, LABELS, seen)
    np.testing.assert_array_equal(original, seen.points)


def test_linear_terms():
    """Random directions have no class; neutral has no strength, and no strength at all is no NaN."""
    rules = LinearRules(random=3)
    draws = rules.draw(jax.random.key(2), LABELS, 2)
    right = 9 * jax.nn.one_hot(draws.targets, 3)
    wrong_first = right.at[:3].set(9 * jax.nn.one_hot((draws.targets[:3] + 1) % 3, 3))
    points = rules.points(SPACE, draws, GEN)
    terms = [
        rules.gen_terms(SPACE, Judgement(jnp.zeros((8, 1, 1)), logits, points + 1), points, draws)
        for logits in (right, wrong_first)
    ]
    assert float(terms[0]["cls"]) == float(terms[1]["cls"]) < 1e-3
    assert float(terms[0]["points"]) == pytest.approx(1, rel=1e-5)
    sure = float(jax.nn.softmax(right[0]).max())
    strong = np.asarray(draws.targets) != 0
    expected = np.square(sure - np.asarray(draws.strengths))[strong].mean()
    assert float(terms[0]["strength"]) == pytest.approx(expected, rel=1e-4)
    weak = draws._replace(strengths=jnp.zeros(8))
    assert float(rules.gen_terms(SPACE, Judgement(None, right, points), points, weak)["strength"]) == 0


def test_gaussian_points_and_terms():
    raw = jnp.array([[0.5, 0.0], [0.0, -2.0], [1.0, 1.0]])
    normals = Normals(raw, jnp.tile(jnp.eye(2), (3, 1, 1)))
    rules = GaussianRules()
    draws = rules.draw(jax.random.key(0), LABELS, 2)
    points = rules.points(normals, draws, GEN)
    np.testing.assert_allclose(points[:3], np.tanh(raw), rtol=1e-6)
    np.testing.assert_array_equal(points[3:], draws.points[GEN][3:])
    assert (np.abs(points) <= 1).all()
    seen = Judgement(None, -normals.distances(points), points)
    terms = rules.gen_terms(normals, seen, points, draws)
    assert float(terms["cls"]) == pytest.approx(0, abs=1e-6)
    own = -jax.nn.log_softmax(seen.classes[:3])
    assert float(terms["prediction"]) == pytest.approx(float(np.diag(own).mean()), rel=1e-5)
    np.testing.assert_allclose(rules.modes(normals), np.tanh(raw), rtol=1e-6)
    np.testing.assert_array_equal(GaussianRules(raw_modes=True).modes(normals), raw)
