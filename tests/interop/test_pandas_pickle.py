"""DataFrames of every layout that pandas has written since 0.25, and what is no DataFrame of numbers."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.interop.pandas_pickle import load_frame

FILES = sorted((Path(__file__).parent / "fixtures").glob("pandas_*.pkl"))
NAMES = ["Happy", "Valence", "Arousal"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_version(path):
    frame = load_frame(path)
    assert frame.rows == frame.columns == NAMES
    np.testing.assert_array_equal(frame.values, [[0, 1, 0.25], [0.375, 2, 0.625], [0.75, 3, 1]])


def test_there_is_one_of_each_layout():
    assert [path.stem for path in FILES] == [f"pandas_{v}" for v in ("0_25", "1_2", "1_3", "2_0", "2_2", "3_0")]


def changed(tmp_path, change, version="1_2"):
    path = tmp_path / "changed.pkl"
    path.write_bytes(change((Path(__file__).parent / "fixtures" / f"pandas_{version}.pkl").read_bytes()))
    return path


@pytest.mark.parametrize("cut", [3, 40, 300, 600, -1])
@pytest.mark.parametrize("version", ["1_2", "1_3", "3_0"])
def test_damage_is_one_line_that_names_the_file(tmp_path, cut, version):
    with pytest.raises(UsageError, match="changed.pkl: not read") as raised:
        load_frame(changed(tmp_path, lambda data: data[:cut], version))
    assert "\n" not in str(raised.value)


class Hostile:
    """Makes a folder when a careless reader builds it."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (pickle.dumps([1]), "holds a list, not a pandas DataFrame"),
        (pickle.dumps({"rows": ["a"], "columns": [1], "values": None}), "not named by text"),
        (pickle.dumps({"rows": ["a"], "columns": ["a"], "values": np.ones((2, 2))}), "1 x 1 numbers"),
        (b"\x80\x04cpandas.core.indexes.range\nRangeIndex\n.", "would run pandas.core.indexes.range.RangeIndex"),
        (b"\x80\x04cfunctools\npartial\n(cpandas.core.frame\nDataFrame\ntR.", "functools.partial"),
        (
            b"\x80\x04cbuiltins\nslice\n(K\x00\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x10K\x01tR.",
            "more data than it holds",
        ),
        (b"\x80\x04cpandas\nDataFrame\n)R}b.", "a DataFrame without its blocks"),
    ],
)
def test_what_is_no_frame_of_numbers(tmp_path, data, says):
    with pytest.raises(UsageError, match=says):
        load_frame(changed(tmp_path, lambda _: data))


def test_blocks_that_are_not_the_columns(tmp_path):
    first_and_third, first_and_second = b"K\x00K\x04K\x02", b"K\x00K\x02K\x01"
    with pytest.raises(UsageError, match="whose blocks are not its columns"):
        load_frame(changed(tmp_path, lambda data: data.replace(first_and_third, first_and_second)))


def test_nothing_is_run(tmp_path):
    with pytest.raises(UsageError, match="it would run posix.mkdir"):
        load_frame(changed(tmp_path, lambda _: pickle.dumps(Hostile(tmp_path / "made"))))
    assert not (tmp_path / "made").exists()
