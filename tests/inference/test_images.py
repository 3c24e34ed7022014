"""Pictures that are given: found by name, read upright in all modes, and given to a network as the data are."""

import numpy as np
import pytest
from PIL import Image

from fer_jax.core.config import DataConfig, SelectConfig, StreamConfig, SystemConfig, ViewConfig
from fer_jax.core.errors import UsageError
from fer_jax.inference import images
from fer_jax.inference.images import InputView, read


def picture(tmp_path, name="a.png", mode="RGB", size=(40, 24), **save):
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(values).convert(mode).save(tmp_path / name, **save)
    return str(tmp_path / name)


def view_of(channels=3, size=16, resample="bilinear", **fields):
    stream = StreamConfig(source="any", eval_view=ViewConfig(**fields))
    data = DataConfig(image_size=size, channels=channels, streams={"face": stream})
    config = SystemConfig(system="any", data=data, select=SelectConfig(metric="any"))
    return InputView(config, "face", resample)


# ---- found ----------------------------------------------------------------------------------------------------------


def test_folders_and_patterns(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("b/z.png", "b/c/a.JPG", "b/text.txt", "b/d.webp"):
        (tmp_path / name).touch()
    below = [str(tmp_path / "b" / name) for name in ("c/a.JPG", "d.webp", "z.png")]
    assert images.find(tmp_path) == images.find(str(tmp_path / "b")) == images.find([tmp_path / "b"]) == below
    assert images.find(str(tmp_path / "b" / "*.png")) == below[2:] and images.find(str(tmp_path / "*")) == below
    assert images.find([below[0], below[0], "none.png"]) == [below[0], below[0], "none.png"]  # nothing is opened


def test_pictures_that_are_given(tmp_path):
    one, pil = np.zeros((4, 5, 3), np.uint8), Image.new("L", (3, 3))
    assert images.find(pil) == [pil] and images.find(one)[0] is one
    stack = images.find(np.zeros((3, 4, 5, 1), np.uint8))
    assert len(stack) == 3 and stack[0].shape == (4, 5, 1)
    assert [type(source) for source in images.find([pil, one, "a.png"])] == [Image.Image, np.ndarray, str]
    assert images.names_of([pil, "b/a.png", "c/a.png", "d.png", one]) == ["image-0", "a-1", "a-2", "d", "image-4"]


def test_nothing_found(tmp_path):
    for sources, says in (
        ([], "no pictures given"),
        (str(tmp_path), "no pictures there; looked for are, in folders, .bmp"),
        (f"{tmp_path}/*.jpg", "no pictures there"),
        (np.zeros((0, 4, 4, 3), np.uint8), "no pictures given"),
    ):
        with pytest.raises(UsageError, match=says):
            images.find(sources)


# ---- read -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_is_seen_as_the_data_are(tmp_path, channels):
    import tensorflow as tf

    from fer_jax.data.random_views import view

    path = picture(tmp_path)
    for crop, load in (("none", None), ("center", 20)):
        seen = ViewConfig(load_size=load, crop_kind=crop)
        mine = view_of(channels, load_size=load, crop_kind=crop)(path)
        decoded = tf.constant(np.asarray(Image.open(path)))
        theirs = view(seen, image_size=16, channels=channels)(decoded, tf.zeros(2, tf.int64))
        assert mine.shape == (16, 16, channels) and mine.dtype == np.float32
        np.testing.assert_array_equal(mine, theirs)


def test_orientation_and_modes(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    upright = read(picture(tmp_path, size=(24, 20)))
    np.testing.assert_array_equal(read(picture(tmp_path, "b.png", size=(24, 20), exif=exif)), np.rot90(upright, -1))
    Image.fromarray(np.full((8, 8), 65535 // 2, np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read(tmp_path / "deep.png"), np.full((8, 8, 1), 127))
    for mode, channels in (("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGBA", 3)):
        found = read(picture(tmp_path, f"{mode}.png", mode))
        assert found.shape == (24, 40, channels) and found.dtype == np.uint8
    np.testing.assert_array_equal(read(Image.open(tmp_path / "a.png")), upright)  # a PIL picture likewise


def test_the_way_of_resizing(tmp_path):
    path = picture(tmp_path, size=(24, 24))
    found = {resample: view_of(3, 24 // 2, resample)(path) for resample in ("bilinear", "bicubic")}
    for resample, image in found.items():
        with Image.open(path) as opened:
            resized = opened.resize((12, 12), Image.Resampling[resample.upper()])
        np.testing.assert_allclose(image * 255, np.asarray(resized), atol=1e-4)
    assert not np.array_equal(*found.values())


def test_arrays():
    values = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    np.testing.assert_array_equal(read(values), values)
    np.testing.assert_array_equal(read(values / np.float64(255)), values)
    np.testing.assert_array_equal(read(values[..., 0]), values[..., :1])
    np.testing.assert_array_equal(read((values[..., :1] / 255).astype(np.float16)), values[..., :1])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros(4, np.uint8), r"shape \(4,\): needed is \(H, W\)"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        (np.zeros((1, 2, 4, 3), np.uint8), r"shape \(1, 2, 4, 3\)"),
        (np.zeros((4, 4), np.int64), "an array of int64: needed is uint8, or float"),
        (np.full((4, 4), 200.0), "an array of float64"),
        (np.full((4, 4), -0.1), "an array of float64"),
        (np.full((4, 4), np.nan), "an array of float64"),
    ],
)
def test_arrays_that_are_no_pictures(values, says):
    with pytest.raises(UsageError, match=says):
        read(values)


def test_bad_files(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(open(picture(tmp_path), "rb").read()[:200])
    for name, reason in (("none.png", "no such picture"), ("text.png", "is not a picture"), ("cut.png", "cannot be")):
        with pytest.raises(UsageError, match=f"{name}: {reason}"):
            read(tmp_path / name)


# ---- many at once ---------------------------------------------------------------------------------------------------


class Fragile(InputView):
    """Stands for a decoder; remembers what it was given."""

    def __init__(self):
        self.asked = []

    def __call__(self, source):
        self.asked.append(source)
        if source == "bad":
            raise KeyError("tile")
        if source == "worse":
            raise UsageError("worse: is not a picture")
        return np.zeros((2, 2, 1), np.float32)


def test_a_decoder_may_fail_in_any_way():
    found = list(images.load_ahead(["a", "bad", *"bcd", "worse", *"ef"], Fragile(), ahead=2))
    assert [one.source for one in found] == ["a", "bad", *"bcd", "worse", *"ef"]
    errors = {one.source: one.error for one in found if one.image is None}
    assert errors == {"bad": "cannot be read: KeyError: 'tile'", "worse": "is not a picture"}
    assert {one.error for one in found if one.image is not None} == {""}


def test_decoding_is_only_so_far_ahead():
    view = Fragile()
    next(images.load_ahead(map(str, range(100)), view, ahead=5))
    assert len(view.asked) <= 6


# ---- written --------------------------------------------------------------------------------------------------------


def test_levels_are_rounded_and_files_are_whole(tmp_path):
    grey = images.to_picture(np.full((4, 4, 1), 0.999, np.float32))  # 254.7: cut off it would be 254
    assert grey.mode == "L" and np.all(np.asarray(grey) == 255)
    assert images.to_picture(np.array([[[-1.0, 0.5, 2.0]]])).getpixel((0, 0)) == (0, 128, 255)
    images.write_picture(grey, tmp_path / "new" / "a.png")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
    for path, says in ((tmp_path / "a.what", "unknown file extension"), (tmp_path / "new/a.png/b.png", "cannot be")):
        with pytest.raises(UsageError, match=says):
            images.write_picture(grey, path)
