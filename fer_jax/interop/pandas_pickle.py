"""Read a pickled pandas DataFrame of numbers without pandas and without running anything that is in the file.

A DataFrame is pickled as its block manager: the names of both axes, and blocks of columns of one type with the places
of those columns. How they are put differs: pandas 0.25 to 1.2 write the manager's state, 1.3 its arguments with a
`functools.partial` that makes blocks, 1.5 and later (3 too) a function for them. Names must be text; a column of
anything but numbers, or an axis of another kind, is refused. `restricted_pickle` says what makes the reading safe.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.interop.safe_pickle.files import read_pickle_file
from fer_jax.interop.safe_pickle.interpreter import Global, Pending


class Frame(NamedTuple):
    """Names of the rows and of the columns, and the values (rows, columns) float64."""

    rows: list[str]
    columns: list[str]
    values: np.ndarray


def load_frame(path: str | os.PathLike) -> Frame:
    """Reads a file of `DataFrame.to_pickle` or `pickle.dump`, not compressed.

    Raises:
      UsageError: missing, damaged, no DataFrame of numbers with named rows and columns, or it would run something.
    """
    value = read_pickle_file(path, _FUNCTIONS)
    if not isinstance(value, dict) or set(value) != set(Frame._fields):
        raise UsageError(f"{path}: holds a {type(value).__name__}, not a pandas DataFrame")
    frame = Frame(**value)
    for names in (frame.rows, frame.columns):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UsageError(f"{path}: a DataFrame whose rows and columns are not named by text")
    shape = (len(frame.rows), len(frame.columns))
    if not isinstance(frame.values, np.ndarray) or frame.values.dtype != float or frame.values.shape != shape:
        raise UsageError(f"{path}: a DataFrame of other than {shape[0]} x {shape[1]} numbers")
    return frame


def _frame(*args: Any) -> Pending:
    """Stands for ``pandas.DataFrame``, whose state names its manager."""

    def build(state: Any) -> dict[str, Any]:
        manager = state.get("_mgr", state.get("_data"))
        if not isinstance(manager, dict):
            raise ValueError("a DataFrame without its blocks")
        return manager

    return Pending(build)


def _manager(*args: Any) -> Any:
    """Stands for ``BlockManager``: with (blocks, axes), or empty and its state later."""
    if args:
        blocks, axes = args[:2]
        return _assembled(blocks, axes)

    def build(state: Any) -> dict[str, Any]:
        parts = state[3]["0.14.1"]  # the version of this form, whatever pandas' own
        return _assembled([(block["values"], block["mgr_locs"]) for block in parts["blocks"]], parts["axes"])

    return Pending(build)


def _assembled(blocks: Any, axes: Any) -> dict[str, Any]:
    """Blocks of (values (columns, rows), places of the columns) and the names of columns and rows -> fields."""
    columns, rows = axes
    blocks = [(values, np.asarray(places)) for values, places in blocks]
    if not all(isinstance(values, np.ndarray) and values.dtype.kind in "fiub" for values, _ in blocks):
        raise ValueError("a DataFrame that holds other than numbers")
    places = np.concatenate([places for _, places in blocks]) if blocks else np.zeros(0, int)
    if sorted(places.tolist()) != list(range(len(columns))):
        raise ValueError("a DataFrame whose blocks are not its columns")
    whole = np.concatenate([values for values, _ in blocks]).astype(float) if blocks else np.zeros((0, len(rows)))
    return {"rows": rows, "columns": columns, "values": whole[np.argsort(places)].T}


def _block(values: Any, places: Any, ndim: Any = 2) -> tuple[Any, Any]:
    """Stands for the functions that make a block."""
    return values, places


def _partial(function: Any) -> Pending:
    """Stands for ``functools.partial`` of such a function; what it would fill in (the rank) is not needed."""
    if not isinstance(function, Global) or function.function is not _block:
        raise ValueError("a functools.partial")
    return Pending(lambda state: function)


def _slice(start: Any, stop: Any, step: Any = None) -> range:
    return range(start, stop, 1 if step is None else step)


def _index(kind: Any, state: Any) -> list[Any]:
    """Stands for ``_new_Index``: an axis of names as a list."""
    data = state["data"]
    if not isinstance(data, np.ndarray):
        raise ValueError("an axis without names")
    return data.ravel().tolist()


def _strings(kind: Any, *rest: Any) -> Pending:
    """Stands for what makes an array of text in pandas 3; its state is the text's type and an array of objects."""
    return Pending(lambda state: state[1])


_FUNCTIONS: dict[str, Callable[..., Any] | None] = {
    "pandas.DataFrame": _frame,
    "pandas.core.frame.DataFrame": _frame,
    "pandas.core.internals.managers.BlockManager": _manager,
    "pandas.core.internals.blocks.new_block": _block,
    "pandas._libs.internals._unpickle_block": _block,
    "pandas.core.indexes.base._new_Index": _index,
    "pandas.core.indexes.base.Index": None,
    "pandas.Index": None,
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked": _strings,
    "pandas.arrays.StringArray": None,
    "pandas.StringDtype": lambda *args: "str",
    "functools.partial": _partial,
    "builtins.slice": _slice,
    "__builtin__.slice": _slice,
}
