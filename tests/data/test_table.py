"""Positions in tables."""

import pytest

from fer_jax.data.table import spread


@pytest.mark.parametrize(
    ("total", "count", "expected"),
    [(11, 3, [0, 5, 10]), (10, 4, [0, 3, 6, 9]), (8, 3, [0, 4, 7]), (3, 9, [0, 1, 2]), (5, 1, [0]), (0, 4, [])],
)
def test_spread(total, count, expected):
    assert spread(total, count).tolist() == expected
