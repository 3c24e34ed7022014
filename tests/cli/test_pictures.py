"""Pictures that a user names: files, and places in the data of a run."""

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli.pictures import Pictures
from fer_jax.core.errors import UsageError
from fer_jax.inference.images import InputView
from tests.typed import open_data


def test_pictures_by_place(tiny):
    pictures = Pictures(tiny.config)
    batch = next(iter(open_data(tiny.config).evaluate("test")))["expression"]["image"]
    np.testing.assert_array_equal(pictures.read("expression", "test:3"), batch[3])
    assert pictures.read("face", "train:20").shape == (32, 32, 1)
    assert pictures.first("expression") == "test:0" and pictures.first("face") == "train:0"
    with pytest.raises(UsageError, match="no split 'test'; it has train"):
        pictures.read("face", "test:0")
    with pytest.raises(UsageError, match="7 test pictures"):
        pictures.read("expression", "test:7")
    with pytest.raises(UsageError, match="no such picture"):
        pictures.read("expression", "test:x")


def test_files_need_no_data(tiny, tmp_path, monkeypatch):
    """Also one whose name looks like a place; the way of resizing is the command's."""
    from fer_jax.cli import pictures as module

    monkeypatch.setattr(module, "open_data", lambda *args, **options: pytest.fail("the data set was opened"))
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 24, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "test:3")
    found = {resize: Pictures(tiny.config, resize).read("expression", "test:3") for resize in ("bilinear", "bicubic")}
    for resize, image in found.items():
        np.testing.assert_array_equal(image, InputView(tiny.config, "expression", resize)(pixels))
    assert not np.array_equal(*found.values())
