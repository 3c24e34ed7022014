import numpy as np
import pytest

from fer_jax.core.metrics import agreement


def test_worked_values():
    predicted, labels = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 5.0])
    figures = agreement(predicted, labels)
    assert figures["ccc"] == pytest.approx((8 / 3) / (2 / 3 + 8 / 3 + 1))
    assert figures["ccc_reference"] == pytest.approx((8 / 3) / (2 / 2 + 8 / 2 + 1))
    assert figures["pcc"] == pytest.approx(1)
    assert figures["rmse"] == pytest.approx(np.sqrt(5 / 3))
    assert figures["sagr"] == 1 and figures["examples"] == 3


def test_sign_agreement_counts_equal_signs():
    assert agreement(np.array([0.2, -0.1, 0.3, -0.4]), np.array([0.9, 0.1, -0.1, -0.2]))["sagr"] == 0.5


def test_constants_count_zero():
    flat, rising = np.full(4, 0.5), np.linspace(-1, 1, 4)
    for predicted, labels in ((flat, rising), (rising, flat), (flat, flat), (rising[:1], rising[:1])):
        figures = agreement(predicted, labels)
        assert figures["ccc"] == figures["ccc_reference"] == figures["pcc"] == 0
        assert all(np.isfinite(value) for value in figures.values())


def test_the_whole_split_is_not_a_mean_over_batches():
    rng = np.random.default_rng(0)
    labels = np.repeat([-1.0, 1.0], 50) + 0.01 * rng.normal(size=100)
    predicted = np.repeat([-1.0, 1.0], 50) + 0.01 * rng.normal(size=100)
    halves = [agreement(predicted[part], labels[part])["ccc"] for part in (slice(50), slice(50, None))]
    assert agreement(predicted, labels)["ccc"] > 0.99 and max(halves) < 0.5


def test_no_examples_is_an_error():
    with pytest.raises(ValueError, match="no examples"):
        agreement(np.zeros(0), np.zeros(0))
