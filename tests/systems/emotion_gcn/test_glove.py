import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.systems.emotion_gcn.glove import read_vectors, stand_in


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("the 9 9 9\nsad 1 -2 0.5\nhappy 0.25 3e-1 -4\nd'être 1 1 1\nsadness 7 7 7\n")
    return path


def test_vectors_come_in_the_order_asked_for(file):
    np.testing.assert_array_equal(read_vectors(file, ("happy", "sad")), np.float32([[0.25, 0.3, -4], [1, -2, 0.5]]))


def test_the_file_is_read_no_further_than_needed(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_bytes(b"sad 1 2\n" + b"\xff\xfe broken \n" * 3)
    np.testing.assert_array_equal(read_vectors(path, ("sad",)), [[1, 2]])


def test_a_missing_word_is_named_with_the_file(file):
    with pytest.raises(UsageError, match=r"glove.txt: has no vector for 'valence', 'arousal'"):
        read_vectors(file, ("sad", "valence", "arousal"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sad 1 2\nhappy 1 x\n", "line 2, 'happy': not a row of numbers"),
        ("sad 1 2\nhappy\n", "line 2|no vector for 'happy'"),
        ("sad 1 2\nhappy 1 nan\n", "not finite"),
        ("sad 1 2\nhappy 1 2 3\n", "different lengths: 2, 3"),
        ("happy 1 2\nsad  \n", "no numbers follow"),
        ("", "no vector for 'sad', 'happy'"),
    ],
)
def test_damage_is_told_by_line(tmp_path, text, says):
    path = tmp_path / "glove.txt"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        read_vectors(path, ("sad", "happy"))


def test_no_such_file(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_vectors(tmp_path / "none.txt", ("sad",))


def test_a_stand_in_depends_on_word_and_seed_alone():
    first, second = stand_in(("sad", "happy"), 300, 0), stand_in(("happy", "fear", "sad"), 300, 0)
    np.testing.assert_array_equal(first[[1, 0]], second[[0, 2]])
    assert first.shape == (2, 300) and first.dtype == np.float32
    assert np.abs(first - stand_in(("sad", "happy"), 300, 1)).min() > 0
