"""The examples in the docstrings of the package give what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

import fer_jax

ROOT = Path(fer_jax.__file__).parent
EXAMPLES = sorted(
    ".".join(("fer_jax", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name):
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried and not failed


def test_some_modules_have_examples():
    assert EXAMPLES
