"""Batches of one size, of which all rows come back."""

import numpy as np
import pytest

from fer_jax.inference.batches import in_batches


def test_batches_are_of_one_size_and_all_rows_come_back():
    sizes = []

    def both(first, second):
        sizes.append((len(first), len(second)))
        return {"sum": first + second, "twice": (2 * first,)}

    rows, more = np.arange(5.0), np.arange(5.0)[::-1]
    found = in_batches(both, rows, more, size=3)
    np.testing.assert_array_equal(found["sum"], rows + more)
    np.testing.assert_array_equal(found["twice"][0], 2 * rows)
    assert sizes == [(3, 3), (3, 3)]
    np.testing.assert_array_equal(in_batches(lambda x: -x, rows[:1], size=8), [0])  # fewer than a batch
    with pytest.raises(ValueError, match="no rows"):
        in_batches(both, rows[:0], more[:0])
