"""Pictures in folders, and what every source says when there is nothing."""

import pytest

from fer_jax.core.errors import UsageError
from fer_jax.data.sources import affectnet, affwild2, att_faces, casia_webface, fer2013, image_folder, raf_db
from tests.data.sources.manual_trees import column, maker, picture, prepared


@pytest.fixture
def make(tmp_path):
    return maker(tmp_path)


def test_image_folder_synonyms_and_suffixes(make):
    for i, name in enumerate(["Happy/b.png", "happy/c.jpeg", "SAD/deep/er/a.bmp", "Surprised/x.webp", "Puzzled/y.PGM"]):
        picture(make.root / name, 10 * i)
    for name in ("Happy/.hidden.png", ".git/x.png"):
        picture(make.root / name)
    (make.root / "Happy" / "notes.txt").write_text("x")
    builder = make(image_folder)
    assert builder.info.features["expression"].names == ["Puzzled", "happiness", "sadness", "surprise"]
    found = prepared(builder)
    assert list(found) == ["train"]
    assert {e["file"]: e["expression"] for e in found["train"]} == {
        "Happy/b.png": "happiness", "happy/c.jpeg": "happiness", "SAD/deep/er/a.bmp": "sadness",
        "Surprised/x.webp": "surprise", "Puzzled/y.PGM": "Puzzled",
    }  # fmt: skip


def test_image_folder_splits(make):
    for name in ("train/angry/1.png", "train/fear/1.png", "val/fear/2.png", "test/Fear/3.png", "test/sad/1.png"):
        picture(make.root / name)
    builder = make(image_folder)
    assert builder.info.features["expression"].names == ["anger", "fear", "sadness"]  # the same in all splits
    found = prepared(builder)
    assert {split: column(examples, "expression") for split, examples in found.items()} == {
        "train": ["anger", "fear"], "validation": ["fear"], "test": ["fear", "sadness"],
    }  # fmt: skip


def test_image_folder_identity(make):
    for name in ("bob/1.png", "Happy/1.png", "bob/2.png"):
        picture(make.root / name)
    found = prepared(make(image_folder, label="identity"))["train"]
    assert {e["file"]: int(e["identity"]) for e in found} == {"Happy/1.png": 0, "bob/1.png": 1, "bob/2.png": 1}
    assert "expression" not in found[0]


def test_image_folder_subjects(make):
    for name in ("happy/s10_1.png", "sad/s02_1.png", "sad/s10_2.png"):
        picture(make.root / name)
    found = prepared(make(image_folder, subject_pattern=r"^(s\d+)_"))["train"]
    assert {e["file"]: int(e["identity"]) for e in found} == {
        "happy/s10_1.png": 1, "sad/s02_1.png": 0, "sad/s10_2.png": 1,
    }  # fmt: skip
    picture(make.root / "sad" / "odd.png")
    with pytest.raises(UsageError, match=r"sad/odd\.png: no subject"):
        prepared(make(image_folder, subject_pattern=r"^(s\d+)_"))


def test_image_folder_bad_usage(make):
    picture(make.root / "sad" / "1.png")
    for options, reason in (
        ({"label": "age"}, "label='age'"),
        ({"subject_pattern": "("}, "no regular expression"),
        ({"subject_pattern": "(a)(b)"}, "has 2 groups"),
        ({"subject_pattern": "(a)", "label": "identity"}, "leave subject_pattern empty"),
    ):
        with pytest.raises(UsageError, match=reason.replace("(", r"\(")):
            make(image_folder, **options)
    picture(make.root / "loose.png")
    with pytest.raises(UsageError, match=r"loose\.png: a picture outside"):
        make(image_folder)


@pytest.mark.parametrize("source", [affectnet, affwild2, att_faces, casia_webface, fer2013, image_folder, raf_db])
def test_nothing_there_says_what_to_get(make, tmp_path, source):
    for name in ("files", "missing"):  # an empty folder, and none
        with pytest.raises(UsageError, match=r"is needed") as caught:
            make(source, name)
        assert name in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=rf"{tmp_path}/tfds/downloads/manual/{source.__name__.split('.')[-1]}"):
        source.builder(data_dir=str(tmp_path / "tfds"))
