"""Blends: the ends are the decoder's own pictures, and the files have the sizes and times promised."""

import jax
import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import common, interpolate
from fer_jax.core.errors import UsageError


def blend_of(config, faces=("train:0", "train:8"), expressions=("test:1",)):
    return interpolate.read_blend(common.Pictures(config, resize="bilinear"), faces, expressions)


@pytest.mark.parametrize("varied", ["face", "expression"])
def test_ends_are_direct_decodings(trained, varied):
    names = (("train:0", "train:8"), ("test:1",)) if varied == "face" else (("train:0",), ("test:1", "test:4"))
    blend = blend_of(trained.config, *names)
    assert blend.varied == varied
    pictures = interpolate.decoder(trained, blend, seed=3)(np.array([0.0, 0.5, 1.0]))
    noise = trained.system.draw_noise(jax.random.key(3), 1).generate
    params = trained.state.nets["gen"].params
    for end, picture in zip(blend.ends, pictures[[0, 2]], strict=True):
        pair = {varied: end[None], "expression" if varied == "face" else "face": blend.fixed[None]}
        direct, _ = jax.jit(trained.system.generate)(params, noise=noise, **pair)
        np.testing.assert_allclose(picture, direct[0], atol=1e-6)
    assert np.abs(pictures[0] - pictures[2]).max() > 0.01
    between = [np.abs(pictures[1] - pictures[i]).max() for i in (0, 2)]
    assert min(between) > 0


def test_files(tiny, command, trained):
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
    interpolate.interpolate(trained, blend_of(trained.config), folder, frames=5, milliseconds=100)
    assert still.read_bytes() == before
    with Image.open(moving) as image:
        assert image.n_frames == 5 and image.info["duration"] == 100


def test_what_is_refused(trained, tmp_path):
    for faces, expressions in ((("train:0",), ("test:1",)), (("train:0",) * 2, ("test:1",) * 2), ((), ("test:1",) * 3)):
        with pytest.raises(UsageError, match="give two --face and one --expression"):
            blend_of(trained.config, faces, expressions)
    for options in ({"frames": 1}, {"milliseconds": 0}):
        with pytest.raises(UsageError, match="--frames"):
            interpolate.interpolate(trained, blend_of(trained.config), tmp_path, **options)
