"""RAF-DB in the reference's layout and the official one."""

import os

import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.data.sources import raf_db
from tests.data.sources.manual_trees import column, maker, picture, prepared


@pytest.fixture
def make(tmp_path):
    return maker(tmp_path)


RAF_TRAIN, RAF_TEST = (4, 0, 6), (3, 3)
RAF_NAMES = {"train": ["sadness", "surprise", "neutral"], "test": ["happiness", "happiness"]}


def raf_pictures(folder):
    for i in range(3):
        picture(folder / f"train_{i + 1:05d}_aligned.jpg", 40 * i, (100, 100))
    for i in range(2):
        picture(folder / f"test_{i + 1:04d}_aligned.jpg", 40 * i + 100, (100, 100))


def raf_labels(**changed):
    return {"train_y": np.eye(7)[:, RAF_TRAIN], "test_y": np.eye(7)[:, RAF_TEST], **changed}


def check_raf(found):
    assert {split: column(examples, "expression") for split, examples in found.items()} == RAF_NAMES
    shades = {split: [int(e["image"][0, 0, 0]) for e in examples] for split, examples in found.items()}
    np.testing.assert_allclose(shades["train"], [0, 40, 80], atol=4)
    np.testing.assert_allclose(shades["test"], [100, 140], atol=4)


@pytest.mark.parametrize("name", raf_db.LABEL_FILES)
def test_raf_reference_layout(make, name, caplog):
    raf_pictures(make.root / "img")
    if name.endswith(".npy"):
        np.save(make.root / name, np.array(raf_labels(), dtype=object))
    else:
        np.savez(make.root / name, **raf_labels())
    check_raf(prepared(make(raf_db)))
    assert "split train has 3 pictures here, 12271 are published" in caplog.text


@pytest.mark.parametrize(
    ("listed", "pictures"),
    [("", "Image/aligned"), ("EmoLabel", "Image/aligned"), ("basic/EmoLabel", "basic/Image/aligned")],
)
def test_raf_official_layout(make, listed, pictures):
    raf_pictures(make.root / pictures)
    lines = [f"train_{i + 1:05d}.jpg {label + 1}" for i, label in enumerate(RAF_TRAIN)]
    lines += [f"test_{i + 1:04d}.jpg {label + 1}" for i, label in enumerate(RAF_TEST)]
    (make.root / listed).mkdir(parents=True, exist_ok=True)
    file = make.root / listed / "list_patition_label.txt"
    file.write_text("\n".join(lines) + "\n")
    check_raf(prepared(make(raf_db)))
    for bad, reason in (("train_00002.jpg 8", r"\(train_00002\.jpg\): label 8 is out of range 1\.\.7"),
                        ("train_00002.jpg 0", "label 0 is out of range"), ("what", "expected e.g."),
                        ("train_00009.jpg 1", "train_00009_aligned.jpg is missing")):  # fmt: skip
        file.write_text("\n".join([lines[0], bad, *lines[2:]]))
        with pytest.raises(UsageError, match=rf"line 2.*{reason}"):
            prepared(make(raf_db))


def test_raf_bad_reference_files(make):
    raf_pictures(make.root / "img")
    two_hot = np.eye(7)[:, RAF_TRAIN] + np.eye(7)[:, (4, 1, 6)] * np.array([0, 1, 0])
    for changed, reason in (
        ({"train_y": two_hot}, r"train_y, column 1: not one-hot"),
        ({"test_y": np.eye(7)[RAF_TEST, :]}, r"test_y has shape \(2, 7\)"),
        ({"train_y": np.eye(7)[:, [0] * 4]}, r"column 3 \(train_00004_aligned\.jpg\): the picture .* is missing"),
    ):
        np.save(make.root / "RAF_example_label.npy", np.array(raf_labels(**changed), dtype=object))
        with pytest.raises(UsageError, match=reason):
            prepared(make(raf_db))
    np.save(make.root / "RAF_example_label.npy", np.array({"train_y": 1}, dtype=object))
    with pytest.raises(UsageError, match=r"RAF_example_label\.npy: expected arrays train_y and test_y"):
        prepared(make(raf_db))


class Hostile:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return (os.system, (f"touch {self.canary}",))


def test_raf_hostile_file_does_not_run(make, tmp_path):
    raf_pictures(make.root / "img")
    canary = tmp_path / "canary"
    np.save(make.root / "RAF_example_label.npy", np.array({"train_y": Hostile(canary)}, dtype=object))
    with pytest.raises(UsageError, match=r"RAF_example_label\.npy: refused: it would run \w+\.system"):
        prepared(make(raf_db))
    assert not canary.exists()
