import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.losses import adversarial as losses

REAL, FAKE = jnp.array([1.0, -2.0, 0.5]), jnp.array([0.3, 2.0])


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def test_worked_values():
    assert float(losses.wasserstein_critic(REAL, FAKE)) == pytest.approx(1.15 + 1 / 6)
    assert float(losses.wasserstein_generator(FAKE)) == pytest.approx(-1.15)
    real, fake = -np.log(sigmoid(REAL)).mean(), -np.log(sigmoid(-FAKE)).mean()
    assert float(losses.non_saturating_critic(REAL, FAKE)) == pytest.approx(real + fake)
    assert float(losses.non_saturating_generator(FAKE)) == pytest.approx(-np.log(sigmoid(FAKE)).mean())
    assert float(losses.binary_cross_entropy(REAL, 1.0)) == pytest.approx(real)
    smooth = -(0.9 * np.log(sigmoid(REAL)) + 0.1 * np.log(sigmoid(-REAL))).mean()
    assert float(losses.binary_cross_entropy(REAL, jnp.full(3, 0.9))) == pytest.approx(smooth)
    assert float(losses.least_squares(REAL, 1.0)) == pytest.approx((0 + 9 + 0.25) / 3)


def test_large_values_are_finite():
    large = jnp.array([1e4, -1e4])
    for loss in (losses.non_saturating_generator, lambda x: losses.binary_cross_entropy(x, 0.0)):
        value, grad = jax.value_and_grad(loss)(large)
        assert np.isfinite(value) and np.isfinite(grad).all()


@pytest.mark.parametrize("name", losses.ADVERSARIAL)
def test_each_pair_pulls_the_right_way(name):
    pair = losses.ADVERSARIAL[name]
    real, fake = jax.grad(pair.critic, (0, 1))(REAL, FAKE)
    assert (real < 0).all() and (fake > 0).all() and (jax.grad(pair.gen)(FAKE) < 0).all()


def test_trained_together_every_picture_counts_the_same():
    """e1 to e4: real and fake pictures are one batch."""
    both = losses.ADVERSARIAL["bce"].critic(REAL, FAKE)
    values = np.concatenate([-np.log(sigmoid(REAL)), -np.log(sigmoid(-FAKE))])
    assert float(both) == pytest.approx(values.mean())
    squares = np.concatenate([(sigmoid(REAL) - 1) ** 2, sigmoid(FAKE) ** 2])
    assert float(losses.ADVERSARIAL["least_squares"].critic(REAL, FAKE)) == pytest.approx(squares.mean())


def linear(weights):
    return lambda x: (x * weights).sum((1, 2, 3))


def test_penalty_of_a_linear_critic():
    """Its gradient is its weights, wherever."""
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(4, 4, 3)), jnp.float32)
    real, fake = jax.random.normal(jax.random.key(0), (2, 5, 4, 4, 3))
    mix = jax.random.uniform(jax.random.key(1), (5, 1, 1, 1))
    norm = float(jnp.linalg.norm(weights))
    np.testing.assert_allclose(losses.gradient_norms(linear(weights), real), np.full(5, norm), rtol=1e-5)
    assert float(losses.gradient_penalty(linear(weights), real, fake, mix)) == pytest.approx((norm - 1) ** 2, rel=1e-5)
    assert float(losses.gradient_penalty(linear(weights), real, fake, mix, target=norm)) == pytest.approx(0, abs=1e-6)


def test_penalty_looks_at_the_mix():
    """The gradient of |x|^2 / 2 is x itself: mix is the fake's share."""
    critic = lambda x: jnp.square(x).sum((1, 2, 3)) / 2  # noqa: E731
    real, fake = jnp.zeros((2, 1, 1, 1)), jnp.full((2, 1, 1, 1), 4.0)
    mix = jnp.array([0.25, 0.5]).reshape(2, 1, 1, 1)
    assert float(losses.gradient_penalty(critic, real, fake, mix)) == pytest.approx((0**2 + 1**2) / 2)


def test_a_constant_critic_has_a_penalty_of_one_and_a_finite_gradient():
    pictures = jnp.ones((3, 2, 2, 1))

    def penalty(weight):
        return losses.gradient_penalty(linear(jnp.full((2, 2, 1), weight)), pictures, pictures, jnp.ones((3, 1, 1, 1)))

    value, grad = jax.value_and_grad(penalty)(0.0)
    assert value == 1 and grad == 0
    assert np.isfinite(jax.grad(penalty)(1e-3))
