"""The reference's training.csv, and CelebA's folder."""

import pytest

from fer_jax.core.errors import UsageError
from fer_jax.data import manual
from fer_jax.data.sources import celeba, ganmut_csv
from tests.data.sources.manual_trees import column, maker, picture, prepared


@pytest.fixture
def make(tmp_path):
    return maker(tmp_path)


def listed(make, *rows, header="subDirectory_filePath,expression"):
    (make.root / "training.csv").write_text("\n".join([header, *rows]) + "\n")


def test_rows_and_paths(make):
    """The first folder of a name is taken off, and no more."""
    for name in ("Einstein.jpg", "deep/er/Curie.png", "Bohr.png"):
        picture(make.root / "faces" / name)
    listed(make, "imgs/Einstein.jpg,0", "any/deep/er/Curie.png,6", "imgs/Bohr.png,7", "imgs/gone.png,10")
    builder = make(ganmut_csv, folder="faces")
    found = prepared(builder)
    assert list(found) == ["train"] and column(found["train"], "expression") == ["neutral", "anger"]
    assert "training.csv row 1 (any/deep/er/Curie.png)" in column(found["train"], "file")
    assert manual.dropped(builder) == {"train": {"contempt": 1, "no face": 1}}
    assert column(prepared(make(ganmut_csv, folder="faces", classes=8))["train"], "expression")[-1] == "contempt"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("imgs/a.png,11", r"row 1 \(imgs/a\.png\): label '11' is out of range"),
        ("imgs/a.png,happy", "label 'happy'"),
        ("imgs/missing.png,1", r"row 1 \(imgs/missing\.png\): the picture .* is missing"),
        ("imgs/../../x.png,1", "leads out"),
        ("a.png,1", "no folder before it"),
        ("imgs/a.png", "1 columns, not 2"),
        ("imgs/broken.png,1", r"broken\.png\): it cannot be decoded"),
    ],
)
def test_bad_rows_are_named(make, row, message):
    picture(make.root / "imgs" / "a.png")
    (make.root / "imgs" / "broken.png").write_bytes(b"no picture")
    listed(make, "imgs/a.png,1", row)
    with pytest.raises(UsageError, match=message):
        prepared(make(ganmut_csv))


def test_what_is_needed_is_said(make):
    with pytest.raises(UsageError, match=r"no training\.csv in .* is needed"):
        make(ganmut_csv)
    listed(make, "imgs/a.png,1")
    with pytest.raises(UsageError, match="no imgs in"):
        make(ganmut_csv)
    picture(make.root / "imgs" / "a.png")
    with pytest.raises(UsageError, match="classes=9; give 2 to 8"):
        make(ganmut_csv, classes=9)
    listed(make, "imgs/a.png,1", header="path,label")
    with pytest.raises(UsageError, match="no column 'subDirectory_filePath'"):
        prepared(make(ganmut_csv))


def test_celeba_is_a_folder(make):
    with pytest.raises(UsageError, match="no pictures in .* is needed|CelebA's aligned pictures are needed"):
        make(celeba)
    for name in ("000002.jpg", "img_align_celeba/000001.jpg"):
        picture(make.root / name)
    found = prepared(make(celeba))
    assert column(found["train"], "file") == ["000002.jpg", "img_align_celeba/000001.jpg"]
    assert set(found["train"][0]) == {"image", "file"}
