import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.systems.emotion_gcn import graph

AFFECTNET = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
AFFWILD2 = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")


def test_matrices_follow_the_names_not_the_numbers():
    ours, theirs = graph.affectnet_correlation(AFFECTNET), graph.affectnet_correlation(AFFWILD2)
    order = [AFFECTNET.index(name.lower()) for name in AFFWILD2] + [7, 8]
    np.testing.assert_array_equal(theirs, ours[np.ix_(order, order)])
    assert graph.node_words(AFFWILD2)[4:] == ("happy", "sad", "surprise", "valence", "arousal")


def test_affectnets_expression_entries_are_the_closed_form_of_its_counts():
    share = np.array([74874, 134415, 25459, 14090, 6378, 3803, 24882]) / 283901
    matrix = graph.affectnet_correlation(AFFECTNET)[:7, :7]
    odds = np.sqrt(share / (1 - share))
    np.testing.assert_allclose(matrix, np.where(np.eye(7) > 0, 1, -np.outer(odds, odds)), atol=1e-12)


def test_an_unknown_or_repeated_class_is_named():
    with pytest.raises(UsageError, match="no 'contempt'"):
        graph.affectnet_correlation((*AFFECTNET, "contempt"))
    with pytest.raises(UsageError, match="twice"):
        graph.affectnet_correlation(("happy", "happiness"))


def test_links_and_their_weights():
    """Three classes; the first is linked to both dimensions, the second to one, the third to none."""
    matrix = np.eye(5)
    for i, j, value in ((0, 3, -0.4), (0, 4, 0.1), (1, 3, 0.2), (2, 3, 0.0999), (0, 1, -0.9)):
        matrix[i, j] = matrix[j, i] = value
    links = graph.adjacency(matrix)
    expected = [
        [0.5, 0, 0, 0.25, 0.25],
        [0, 0.5, 0, 0.5, 0],
        [0, 0, 0.5, 0, 0],
        [0.25, 0.25, 0, 0.5, 0],
        [0.5, 0, 0, 0, 0.5],
    ]
    np.testing.assert_array_equal(links, expected)


def test_correlation_of_labels():
    labels = np.array([0, 0, 1, 1])
    va = np.array([[-1.0, 0.3], [-0.5, 0.3], [0.5, 0.3], [0.9, 0.3]])
    matrix = graph.correlation(labels, va, 3)  # class 2 has no samples, and arousal never varies
    assert matrix[0, 1] == pytest.approx(-1)
    assert matrix[1, 3] == pytest.approx(2 / np.sqrt(5))  # ranks 1..4 against 0/1
    np.testing.assert_array_equal(matrix[2], [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(matrix[4], [0, 0, 0, 0, 1])
    assert np.isfinite(graph.adjacency(matrix)).all()


@pytest.mark.parametrize(
    ("labels", "va"), [([0, 7], np.zeros((2, 2))), ([0, -1], np.zeros((2, 2))), ([], np.zeros((0, 2))),
                       ([0], np.array([[np.nan, 0]])), ([0], np.zeros((1, 3)))]
)  # fmt: skip
def test_correlation_refuses_what_is_no_label(labels, va):
    with pytest.raises(ValueError, match="correlation"):
        graph.correlation(np.array(labels), va, 7)
