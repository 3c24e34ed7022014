"""FER2013 from csv and .npz, with and without FER+ votes."""

import csv

import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.data import manual
from fer_jax.data.sources import fer2013
from tests.data.sources.manual_trees import REAL, column, maker, prepared


@pytest.fixture
def make(tmp_path):
    return maker(tmp_path)


FER_ROWS = [(0, 10, "Training"), (3, 20, "PublicTest"), (6, 30, "Training"), (5, 40, "PrivateTest")]
VOTES = np.eye(10, dtype=int) * 9


def fer_csv(file, rows=FER_ROWS, header=("emotion", " Usage", " pixels")):
    """Writes the csv; a row is (label, value of all pixels or the text itself, usage)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(header)
        for label, value, usage in rows:
            pixels = " ".join([str(value)] * 2304) if isinstance(value, int) else value
            cells = {"emotion": label, "usage": usage, "pixels": pixels}
            out.writerow([cells[name.strip().lower()] for name in header])


def fer_votes(file, usages=tuple(row[2] for row in FER_ROWS)):
    with open(file, "w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["Usage", "Image name", *fer2013.FERPLUS])
        for i, usage in enumerate(usages):
            out.writerow([usage, "" if i == 1 else f"fer{i:07d}.png", *VOTES[i]])


def check_fer(found):
    names = {split: column(examples, "expression") for split, examples in found.items()}
    assert names == {"train": ["anger", "neutral"], "validation": ["happiness"], "test": ["surprise"]}
    assert column(found["train"], "file") == ["row 0", "row 2"]
    for split, values in {"train": (10, 30), "validation": (20,), "test": (40,)}.items():
        for example, value in zip(found[split], values, strict=True):
            np.testing.assert_array_equal(example["image"], np.full((48, 48, 1), value))


@pytest.mark.parametrize("name", ["fer2013.csv", "icml_face_data.csv", "fer2013/fer2013.csv"])
@pytest.mark.parametrize("header", [("emotion", "pixels", "Usage"), (" pixels", "emotion", " Usage")])
def test_fer2013_csv(make, name, header, caplog):
    fer_csv(make.root / name, header=header)
    found = prepared(make(fer2013))
    check_fer(found)
    assert "ferplus" not in found["train"][0]
    assert "split validation has 1 pictures here, 3589 are published" in caplog.text


def test_fer2013_with_votes(make):
    fer_csv(make.root / "fer2013.csv")
    fer_votes(make.root / "fer2013new.csv")
    found = prepared(make(fer2013))
    check_fer(found)
    np.testing.assert_array_equal(column(found["train"], "ferplus"), VOTES[[0, 2]])
    np.testing.assert_array_equal(column(found["test"], "ferplus"), VOTES[[3]])
    for usages, reason in (
        (("Training", "Training", "Training", "PrivateTest"), "row 1 does not belong"),
        (("Training", "PublicTest", "Training"), "row 3 does not belong"),
        (("Training", "PublicTest", "Training", "PrivateTest", "PrivateTest"), "more rows than the 4"),
    ):
        fer_votes(make.root / "fer2013new.csv", usages)
        with pytest.raises(UsageError, match=rf"fer2013new\.csv: {reason}"):
            prepared(make(fer2013))


@pytest.mark.parametrize(
    "pixels", ["1 2 3", " ".join(["256"] * 2304), " ".join(["-1"] * 2304), " ".join(["x"] * 2304), "", "1" * 9000]
)
def test_fer2013_bad_pixels(make, pixels):
    fer_csv(make.root / "fer2013.csv", [*FER_ROWS, (1, pixels, "Training")])
    with pytest.raises(UsageError, match=r"fer.*: row 4: it.*pixels.*skip_bad"):
        prepared(make(fer2013))
    builder = make(fer2013, skip_bad=True)
    check_fer(prepared(builder))
    assert manual.skipped(builder) == ["row 4"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [((7, 1, "Training"), "row 4: label '7' is out of range 0..6"), (("", 1, "Training"), "row 4: label ''"),
     ((1, 1, "Train"), "row 4: Usage 'Train' is none of")],
)  # fmt: skip
def test_fer2013_bad_rows(make, row, reason):
    fer_csv(make.root / "fer2013.csv", [*FER_ROWS, row])
    with pytest.raises(UsageError, match=rf"fer2013\.csv: {reason}"):
        prepared(make(fer2013, skip_bad=True))


def test_fer2013_damaged_csv(make):
    file = make.root / "fer2013.csv"
    fer_csv(file, header=("emotion", "pixels", "Usage"))
    whole = file.read_bytes()
    for data, reason in (
        (whole[:-30], "row 3: 2 columns, not 3"),
        (whole[:-3], "row 3: Usage 'PrivateTe"),
        (b"a,b\n1,2\n", "no column 'emotion'"),
        (b"", "no column"),
        (b"emotion,\xff\n", "cannot"),
    ):
        file.write_bytes(data)
        with pytest.raises(UsageError, match=rf"fer2013\.csv: {reason}"):
            prepared(make(fer2013))


def fer_npz(file, **changed):
    arrays = {
        "images": np.stack([np.full((48, 48), row[1], np.uint8) for row in FER_ROWS]),
        "labels": np.array([row[0] for row in FER_ROWS], np.uint8),
        "usage": np.array([list(fer2013.SPLITS).index(row[2]) for row in FER_ROWS], np.uint8),
        "row": np.arange(4, dtype=np.int32),
        "ferplus": VOTES[:4].astype(np.uint8),
    }
    np.savez(file, **{**arrays, **changed})


def test_fer2013_npz(make):
    fer_npz(make.root / "fer2013_small.npz")
    found = prepared(make(fer2013))
    check_fer(found)
    np.testing.assert_array_equal(column(found["train"], "ferplus"), VOTES[[0, 2]])
    fer_npz(make.root / "mine.npz", row=np.arange(4) + 100)
    assert prepared(make(fer2013, file="mine.npz"))["test"][0]["file"] == "row 103"
    assert prepared(make(fer2013, name="files/mine.npz"))["test"][0]["file"] == "row 103"
    for changed, reason in (
        ({"labels": np.array([0, 3, 7, 5])}, r"row 2 \(labels\): label 7 is out of range 0\.\.6"),
        ({"usage": np.array([0, 1, 0, 3])}, r"row 3 \(usage\): label 3 is out of range"),
        ({"images": np.zeros((4, 48, 47), np.uint8)}, r"images is uint8 \(4, 48, 47\)"),
        ({"images": np.zeros((4, 48, 48))}, "images is float64"),
        ({"ferplus": VOTES[:3]}, "ferplus is"),
    ):
        fer_npz(make.root / "mine.npz", **changed)
        with pytest.raises(UsageError, match=rf"mine\.npz: {reason}"):
            prepared(make(fer2013, file="mine.npz"))


def test_fer2013_real(make):
    folder = REAL / "fer2013"
    if not (folder / "fer2013_small.npz").is_file():
        pytest.skip(f"no {folder}/fer2013_small.npz: set FER_JAX_REAL_DATA")
    found = prepared(fer2013.builder(data_dir=str(make.root), path=str(folder), file="fer2013_small.npz"))
    with np.load(folder / "fer2013_small.npz") as arrays:
        images, labels, usage, row = (arrays[name] for name in ("images", "labels", "usage", "row"))
    for i, split in enumerate(("train", "validation", "test")):
        np.testing.assert_array_equal(np.stack(column(found[split], "image"))[..., 0], images[usage == i])
        names = [fer2013.EXPRESSIONS[label] for label in labels[usage == i]]
        assert column(found[split], "expression") == names
        assert column(found[split], "file") == [f"row {r}" for r in row[usage == i]]
        assert np.shape(column(found[split], "ferplus")) == (len(names), 10)


def test_ferplus_majority(make, caplog):
    """Eight classes; a picture that most call no face, or that has no votes, is left out and counted."""
    caplog.set_level("INFO", "absl")
    fer_csv(make.root / "fer2013.csv", rows=[*FER_ROWS, (1, 50, "Training"), (1, 60, "Training")])
    votes = [
        [9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        [0] * 7 + [6, 4, 0],
        [0, 3, 3, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 9] + [0] * 6,
    ]
    votes += [[1, 0, 0, 0, 0, 0, 0, 0, 0, 9], [0] * 10]
    usages = [row[2] for row in FER_ROWS] + ["Training"] * 2
    with open(make.root / "fer2013new.csv", "w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["Usage", "Image name", *fer2013.FERPLUS])
        out.writerows([usage, "", *vote] for usage, vote in zip(usages, votes, strict=True))
    found = prepared(make(fer2013, target="ferplus"))
    assert column(found["train"], "expression") == ["neutral", "happiness"]
    assert column(found["validation"], "expression") == ["contempt"]
    assert column(found["test"], "expression") == ["sadness"]
    assert "most votes are NF" in caplog.text and "no votes" in caplog.text
    with pytest.raises(UsageError, match="'fer' is not one of fer2013, ferplus"):
        make(fer2013, target="fer")
    (make.root / "fer2013new.csv").unlink()
    with pytest.raises(UsageError, match="has no FER\\+ votes; put fer2013new.csv beside it"):
        make(fer2013, target="ferplus")


def test_the_references_names_of_the_splits(make, caplog):
    caplog.set_level("INFO", "absl")
    fer_csv(make.root / "fer2013.csv")
    found = prepared(make(fer2013, swap=True))
    names = {split: column(examples, "expression") for split, examples in found.items()}
    assert names == {"train": ["anger", "neutral"], "validation": ["surprise"], "test": ["happiness"]}
    assert "train = Training, test = PublicTest, validation = PrivateTest" in caplog.text
