"""Weights to ship: one .npz of half-precision arrays and a description, of which nothing is run when it is read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_jax.core.errors import UsageError

_ABOUT = "about"  # the array that holds the description, JSON in bytes


def write(path: Path, about: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Stores variables, a tree of arrays; floats as float16, running statistics too.

    Raises:
      UsageError: the file cannot be written.
    """
    from flax.traverse_util import flatten_dict

    arrays: dict[str, Any] = {_ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8)}
    for name, value in flatten_dict(dict(variables), sep="/").items():
        value = np.asarray(value)
        arrays[name] = value.astype(np.float16) if value.dtype.kind == "f" else value
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **arrays)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The description and the variables, float32, of a file that `write` wrote.

    Raises:
      UsageError: it is missing or damaged.
    """
    variables: dict[str, Any] = {}
    try:
        with np.load(path) as arrays:
            about = json.loads(arrays[_ABOUT].tobytes())
            for name in arrays.files:
                if name != _ABOUT:
                    *parents, leaf = name.split("/")
                    node = variables
                    for parent in parents:
                        node = node.setdefault(parent, {})
                    value = arrays[name]
                    node[leaf] = value.astype(np.float32) if value.dtype.kind == "f" else value
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path}: cannot be read as packed weights: {error}") from error
    return about, variables
