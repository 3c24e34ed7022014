"""What the sources with files brought by the user share, on a source of two lines made here."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from fer_jax.core.errors import UsageError
from fer_jax.data import manual


class TinyManual(manual.ManualBuilder, skip_registration=True):
    """All pictures of a folder."""

    VERSION = tfds.core.Version("1.0.0")
    PUBLISHED = {"train": 3}

    def _features(self):
        return {"image": tfds.features.Image(shape=(None, None, 3)), "identity": np.int64}

    def _rows(self):
        files = sorted(self.config.path.iterdir())
        return {"train": [manual.Row(f.name, f, {"identity": i}) for i, f in enumerate(files)]} if files else {}


def tiny(root, folder, kind=TinyManual, **options):
    options = {"skip_bad": False, **options}
    return manual.make_builder(kind, data_dir=str(root / "tfds"), path=folder, roots=[folder], **options)


def encoded(kind, size=(20, 16), mode="RGB", **options):
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


GOOD = {"a.jpg": encoded("JPEG"), "b.png": encoded("PNG", mode="L"), "c.bmp": encoded("BMP")}
BAD = {
    "truncated.jpg": encoded("JPEG")[:-40],
    "truncated.png": encoded("PNG")[:-60],
    "checksum.png": encoded("PNG")[:-16] + b"\0\0\0\0" + encoded("PNG")[-12:],
    "empty.jpg": b"",
    "text.jpg": b"<html>not found</html>",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files").mkdir()
    for name, data in GOOD.items():
        (tmp_path / "files" / name).write_bytes(data)
    return tmp_path / "files"


def test_bytes_are_kept_and_order_too(tmp_path, folder):
    builder = tiny(tmp_path, folder)
    builder.download_and_prepare(file_format="array_record")
    examples = list(builder.as_data_source("train", decoders={"image": tfds.decode.SkipDecoding()}))
    assert [e["file"].decode() for e in examples] == list(GOOD)
    assert [int(e["identity"]) for e in examples] == [0, 1, 2]
    assert [e["image"] for e in examples][:2] == [GOOD["a.jpg"], GOOD["b.png"]]
    assert examples[2]["image"][:4] == b"\x89PNG"
    original = np.asarray(Image.open(io.BytesIO(GOOD["c.bmp"])))
    np.testing.assert_array_equal(builder.info.features["image"].decode_example(examples[2]["image"]), original)
    assert manual.skipped(builder) == []


@pytest.mark.parametrize("bad", BAD)
def test_bad_pictures_stop_or_are_left_out(tmp_path, folder, bad, caplog):
    (folder / bad).write_bytes(BAD[bad])
    builder = tiny(tmp_path, folder)
    with pytest.raises(UsageError, match=rf"{folder}: {bad}: .*skip_bad"):  # what comes out of TFDS is ours
        builder.download_and_prepare(file_format="array_record")
    assert not list((tmp_path / "tfds").rglob("*.array_record*"))
    builder = tiny(tmp_path, folder, skip_bad=True)
    builder.download_and_prepare(file_format="array_record")
    assert builder.info.splits["train"].num_examples == 3
    again = tiny(tmp_path, folder, skip_bad=True)  # read from disk
    assert manual.skipped(builder) == manual.skipped(again) == [bad]
    assert bad in caplog.text
    for example in again.as_data_source("train", decoders={"image": tfds.decode.SkipDecoding()}):
        assert again.info.features["image"].decode_example(example["image"]).shape == (16, 20, 3)


class Mixed(TinyManual, skip_registration=True):
    """Rows of all kinds."""

    SLOW = True

    def _rows(self):
        def bad():
            raise manual.BadPicture("no face")

        pictures = [Path(self.config.path, "a.jpg"), lambda: GOOD["b.png"], bad, np.zeros((4, 4), np.uint8)]
        pictures += [manual.Dropped("blurred"), manual.Dropped("turned away"), manual.Dropped("blurred")]
        return {"train": (manual.Row(f"row {i}", p, {"identity": i}) for i, p in enumerate(pictures))}


def test_pictures_may_be_made_or_dropped(tmp_path, folder, caplog):
    caplog.set_level("INFO")
    with pytest.raises(UsageError, match="row 2: no face; replace it"):
        tiny(tmp_path, folder, kind=Mixed).download_and_prepare(file_format="array_record")
    builder = tiny(tmp_path, folder, kind=Mixed, skip_bad=True)
    builder.download_and_prepare(file_format="array_record")
    examples = list(builder.as_data_source("train", decoders={"image": tfds.decode.SkipDecoding()}))
    assert [int(e["identity"]) for e in examples] == [0, 1, 3]
    assert [e["image"] for e in examples][:2] == [GOOD["a.jpg"], GOOD["b.png"]]
    assert manual.skipped(builder) == ["row 2"]
    assert manual.dropped(builder) == {"train": {"blurred": 2, "turned away": 1}}
    assert manual.dropped(tiny(tmp_path, folder, kind=Mixed, skip_bad=True)) == manual.dropped(builder)
    assert "train: dropped 2 blurred, 1 turned away" in caplog.text
    assert manual.dropped(tiny(tmp_path, folder)) == {}


def test_counts_that_differ_are_logged(tmp_path, folder, caplog):
    tiny(tmp_path, folder).download_and_prepare(file_format="array_record")
    assert "published" not in caplog.text
    (folder / "a.jpg").unlink()
    tiny(tmp_path, folder).download_and_prepare(file_format="array_record")
    assert "split train has 2 pictures here, 3 are published" in caplog.text


def test_no_pictures_at_all(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match=rf"no pictures in {tmp_path}/none"):
        tiny(tmp_path, tmp_path / "none").download_and_prepare(file_format="array_record")
    (tmp_path / "none" / "x.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match="no usable picture for split train"):
        tiny(tmp_path, tmp_path / "none", skip_bad=True).download_and_prepare(file_format="array_record")


def test_fingerprint_changes_with_files_and_options(tmp_path, folder):
    names = [tiny(tmp_path, folder).config.name]
    assert tiny(tmp_path, folder).config.name == names[0]
    names.append(tiny(tmp_path, folder, skip_bad=True).config.name)
    names.append(tiny(tmp_path, folder, options={"a": 1}).config.name)
    os.utime(folder / "a.jpg", (1, 1))
    names.append(tiny(tmp_path, folder).config.name)
    (folder / "a.jpg").write_bytes(GOOD["a.jpg"] + b"\0")
    os.utime(folder / "a.jpg", (1, 1))
    names.append(tiny(tmp_path, folder).config.name)
    (folder / "a.jpg").rename(folder / "d.jpg")
    names.append(tiny(tmp_path, folder).config.name)
    folder.rename(tmp_path / "moved")
    names.append(tiny(tmp_path, tmp_path / "moved").config.name)
    (tmp_path / "moved" / ".hidden").write_bytes(b"x")
    assert tiny(tmp_path, tmp_path / "moved").config.name == names[-1]
    assert len(set(names)) == len(names)


def test_of_folders_the_names_count(tmp_path, folder):
    def name():
        return tiny(tmp_path, folder / "a.jpg", folders=manual.folders_below(folder)).config.name

    names = [name()]
    (folder / "b.png").write_bytes(b"x")
    assert name() == names[0]
    (folder / "b.png").rename(folder / "e.png")
    names.append(name())
    (folder / "below").mkdir()
    names.append(name())
    (folder / "below" / "x").write_bytes(b"x")
    names.append(name())
    (folder / ".hidden").mkdir()
    (folder / "below" / ".hidden").write_bytes(b"x")
    assert name() == names[-1] and len(set(names)) == 4


def test_resized_bytes(tmp_path, folder):
    assert manual.picture_bytes(folder / "a.jpg", 16) == GOOD["a.jpg"]  # of that size already
    for name, mode in (("a.jpg", "RGB"), ("b.png", "L")):
        small = Image.open(io.BytesIO(manual.picture_bytes(folder / name, 8)))
        expected = Image.open(folder / name).resize((10, 8), Image.Resampling.BILINEAR)
        assert small.mode == mode and small.format == "PNG"
        np.testing.assert_array_equal(np.asarray(small), np.asarray(expected))


def test_locate_says_what_to_get_and_where(tmp_path):
    with pytest.raises(UsageError) as caught:
        manual.locate("raf_db", data_dir=str(tmp_path), path=None, instructions="RAF-DB is needed")
    text = str(caught.value)
    for part in (f"{tmp_path}/downloads/manual/raf_db", "RAF-DB is needed", "--config.data.streams.<stream>.path"):
        assert part in text
    (tmp_path / "downloads/manual/raf_db").mkdir(parents=True)
    found = manual.locate("raf_db", data_dir=str(tmp_path), path=None, instructions="")
    assert found == (tmp_path / "downloads/manual/raf_db").resolve()
    with pytest.raises(UsageError, match="nothing at .*elsewhere"):
        manual.locate("raf_db", data_dir=str(tmp_path), path=str(tmp_path / "elsewhere"), instructions="")


@pytest.mark.parametrize(
    ("kind", "mode", "kept"),
    [("JPEG", "RGB", True), ("JPEG", "L", True), ("JPEG", "CMYK", False), ("PNG", "RGBA", True), ("PNG", "P", True),
     ("PNG", "1", True), ("WEBP", "RGB", False), ("GIF", "P", False), ("PPM", "L", False)],
)  # fmt: skip
def test_kinds_of_pictures(tmp_path, kind, mode, kept):
    data = encoded(kind, mode=mode)
    (tmp_path / "x").write_bytes(data)
    found = manual.picture_bytes(tmp_path / "x")
    assert (found == data) is kept
    feature = tfds.features.Image(shape=(None, None, 3))
    assert feature.decode_example(found).shape == (16, 20, 3)


@pytest.mark.parametrize("name", ["../x.jpg", "/etc/passwd", "a/../../x", "", "a\0b", "..\\x"])
def test_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="list.npz: row 3: .*leads out"):
        manual.inside(tmp_path, name, "list.npz: row 3")


def test_links_are_followed_once(tmp_path, folder):
    (folder / "loop").symlink_to(folder)
    (tmp_path / "linked").symlink_to(folder)
    assert [f.name for f in manual.files_below(tmp_path / "linked")] == ["a.jpg", "b.png", "c.bmp"]


@pytest.mark.parametrize("label", [-1, 7, 2.5, "x", None, float("nan")])
def test_labels_out_of_range(label):
    assert manual.check_label("6", 7, "f") == 6
    with pytest.raises(UsageError, match=r"f.csv: row 3: label .* out of range 0\.\.6"):
        manual.check_label(label, 7, "f.csv: row 3")


def test_builder_without_config_says_how():
    with pytest.raises(UsageError, match=r"sources\.tiny_manual\.builder"):
        TinyManual(data_dir="unused")
