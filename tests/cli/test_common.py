"""Workdirs opened without a config file, pictures from files and data sets, and how the commands start and end."""

import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

from fer_jax.cli import common
from fer_jax.core.errors import UsageError
from fer_jax.train import workdir

TOOLS = ("adjacency", "cross_validate", "import_torch", "interpolate", "predict", "prepare", "transfer")


def call(tool, *arguments):
    return subprocess.run([sys.executable, "-m", f"fer_jax.cli.{tool}", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("tool", TOOLS)
def test_help(tool):
    done = call(tool, "--help")
    assert done.returncode == 0 and ("--workdir" in done.stdout or tool in ("adjacency", "prepare"))
    assert f"python -m fer_jax.cli.{tool}" in done.stdout and "(default: " in done.stdout


@pytest.mark.parametrize("tool", TOOLS)
def test_bad_usage(tool):
    for arguments in (("--nonsense=1",), ()):
        done = call(tool, *arguments)
        assert done.returncode == 2 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


def test_workdir_needs_no_data(tiny, trained):
    assert trained.step == 1 and trained.spec.classes["identity"] == ("0", "1", "2")
    workdir.check(tiny.folder, trained.config)
    for mine, saved in zip(jax.tree.leaves(trained.state), jax.tree.leaves(tiny.state), strict=True):
        np.testing.assert_array_equal(mine, saved)


def test_workdirs_that_cannot_be_opened(tiny, tmp_path):
    with pytest.raises(UsageError, match="no config.json"):
        common.open_workdir(tmp_path, step=None)
    with pytest.raises(UsageError, match="takes dcgan"):
        common.open_workdir(tiny.folder, step=None, only=("dcgan",))
    with pytest.raises(UsageError, match="no checkpoint of step 9; there are 1"):
        common.open_workdir(tiny.folder, step=9)
    shutil.copy(tiny.folder / "config.json", tmp_path)
    with pytest.raises(UsageError, match="no data.json"):
        common.open_workdir(tmp_path, step=None)
    shutil.copy(tiny.folder / "data.json", tmp_path)
    with pytest.raises(UsageError, match="no checkpoints"):
        common.open_workdir(tmp_path, step=None)
    (tmp_path / "data.json").write_text('{"image_size": 32}')
    with pytest.raises(UsageError, match="data.json: cannot be read"):
        common.open_workdir(tmp_path, step=None)
    (tmp_path / "config.json").write_text("[1")
    with pytest.raises(UsageError, match="config.json: cannot be read"):
        common.open_workdir(tmp_path, step=None)


def picture(tmp_path, name="a.png", mode="RGB", size=(40, 24), **save):
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(values).convert(mode).save(tmp_path / name, **save)
    return str(tmp_path / name)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_is_seen_as_the_data_are(tmp_path, channels):
    import tensorflow as tf

    from fer_jax.data.ops import view

    path = picture(tmp_path)
    for crop, load in (("none", 0), ("center", 20)):
        seen = {"load_size": load, "crop_kind": crop, "flip_half": False}
        mine = common.load_picture(path, image_size=16, channels=channels, resize="bilinear", view=ConfigDict(seen))
        decoded = tf.constant(np.asarray(Image.open(path)))
        theirs = view(image_size=16, channels=channels, **seen)(decoded, tf.zeros(2, tf.int64))
        assert mine.shape == (16, 16, channels) and mine.dtype == np.float32
        np.testing.assert_allclose(mine, theirs, atol=1.01 / 255)


def test_orientation_and_modes(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    whole = {"image_size": 24, "channels": 3, "resize": "bicubic"}
    upright = common.load_picture(picture(tmp_path, size=(24, 24)), **whole)
    turned = common.load_picture(picture(tmp_path, "b.png", size=(24, 24), exif=exif), **whole)
    np.testing.assert_array_equal(turned, np.rot90(upright, -1))
    Image.fromarray(np.full((8, 8), 65535 // 2, np.uint16)).save(tmp_path / "deep.png")
    deep = common.load_picture(str(tmp_path / "deep.png"), image_size=8, channels=1, resize="bilinear")
    np.testing.assert_allclose(deep, 127 / 255)


def test_bad_pictures(tmp_path):
    whole = {"image_size": 16, "channels": 1, "resize": "bilinear"}
    (tmp_path / "text.png").write_text("no picture")
    cut = tmp_path / "cut.png"
    cut.write_bytes(open(picture(tmp_path), "rb").read()[:200])
    for name, reason in (("none.png", "no such"), ("text.png", "not a picture"), ("cut.png", "cannot be read")):
        with pytest.raises(UsageError, match=reason):
            common.load_picture(str(tmp_path / name), **whole)
    with pytest.raises(UsageError, match="--resize"):
        common.load_picture(str(cut), image_size=16, channels=1, resize="cubic")


def test_pictures_by_place(tiny):
    from fer_jax.data import open_data

    pictures = common.Pictures(tiny.config, resize="bilinear")
    batch = next(iter(open_data(tiny.config).evaluate("test")))["expression"]["image"]
    np.testing.assert_array_equal(pictures.read("expression", "test:3"), batch[3])
    assert pictures.read("face", "train:20").shape == (32, 32, 1)
    with pytest.raises(UsageError, match="no split 'test'; it has train"):
        pictures.read("face", "test:0")
    with pytest.raises(UsageError, match="7 test pictures"):
        pictures.read("expression", "test:7")
    with pytest.raises(UsageError, match="no such picture"):
        pictures.read("expression", "test:x")
