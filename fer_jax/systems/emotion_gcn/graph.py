"""The graph of Emotion-GCN: how classes, valence and arousal go together, and which of them are joined (plain numpy).

Nodes are the classes of a data set in its own order, then valence and arousal. Everything is built by class name:
AffectNet and Aff-Wild2 number the same classes differently, which the reference overlooks.
"""

from collections.abc import Sequence

import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.core.labels import VALENCE_AROUSAL, expression_name

_THRESHOLD = 0.1  # of the absolute correlation, for a link
_OWN_SHARE = 0.5  # of a node in its own update; its neighbours share the rest

_WORDS = {"happiness": "happy", "sadness": "sad"}  # as drawn in the reference's figure
_AFFECTNET = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", *VALENCE_AROUSAL)
# Spearman correlation of the 283,901 training rows of AffectNet's seven classes: 0/1 columns of the classes and the two
# continuous labels (spec, section 5.1; a file of the reference, given there without code). Upper triangle, row by row.
_AFFECTNET_UPPER = (
    -0.5675288342233042, -0.18784664710600765, -0.13676973157094274, -0.0907312910101769, -0.06973848083566823,
    -0.18549882178280463, -0.33513142068241814, -0.2841010887905162, -0.29762042435642094, -0.21669519353351255,
    -0.14375282044622215, -0.11049223704573596, -0.2939005774505984, 0.8610853835045462, 0.014482681313942238,
    -0.07172404835600209, -0.04758081652328835, -0.03657187971548429, -0.09727829623347693, -0.45303627389275813,
    -0.4337333921738437, -0.03464323480921103, -0.026627710682048278, -0.0708275961722278, -0.027567503602006608,
    0.33822437491318946, -0.017664482770257915, -0.046986121607765004, -0.12178771601256486, 0.23557860594281677,
    -0.03611478140345164, -0.1764132274078243, 0.14368362342402186, -0.38370477121001595, 0.41375704686686554,
    0.03729914091627151,
)  # fmt: skip


def affectnet_correlation(classes: Sequence[str]) -> np.ndarray:
    """AffectNet's correlation matrix for the classes in this order. -> (K + 2, K + 2) float64.

    Raises:
      UsageError: a class that AffectNet's seven do not have, or one twice.
    """
    wanted = [expression_name(name) for name in (*classes, *VALENCE_AROUSAL)]
    if unknown := [name for name in wanted if name not in _AFFECTNET]:
        raise UsageError(
            f"the embedded correlations are those of {', '.join(_AFFECTNET[:-2])}; there is no {unknown[0]!r}: compute "
            "them from the labels of the data set"
        )
    if len(set(wanted)) != len(wanted):
        raise UsageError(f"the classes {', '.join(classes)} name one class twice")
    upper = np.zeros((len(_AFFECTNET), len(_AFFECTNET)))
    upper[np.triu_indices(len(_AFFECTNET), 1)] = _AFFECTNET_UPPER
    rows = [_AFFECTNET.index(name) for name in wanted]
    return (upper + upper.T + np.eye(len(_AFFECTNET)))[np.ix_(rows, rows)]


def correlation(labels: np.ndarray, va: np.ndarray, classes: int) -> np.ndarray:
    """Spearman's correlation of class indicators, valence and arousal over a data set.

    Args:
      labels: (N,) class indices.
      va: (N, 2) valence and arousal.
      classes: their number, K.

    Returns:
      (K + 2, K + 2) float64, 1 on the diagonal. What never varies, such as a class without samples, correlates with
      nothing: 0.

    Raises:
      ValueError: no samples, labels outside of 0..K-1, or a value that is not finite.
    """
    from scipy.stats import rankdata

    labels, va = np.asarray(labels), np.asarray(va, np.float64)
    if not len(labels) or labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"correlation: labels must be in 0..{classes - 1}, and there must be some")
    if va.shape != (len(labels), len(VALENCE_AROUSAL)) or not np.isfinite(va).all():
        raise ValueError(f"correlation: valence and arousal must be finite and of shape {(len(labels), 2)}")
    columns = np.concatenate([labels[:, None] == np.arange(classes), va], 1)
    ranks = rankdata(columns, axis=0)  # ties share their average rank
    ranks -= ranks.mean(0)
    lengths = np.linalg.norm(ranks, axis=0)
    matrix = ranks.T @ ranks / np.where(lengths, lengths, 1) / np.where(lengths, lengths, 1)[:, None]
    np.fill_diagonal(matrix, 1.0)
    return matrix


def adjacency(matrix: np.ndarray) -> np.ndarray:
    """Which nodes are joined, and how strongly. Correlations (K + 2, K + 2) -> (K + 2, K + 2) float64.

    Two nodes are joined where the absolute correlation is at least 0.1, but never two classes. A node keeps one half
    for itself and shares the other half among its neighbours (ML-GCN's re-weighting), so rows sum to 1; a node without
    neighbours has its own half alone (the reference divides 0 by 0).
    """
    joined = np.abs(matrix) >= _THRESHOLD
    joined[: -len(VALENCE_AROUSAL), : -len(VALENCE_AROUSAL)] = False
    np.fill_diagonal(joined, False)
    neighbours = joined.sum(1, keepdims=True)
    weights = (1 - _OWN_SHARE) * joined / np.maximum(neighbours, 1)
    np.fill_diagonal(weights, _OWN_SHARE)
    return weights


def node_words(classes: Sequence[str]) -> tuple[str, ...]:
    """The word that stands for each node, in node order; which words the reference used is not documented.

    >>> node_words(("neutral", "happiness", "Sad"))
    ('neutral', 'happy', 'sad', 'valence', 'arousal')
    """
    return tuple(_WORDS.get(expression_name(name), expression_name(name)) for name in (*classes, *VALENCE_AROUSAL))
