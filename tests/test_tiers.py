"""The slow tests in parts: every one of them is in one part, and the tests of a file stay together."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import conftest


def item(file, slow=True):
    return SimpleNamespace(path=Path(file), keywords={"slow"} if slow else set())


def test_parts_are_whole_files_and_miss_none():
    items = [item(f"test_{file}.py") for file in "cabdaec"] + [item("test_b.py", slow=False)]
    parts = [conftest.slow_part(items, number, 3) for number in (1, 2, 3)]
    files = [sorted({part.path.name for part in each}) for each in parts]
    assert files == [["test_a.py", "test_d.py"], ["test_b.py", "test_e.py"], ["test_c.py"]]
    assert sum(map(len, parts)) == 7


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b"])
def test_a_part_that_does_not_exist(text):
    with pytest.raises(ValueError):
        conftest.part(text)
