"""Figures of a whole split, from all its examples at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def classification(logits: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Accuracies, macro F1, cross entropy and confusion matrix. Logits (N, K) and class indices (N,).

    "top2" counts a label among the two largest logits as right; "normalised_accuracy" is the mean recall of the classes
    that occur. Macro F1 is the unweighted mean over all K classes; a class that neither occurs nor is predicted counts
    0. Rows of the confusion matrix are true classes.

    Raises:
      ValueError: no examples.
    """
    from scipy.special import log_softmax
    from sklearn import metrics  # takes seconds to import

    if not len(labels):
        raise ValueError("classification: no examples")
    predicted, classes = logits.argmax(1), np.arange(len(names))
    log_probability = log_softmax(logits.astype(np.float64), axis=1)
    first_two = np.argsort(-logits, axis=1, kind="stable")[:, :2]
    confusion = metrics.confusion_matrix(labels, predicted, labels=classes)
    there = confusion.sum(1) > 0
    return {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "top2": float((first_two == labels[:, None]).any(1).mean()),
        "normalised_accuracy": float((confusion.diagonal()[there] / confusion.sum(1)[there]).mean()),
        "macro_f1": float(metrics.f1_score(labels, predicted, labels=classes, average="macro", zero_division=0)),
        "cross_entropy": float(-log_probability[np.arange(len(labels)), labels].mean()),
        "examples": len(labels),
        "confusion": confusion.tolist(),
    }


def agreement(predicted: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """How well a continuous label is predicted. (N,) twice.

    "ccc" is Lin's concordance with one divisor; "ccc_reference" the Emotion-GCN reference's, whose covariance is
    divided by N and variances by N - 1, so that it is at most (N - 1) / N. "pcc" is Pearson's correlation, "rmse" the
    root mean square error, "sagr" the share of equal signs (0 has a sign of its own). Where a correlation is 0 / 0, of
    a constant, it counts 0.

    Raises:
      ValueError: no examples.
    """
    from scipy.stats import pearsonr
    from sklearn import metrics

    if not len(labels):
        raise ValueError("agreement: no examples")
    predicted, labels = predicted.astype(np.float64), labels.astype(np.float64)
    count, gap = len(labels), (predicted.mean() - labels.mean()) ** 2
    covariance = ((predicted - predicted.mean()) * (labels - labels.mean())).mean()
    spread = predicted.var() + labels.var()
    varies = np.ptp(predicted) > 0 and np.ptp(labels) > 0
    return {
        "ccc": _quotient(2 * covariance, spread + gap),
        "ccc_reference": _quotient(2 * covariance, spread * count / max(count - 1, 1) + gap),
        "pcc": float(pearsonr(predicted, labels).statistic) if varies else 0.0,
        "rmse": float(metrics.root_mean_squared_error(labels, predicted)),
        "sagr": float((np.sign(predicted) == np.sign(labels)).mean()),
        "examples": count,
    }


def verification(codes: np.ndarray, people: np.ndarray) -> dict[str, float]:
    """How well the likeness of unit vectors (N, E) tells pairs of one person from pairs of two. People are (N,).

    "auc" is the area under the ROC curve over all pairs of different pictures, "same" and "other" the mean likeness
    (cosine) of either kind of pair.

    Raises:
      ValueError: no pair of one of the kinds.
    """
    from sklearn import metrics

    first, second = np.triu_indices(len(people), 1)
    same, likeness = people[first] == people[second], (codes @ codes.T)[first, second]
    if same.all() or not same.any():
        raise ValueError("verification: needs pairs of one person and pairs of two")
    return {
        "auc": float(metrics.roc_auc_score(same, likeness)),
        "same": float(likeness[same].mean()),
        "other": float(likeness[~same].mean()),
        "examples": len(people),
    }


def probe(features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """How well a linear classifier tells labels (N,) by features (N, F) that were learnt without them.

    Logistic regression on standardised features, the mean accuracy of five folds of the split. Where a class has fewer
    than five examples, or there is only one, the classes that remain are told apart; "accuracy" is 0 where none are.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = 5
    classes, counts = np.unique(labels, return_counts=True)
    kept = np.isin(labels, classes[counts >= folds])
    if len(np.unique(labels[kept])) < 2:
        return {"accuracy": 0.0, "examples": int(kept.sum())}
    ways = StratifiedKFold(folds, shuffle=True, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    scores = cross_val_score(model, features[kept], labels[kept], cv=ways)
    return {"accuracy": float(scores.mean()), "examples": int(kept.sum())}


def _quotient(dividend: float, divisor: float) -> float:
    return float(dividend / divisor) if divisor > 0 else 0.0


def flatten(figures: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Nested figures -> {"m_er/accuracy": ...}; lists are left out."""
    flat: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            flat[prefix + name] = value
    return flat
