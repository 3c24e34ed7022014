"""AffectNet in its first release, its later one, and as the Emotion-GCN reference's pickle."""

import csv
import os

import numpy as np
import pytest
from PIL import Image

from fer_jax.core.errors import UsageError
from fer_jax.data import alignment as align
from fer_jax.data import manual, registry
from fer_jax.data.sources import affectnet
from fer_jax.data.splits import own_splits
from fer_jax.data.table import Records
from tests.data.sources.manual_trees import column, maker, pickled, prepared

EYES = ((30, 40), (61, 45))
BOX = (20.0, 18.0, 40.0, 40.0)
COLUMNS = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression",
    "valence", "arousal",
)  # fmt: skip


@pytest.fixture
def make(tmp_path):
    return maker(tmp_path)


def noise(seed, size=(90, 80)):
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)


def landmarks(eyes=EYES):
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = eyes
    return ";".join(f"{value:.2f}" for value in points.ravel())


def row(name="0/a.png", **changed):
    cells = dict(zip(COLUMNS, (name, *BOX, landmarks(), 1, 0.5, -0.25), strict=True))
    return cells | changed


def write_list(root, train=(), validation=None, place=""):
    """Writes both lists, validation with one good row where none are given, and the pictures that they name."""
    lists = {"training.csv": train, "validation.csv": [row("0/v.png")] if validation is None else validation}
    for file, rows in lists.items():
        with open(root / file, "w", newline="") as stream:
            out = csv.DictWriter(stream, COLUMNS)
            out.writeheader()
            out.writerows(rows)
        for cells in rows:
            picture = root / place / cells["subDirectory_filePath"]
            if ".." not in str(picture):
                picture.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(noise(len(picture.name))).save(picture)


def face(name="a.png", size=0, swap_sides=False):
    upright = align.face(noise(len(name)), *EYES, align.Box(*BOX), swap_sides=swap_sides)
    return align.resize_shorter(upright, size) if size else upright


@pytest.mark.parametrize("place", ["", "Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images"])
def test_first_release(make, place, caplog):
    write_list(make.root, [row(), row("1/bb.png", expression=6, valence=-1, arousal=1)], place=place)
    found = prepared(make(affectnet))
    assert list(found) == ["train", "test"]
    assert column(found["train"], "expression") == ["happiness", "anger"]
    assert column(found["train"], "file") == ["training.csv row 0 (0/a.png)", "training.csv row 1 (1/bb.png)"]
    assert [(e["valence"], e["arousal"]) for e in found["train"]] == [(0.5, -0.25), (-1, 1)]
    np.testing.assert_array_equal(found["train"][0]["image"], face())
    np.testing.assert_array_equal(found["train"][1]["image"], face("bb.png"))
    assert "split train has 2 pictures here, 283901 are published" in caplog.text
    small = prepared(make(affectnet, size=17, swap_sides=True))["train"]
    np.testing.assert_array_equal(small[0]["image"], face(size=17, swap_sides=True))


def test_classes_and_what_is_dropped(make, caplog):
    labels = [0, 7, 8, 9, 9, 10, 3, 3, 3, 3]
    train = [row(f"0/{i}.png", expression=label) for i, label in enumerate(labels)]
    train[5] |= {"facial_landmarks": "", "face_x": "", "face_y": "", "face_width": "", "face_height": ""}
    train[6]["valence"], train[7]["arousal"], train[8]["valence"] = "nan", -2, ""
    write_list(make.root, train)
    caplog.set_level("INFO")
    builder = make(affectnet)
    assert column(prepared(builder)["train"], "expression") == ["neutral", "surprise"]
    no_value = {"without valence or arousal": 2, "with valence or arousal outside of -1..1": 1}
    assert manual.dropped(builder) == {
        "train": {"contempt": 1, "none": 1, "uncertain": 2, "no face": 1, **no_value}
    } == manual.dropped(make(affectnet))  # fmt: skip
    assert "train: dropped 2 uncertain, 2 without valence or arousal, 1 contempt" in caplog.text
    assert manual.skipped(builder) == []
    eight = make(affectnet, classes=8)
    assert column(prepared(eight)["train"], "expression") == ["neutral", "contempt", "surprise"]
    assert "split train has 3 pictures here, 287651 are published" in caplog.text
    assert "split test has 1 pictures here, 4000 are published" in caplog.text


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"facial_landmarks": ""}, "list of landmarks is not 136 numbers"),
        ({"facial_landmarks": landmarks()[:-5]}, "list of landmarks"),
        ({"facial_landmarks": landmarks().replace("30.00", "nan")}, "list of landmarks"),
        ({"facial_landmarks": landmarks().replace("30.00", "x")}, "list of landmarks"),
        ({"face_x": "x"}, "face box is not 4 numbers"),
        ({"face_width": "inf"}, "face box is not 4 numbers"),
        ({"face_width": 0}, "face box of 0 x 40 pixels is no box"),
        ({"face_height": -3}, "face box of 40 x -3 pixels is no box"),
        ({"face_height": 1e9}, "is no box"),
        ({"face_x": 500}, "lies outside of the upright picture"),
        ({"face_y": -60}, "lies outside of the upright picture"),
    ],
)
def test_rows_without_a_face_are_bad_pictures(make, changed, reason):
    write_list(make.root, [row(), row("1/b.png", **changed)])
    with pytest.raises(UsageError, match=rf"{make.root}: training\.csv row 1 \(1/b\.png\): its.*{reason}.*skip_bad"):
        prepared(make(affectnet))
    builder = make(affectnet, skip_bad=True)
    assert len(prepared(builder)["train"]) == 1
    assert manual.skipped(builder) == ["training.csv row 1 (1/b.png)"]


def test_bad_files_of_the_first_release(make):
    write_list(make.root, [row()])
    (make.root / "0/a.png").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"training\.csv row 0 \(0/a\.png\): it cannot be decoded"):
        prepared(make(affectnet))
    (make.root / "0/a.png").unlink()
    with pytest.raises(UsageError, match=r"training\.csv row 0 \(0/a\.png\): the picture .*0/a\.png is missing"):
        prepared(make(affectnet, skip_bad=True))
    for changed, reason in (
        ({"expression": 11}, r"training\.csv: row 0 \(0/a\.png\): label '11' is out of range 0\.\.10"),
        ({"valence": "x"}, r"training\.csv: row 0 \(0/a\.png\): 'x' is no number"),
        ({"subDirectory_filePath": "../a.png"}, "leads out of"),
    ):
        write_list(make.root, [row() | changed])
        with pytest.raises(UsageError, match=reason):
            prepared(make(affectnet))
    (make.root / "training.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match=r"training\.csv: no column 'subDirectory_filePath'"):
        prepared(make(affectnet))
    (make.root / "validation.csv").unlink()
    with pytest.raises(UsageError, match="neither release in .*AffectNet .ask its authors for it. is needed"):
        make(affectnet)


def later_release(root, train=((0, 0, "0.5", "-0.25"), (2, 6, "-1", "1"), (10, 7, "0", "0"), (11, 1, "-2", "-2"))):
    for folder, rows in (("train_set", train), ("val_set", [(4, 3, 0.5, 0.5)])):
        for part in ("images", "annotations"):
            (root / folder / part).mkdir(parents=True, exist_ok=True)
        for number, *values in rows:
            Image.fromarray(noise(number, (30, 30))).save(root / folder / "images" / f"{number}.jpg")
            for name, value in zip(("exp", "val", "aro"), values, strict=True):
                np.save(root / folder / "annotations" / f"{number}_{name}.npy", np.array(str(value)))
        np.save(root / folder / "annotations" / "0_lnd.npy", np.zeros(136))


def test_later_release(make, caplog):
    later_release(make.root)
    np.save(make.root / "train_set/annotations/2_exp.npy", np.array(6))  # numbers will do
    builder = make(affectnet)
    found = prepared(builder)
    assert column(found["train"], "expression") == ["neutral", "anger"]
    assert column(found["train"], "file") == ["train_set/images/0.jpg", "train_set/images/2.jpg"]
    assert column(found["test"], "valence") == [0.5] and column(found["test"], "expression") == ["surprise"]
    with Image.open(make.root / "train_set/images/2.jpg") as image:
        np.testing.assert_allclose(found["train"][1]["image"], np.asarray(image), atol=4)  # decoders differ
        small = align.resize_shorter(np.asarray(image), 12)
    assert manual.dropped(builder) == {"train": {"contempt": 1, "with valence or arousal outside of -1..1": 1}}
    eight = prepared(make(affectnet, size=12, classes=8))
    np.testing.assert_array_equal(eight["train"][1]["image"], small)
    assert column(eight["train"], "expression") == ["neutral", "anger", "contempt"]
    assert "split test has 1 pictures here, 3999 are published" in caplog.text


def test_bad_files_of_the_later_release(make):
    later_release(make.root)
    file = make.root / "train_set/annotations/2_val.npy"
    for array, reason in (
        (np.zeros(2), r"2_val\.npy: expected one value, got shape \(2,\)"),
        (np.array("x"), r"train_set/images/2\.jpg: 'x' is no number"),
        (np.array({"a": os.system}, dtype=object), r"2_val\.npy: refused: it would run \w+\.system"),
    ):
        np.save(file, array)
        with pytest.raises(UsageError, match=reason):
            prepared(make(affectnet))
    file.unlink()
    with pytest.raises(UsageError, match=r"2_val\.npy: cannot be read"):
        prepared(make(affectnet))
    later_release(make.root)
    (make.root / "train_set/images/0.jpg").unlink()
    with pytest.raises(UsageError, match=r"the picture .*train_set/images/0\.jpg is missing"):
        prepared(make(affectnet))
    later_release(make.root)
    (make.root / "val_set").rename(make.root / "test_set")
    with pytest.raises(UsageError, match="neither release"):
        make(affectnet)


def record(name, **changed):
    box = dict(zip(("face_x", "face_y", "face_width", "face_height"), BOX, strict=True))
    eyes = {"left_eye": np.array(EYES[0]), "right_eye": np.array(EYES[1])}
    labels = {"expression": np.int64(1), "valence": np.float64(0.5), "arousal": -0.25}
    return {"image_path": name, **box, **labels, **eyes, **changed}


@pytest.mark.parametrize("protocol", range(6))
def test_the_references_pickle(make, tmp_path, protocol):
    write_list(make.root, [row()])
    file = tmp_path / "data_affectnet.pkl"
    train = [record("0/a.png"), record("0/a.png", valence=float("nan"))]
    pickled(
        file, {"train": train, "val": [record("0/v.png")]}, affectnet.RECORD, "pickle_annotations_affectnet", protocol
    )
    builder = make(affectnet, annotations=str(file))
    found = prepared(builder)
    np.testing.assert_array_equal(found["train"][0]["image"], face())
    assert column(found["train"], "file") == ["train row 0 (0/a.png)"]
    assert column(found["test"], "file") == ["val row 0 (0/v.png)"]
    assert manual.dropped(builder) == {"train": {"without valence or arousal": 1}}


def test_bad_pickles(make, tmp_path):
    write_list(make.root, [row()])
    file = tmp_path / "data.pkl"
    good = record("0/a.png")
    for content, kind, reason in (
        ({"train": [good], "val": [good]}, "Other", r"refused: it would run __main__\.Other"),
        ({"train": [good]}, affectnet.RECORD, "expected lists train and val of AffectNet_annotation"),
        ({"train": [good], "val": [{**good, "image_path": 3}]}, affectnet.RECORD, "val row 0: no image_path"),
        ({"train": [{"image_path": "x"}], "val": []}, affectnet.RECORD, "without 'face_x'"),
        ({"train": [{**good, "left_eye": np.zeros(3)}], "val": [good]}, affectnet.RECORD, "its left_eye is not 2 num"),
        ({"train": [{**good, "expression": "x"}], "val": [good]}, affectnet.RECORD, "label 'x' is out of range"),
    ):
        pickled(file, content, kind)
        with pytest.raises(UsageError, match=reason):
            prepared(make(affectnet, annotations=str(file)))


def test_options(make):
    write_list(make.root, [row()])
    for options, reason in (
        ({"classes": 6}, "classes=6; give 7, or 8"),
        ({"classes": 8, "annotations": "x"}, "classes=8"),
        ({"size": -1}, "size=-1"),
        ({"size": True}, "size=True"),
        ({"annotations": "nowhere.pkl"}, r"annotations='nowhere\.pkl': nothing is there"),
    ):
        with pytest.raises(UsageError, match=reason):
            make(affectnet, **options)


def test_new_pictures_are_noticed(make):
    write_list(make.root, [row()])
    names = [make(affectnet).config.name]
    (make.root / "notes.txt").write_text("x")
    (make.root / "0" / ".hidden").write_text("x")
    assert make(affectnet).config.name == names[0]
    Image.fromarray(noise(0)).save(make.root / "0" / "new.png")
    names.append(make(affectnet).config.name)
    write_list(make.root, [row(), row("0/b.png")])
    names.append(make(affectnet).config.name)
    names.append(make(affectnet, size=8).config.name)
    assert len(set(names)) == 4


def test_many_pictures_are_made_by_several_processes(make, tmp_path):
    """By the registry, from a folder that is not there yet; validation is cut out of training by class."""
    train = [row(f"{i % 3}/{'a' * (i % 5 + 1)}.png", expression=i % 7) for i in range(100)]
    train[90] |= {"face_width": 0}
    write_list(make.root, train)
    where = {"data_dir": str(tmp_path / "fresh"), "path": str(make.root)}
    builder = registry.open_source("affectnet", skip_bad=True, options={"size": 16}, **where)
    found = builder.as_data_source("train")
    assert len(found) == 99
    for i in (0, 50, 98):
        name = train[i + (i >= 90)]["subDirectory_filePath"].split("/")[1]
        np.testing.assert_array_equal(found[i]["image"], face(name, 16))
    cut = own_splits(Records(builder), ("expression", "valence"), validation=0.2, test=0.2, seed=0)
    assert {name: len(table) for name, table in cut.items()} == {"train": 79, "validation": 20, "test": 1}
