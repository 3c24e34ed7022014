"""Any number of rows through a compiled call of one batch size."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

SIZE = 64


def in_batches(function: Callable[..., Any], *arrays: np.ndarray, size: int = SIZE) -> Any:
    """Calls a function of batches on all rows of some arrays; it is compiled once, since every batch has `size` rows.

    The last batch is filled up with its own first rows, whose results are thrown away; so no row may depend on others.

    Args:
      function: (batch of each array) -> a tree of arrays with as many rows; jitted by the caller.
      arrays: each with N rows, N above 0.
      size: rows of a batch.

    Returns:
      The function's tree, of numpy arrays with N rows.

    Raises:
      ValueError: no rows.
    """
    count = len(arrays[0])
    if not count:
        raise ValueError("in_batches: no rows")
    parts = []
    for start in range(0, count, size):
        rows = np.arange(start, min(start + size, count))
        whole = np.resize(rows, size)
        found = jax.device_get(function(*(values[whole] for values in arrays)))
        parts.append(jax.tree.map(lambda leaf, rows=rows: leaf[: len(rows)], found))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
