import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.systems.emotion_gcn import correlation

MATRIX = np.arange(16.0).reshape(4, 4)


def test_rows_come_by_name(tmp_path):
    correlation.write(tmp_path / "c.json", ("Happy", "fear"), MATRIX)
    matrix = correlation.read(tmp_path / "c.json", ("fear", "happiness"))
    np.testing.assert_array_equal(matrix, MATRIX[np.ix_([1, 0, 2, 3], [1, 0, 2, 3])])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not a correlation file"),
        ("[1]", "not a correlation file"),
        ('{"nodes": ["fear"], "correlation": [[1, 2]]}', "1 x 1"),
        ('{"nodes": ["fear"], "correlation": [[NaN]]}', "finite"),
        ('{"nodes": ["fear"], "correlation": [[1]]}', "has no row for happiness, valence, arousal"),
    ],
)
def test_damage_is_one_clear_line(tmp_path, text, says):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        correlation.read(path, ("fear", "happy"))


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        correlation.read(tmp_path / "c.json", ())
    with pytest.raises(UsageError, match="cannot be written"):
        correlation.write(tmp_path / "no" / "c.json", (), np.eye(2))
