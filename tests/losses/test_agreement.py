import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.losses.agreement import ccc_loss, concordance
from fer_jax.losses.classification import cross_entropy

# Means 2 and 3; covariance 4/3 of 4; sums of squares 2 and 8 about the means.
X, Y = np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [3.0], [5.0]])


def test_worked_values():
    standard, mixed = (float(concordance(jnp.asarray(X), jnp.asarray(Y), mixed=m)[0]) for m in (False, True))
    assert standard == pytest.approx(2 * (4 / 3) / (2 / 3 + 8 / 3 + 1))
    assert mixed == pytest.approx(2 * (4 / 3) / (2 / 2 + 8 / 2 + 1))


def test_equal_arguments_give_one_or_the_reference_s_limit():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(10, 2)), jnp.float32)
    assert float(ccc_loss(x, x, mixed=False)) == pytest.approx(0, abs=1e-6)
    assert float(ccc_loss(x, x)) == pytest.approx(1 / 10, abs=1e-6)


def test_symmetric_and_blind_to_a_common_shift():
    rng = np.random.default_rng(1)
    x, y = (jnp.asarray(rng.normal(size=(8, 2)), jnp.float32) for _ in range(2))
    np.testing.assert_allclose(concordance(x, y), concordance(y, x), rtol=1e-5)
    np.testing.assert_allclose(concordance(x + 0.5, y + 0.5), concordance(x, y), rtol=1e-4)


@pytest.mark.parametrize("mixed", [True, False])
@pytest.mark.parametrize(("predicted", "wanted"), [([0.3], [0.7]), ([0.3], [0.3]), ([0.5, 0.5], [0.5, 0.5])])
def test_one_picture_or_constants_are_finite(predicted, wanted, mixed):
    predicted, wanted = (jnp.array(values)[:, None] for values in (predicted, wanted))
    loss, grad = jax.value_and_grad(lambda x: ccc_loss(x, wanted, mixed=mixed))(predicted)
    assert loss == 1 and np.isfinite(grad).all()


def test_half_precision_is_computed_in_float32():
    x = jnp.asarray(X, jnp.bfloat16)
    assert concordance(x, jnp.asarray(Y)).dtype == jnp.float32


def test_weighted_cross_entropy_divides_by_the_weights_of_the_labels():
    logits = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]))
    value = float(cross_entropy(logits, jnp.array([0, 2]), jnp.array([1.0, 9.0, 3.0])))
    assert value == pytest.approx((-np.log(0.5) - 3 * np.log(0.6)) / 4)
    equal = cross_entropy(logits, jnp.array([0, 2]), jnp.full(3, 0.1))
    np.testing.assert_allclose(equal, cross_entropy(logits, jnp.array([0, 2])), rtol=1e-6)
