import numpy as np
import pytest

from fer_jax.evaluation.ensemble import combine


def test_rules_differ_where_they_must():
    """Two models agree mildly on class 0; a third is certain of class 2."""
    logits = np.array([[[1.0, 0.5, 0.0]], [[1.2, 0.9, 0.0]], [[-4.0, -4.0, 5.0]]])
    chosen = {rule: int(combine(logits, rule).argmax()) for rule in ("max_logit", "mean_probability", "majority")}
    assert chosen == {"max_logit": 2, "mean_probability": 2, "majority": 0}


def test_max_logit_is_the_references_rule_with_its_ties():
    """The first model with the largest logit decides: 1 if >= both, else 2 if >= 3, else 3."""
    rng = np.random.default_rng(0)
    logits = rng.integers(0, 3, (3, 200, 4)).astype(float)
    top = logits.max(-1)
    expected = [logits[0 if a >= b and a >= c else 1 if b >= c else 2, i].argmax() for i, (a, b, c) in enumerate(top.T)]
    np.testing.assert_array_equal(combine(logits, "max_logit").argmax(-1), expected)


def test_a_tied_vote_is_decided_by_probability():
    logits = np.array([[[3.0, 0.0]], [[0.0, 1.0]]])
    assert combine(logits, "majority").argmax() == 0
    with pytest.raises(ValueError, match="'vote' is not one of"):
        combine(logits, "vote")
