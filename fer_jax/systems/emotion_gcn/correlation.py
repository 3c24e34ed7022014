"""Correlations of classes, valence and arousal as JSON files: {"nodes": [names], "correlation": [[numbers]]}."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.core.labels import VALENCE_AROUSAL, expression_name
from fer_jax.data.opening import Data
from fer_jax.systems.emotion_gcn import graph


def write(path: str | os.PathLike, classes: Sequence[str], matrix: np.ndarray) -> None:
    """Writes a matrix (K + 2, K + 2) with the names of its rows.

    Raises:
      UsageError: the file cannot be written.
    """
    rows = [[float(value) for value in row] for row in matrix]
    try:
        Path(path).write_text(json.dumps({"nodes": [*classes, *VALENCE_AROUSAL], "correlation": rows}, indent=1) + "\n")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from None


def read(path: str | os.PathLike, classes: Sequence[str]) -> np.ndarray:
    """The matrix of a file for these classes in this order, then valence and arousal. -> (K + 2, K + 2) float64.

    Raises:
      UsageError: the file cannot be read, is not such a matrix, or lacks a class.
    """
    try:
        content = json.loads(Path(path).read_text())
        names = [expression_name(name).lower() for name in content["nodes"]]
        matrix = np.array(content["correlation"], np.float64)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a correlation file ({error}); fer_jax.cli.adjacency writes such files") from None
    if matrix.shape != (len(names), len(names)) or not np.isfinite(matrix).all():
        raise UsageError(f"{path}: needed is a square of {len(names)} x {len(names)} finite numbers, one row a node")
    wanted = [expression_name(name) for name in (*classes, *VALENCE_AROUSAL)]
    if missing := [name for name in wanted if name not in names]:
        raise UsageError(f"{path}: has no row for {', '.join(missing)}; it has {', '.join(names)}")
    rows = [names.index(name) for name in wanted]
    return matrix[np.ix_(rows, rows)]


def of_data(data: Data) -> tuple[tuple[str, ...], np.ndarray]:
    """Class names, and the correlation (K + 2, K + 2) over the training split of a run's data.

    Raises:
      UsageError: the evaluated stream lacks a label, or a value is not finite.
    """
    stream = data.config.evaluate
    table = data.tables[stream]["train"]
    if missing := [field for field in ("expression", *VALENCE_AROUSAL) if field not in table.labels]:
        raise UsageError(
            f"config.data.streams.{stream}.labels: has no {', '.join(missing)}; needed are expression, valence and "
            "arousal, as in configs/emotion_gcn.py"
        )
    classes = table.classes["expression"]
    va = np.stack([table.labels[field] for field in VALENCE_AROUSAL], -1)
    if not np.isfinite(va).all():
        raise UsageError(
            f"{table.records.name}: {int((~np.isfinite(va)).any(1).sum())} pictures without valence or arousal"
        )
    return classes, graph.correlation(table.labels["expression"], va, len(classes))
