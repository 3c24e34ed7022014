"""The Fréchet distance against the AU editor's reference, by the formula that does not fail (spec, section 10)."""

import numpy as np
import pytest

from fer_jax.evaluation.frechet import Statistics, frechet_distance

CASES = ["full_rank", "rank_deficient"]


def sets(fixture, name):
    given = fixture.inputs()
    features = given[f"{name}_a"], 0.3 + 1.2 * given[f"{name}_b"].astype(np.float64)
    case = fixture.manifest["cases"][name]
    assert case["features_b"] == "0.3 + 1.2 * input"
    assert all(values.shape == (case["n"], case["d"]) for values in features)
    return features


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_distance(parity_fixture, name, keep):
    fixture = parity_fixture("au_cyclegan", "frechet")
    actual = frechet_distance(*(Statistics.of(values, keep=keep) for values in sets(fixture, name)))
    assert actual == pytest.approx(fixture.manifest["cases"][name]["safe"], rel=1e-9, abs=1e-8)
    assert actual != pytest.approx(fixture.manifest["cases"][name]["safe"] * 1.0001, rel=1e-6)


def test_every_case_is_compared(parity_fixture):
    assert sorted(parity_fixture("au_cyclegan", "frechet").manifest["cases"]) == CASES
