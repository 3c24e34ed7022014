"""Blends as a command: the files have the sizes and times promised."""

import pytest
from PIL import Image

from fer_jax.cli import interpolate
from fer_jax.cli.pictures import Pictures
from fer_jax.core.errors import UsageError
from fer_jax.inference.transfer import decoder


def blend_of(config, faces=("train:0", "train:8"), expressions=("test:1",)):
    return interpolate.read_blend(Pictures(config), faces, expressions)


def test_files(tiny, command, loaded):
    names = ("--face=train:0", "--face=train:8", "--expression=test:1")
    command(interpolate, f"--workdir={tiny.folder}", *names)
    folder = tiny.folder / "samples" / "interpolation-face"
    still, moving = folder / "strip.png", folder / "interpolation.gif"
    with Image.open(still) as image:  # two rows of eleven pictures of 32 x 3 pixels, gaps, titles
        assert image.size == (11 * 98 + 2, 2 * 98 + 2 + 14)
    with Image.open(moving) as image:
        assert image.n_frames == 26 and image.info["loop"] == 0 and image.size == (96, 96)
        for frame in range(26):
            image.seek(frame)
            assert image.info["duration"] == 50
    before = still.read_bytes()
    blend = blend_of(loaded.config)
    assert blend.varied == "face"
    interpolate.write(decoder(loaded, blend, seed=0), blend, folder, frames=5, milliseconds=100)
    assert still.read_bytes() == before
    with Image.open(moving) as image:
        assert image.n_frames == 5 and image.info["duration"] == 100


def test_what_is_refused(loaded, tmp_path):
    for faces, expressions in ((("train:0",), ("test:1",)), (("train:0",) * 2, ("test:1",) * 2), ((), ("test:1",) * 3)):
        with pytest.raises(UsageError, match="give two --face and one --expression"):
            blend_of(loaded.config, faces, expressions)
    blend = blend_of(loaded.config, ("train:0",), ("test:1", "test:4"))
    assert blend.varied == "expression"
    for options in ({"frames": 1}, {"milliseconds": 0}):
        with pytest.raises(UsageError, match="--frames"):
            interpolate.write(decoder(loaded, blend, seed=0), blend, tmp_path, **options)
    assert not list(tmp_path.iterdir())
