"""Figures of a whole split, from all its examples at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def classification(logits: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Accuracy, macro F1, cross entropy and confusion matrix. Logits (N, K) and class indices (N,).

    Macro F1 is the unweighted mean over all K classes; a class that neither occurs nor is predicted counts 0. Rows of
    the confusion matrix are true classes.

    Raises:
      ValueError: no examples.
    """
    from scipy.special import log_softmax
    from sklearn import metrics  # takes seconds to import

    if not len(labels):
        raise ValueError("classification: no examples")
    predicted, classes = logits.argmax(1), np.arange(len(names))
    log_probability = log_softmax(logits.astype(np.float64), axis=1)
    return {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "macro_f1": float(metrics.f1_score(labels, predicted, labels=classes, average="macro", zero_division=0)),
        "cross_entropy": float(-log_probability[np.arange(len(labels)), labels].mean()),
        "examples": len(labels),
        "confusion": metrics.confusion_matrix(labels, predicted, labels=classes).tolist(),
    }


def flatten(figures: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Nested figures -> {"m_er/accuracy": ...}; lists are left out."""
    flat: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            flat[prefix + name] = value
    return flat
