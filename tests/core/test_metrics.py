import numpy as np
import pytest

from fer_jax.core.metrics import classification, flatten, verification


def test_worked_values():
    logits = np.log([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    figures = classification(logits, np.array([0, 1, 1, 2]), ("a", "b", "c"))
    assert figures["accuracy"] == 0.75
    assert figures["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    # The mean over examples, right for one batch too (the reference divides by the number of batches minus one).
    assert figures["cross_entropy"] == pytest.approx(-np.log([0.7, 0.8, 0.25, 0.6]).mean())


def test_a_class_that_never_occurs_counts_zero():
    figures = classification(np.eye(3)[[0, 1]], np.array([0, 1]), ("a", "b", "c"))
    assert figures["macro_f1"] == pytest.approx(2 / 3)


def test_flatten_keeps_numbers_only():
    assert flatten({"m": {"accuracy": 0.5, "confusion": [[1]]}, "n": 2}) == {"m/accuracy": 0.5, "n": 2}


def test_verification():
    codes = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]])
    found = verification(codes, np.array([0, 0, 1, 1]))
    assert found["same"] == pytest.approx(0.9) and found["other"] == pytest.approx(0.3)
    assert found["auc"] == 1.0 and found["examples"] == 4
    with pytest.raises(ValueError, match="pairs of one person and pairs of two"):
        verification(codes, np.zeros(4))
