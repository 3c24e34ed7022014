"""Aff-Wild2: lists and frames, and the Emotion-GCN reference's pickle."""

import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.data import manual, registry
from fer_jax.data.sources import affwild2
from fer_jax.data.splits import own_splits
from fer_jax.data.table import Records
from tests.data.sources.manual_trees import column, maker, pickled, picture, prepared

EXPR = {"Train_Set": {"b": "0 -1 5 4", "a_left": "6 6"}, "Validation_Set": {"c": "1 2", "gone": "1 1 1", "bare": "1"}}
VA = {"Train_Set": {"b": "0.5,0.1 0,0 -5,-5", "c": "0.25,-0.25 0.5,0.5"}, "Validation_Set": {"a_left": "1,-1 0,0.5"}}
FRAMES = {"b": (1, 2, 3, 4, 9), "a_left": (2,), "c": (1, 2), "bare": (1,)}


@pytest.fixture
def make(tmp_path):
    return maker(tmp_path)


def write_lists(root, expr=EXPR, va=VA):
    for name, header, sets in (("EXPR_Set", "Neutral,Anger", expr), ("VA_Set", "valence,arousal", va)):
        for split, videos in sets.items():
            (root / name / split).mkdir(parents=True, exist_ok=True)
            for video, lines in videos.items():
                (root / name / split / f"{video}.txt").write_text("\n".join([header, *lines.split(), ""]))


def write_frames(root, frames=FRAMES):
    for i, (video, numbers) in enumerate(frames.items()):
        for number in numbers:
            picture(root / video / f"{number:05d}.jpg", 40 * i + number, (24, 24))


@pytest.mark.parametrize("place", ["", "cropped_aligned"])
@pytest.mark.parametrize("listed", ["", "annotations", "elsewhere"])
def test_lists_and_frames(make, tmp_path, place, listed):
    write_lists(tmp_path / "elsewhere" if listed == "elsewhere" else make.root / listed)
    write_frames(make.root / place)
    builder = make(affwild2, annotations=str(tmp_path / listed) if listed == "elsewhere" else "")
    found = prepared(builder)
    assert column(found["train"], "file") == ["a_left/00002.jpg", "b/00001.jpg"]
    assert column(found["train"], "expression") == ["surprise", "neutral"]
    assert column(found["test"], "expression") == ["anger", "disgust"]
    assert column(found["train"], "identity") == [0, 1] and column(found["test"], "identity") == [3, 3]
    assert [(e["valence"], e["arousal"]) for e in found["test"]] == [(0.25, -0.25), (0.5, 0.5)]
    assert [abs(int(e["image"][0, 0, 0]) - value) < 6 for e, value in zip(found["train"], (42, 1), strict=True)]
    assert manual.dropped(builder) == {
        "train": {
            "lines without a frame": 1, "without expression": 1, "with valence or arousal outside of -1..1": 1,
            "frames beyond valence and arousal": 1, "frames beyond the expressions": 1,
        },
        "test": {"videos without frames": 1, "of videos without valence and arousal": 1},
    }  # fmt: skip


def test_the_validation_list_of_valence_and_arousal_counts(make):
    write_lists(make.root, {"Train_Set": {"x": "0"}}, {"Train_Set": {"x": "0,0"}, "Validation_Set": {"x": "1,1"}})
    write_frames(make.root, {"x": (1,)})
    assert column(prepared(make(affwild2))["train"], "valence") == [1]


def test_sizes_and_options(make):
    write_lists(make.root)
    write_frames(make.root)
    assert [e["image"].shape for e in prepared(make(affwild2, size=8))["train"]] == [(8, 8, 3)] * 2
    with pytest.raises(UsageError, match="size=-1"):
        make(affwild2, size=-1)
    with pytest.raises(UsageError, match="annotations='x': nothing is there"):
        make(affwild2, annotations="x")
    names = {make(affwild2).config.name}
    (make.root / "b" / "00003.jpg").unlink()
    names.add(make(affwild2).config.name)
    (make.root / "VA_Set/Train_Set/c.txt").write_text("valence,arousal\n0,0\n")
    names.add(make(affwild2).config.name)
    assert len(names) == 3


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("EXPR_Set/Train_Set/b", "h\n0\n7\n", r"b\.txt: line 3: label '7' is out of range 0\.\.6"),
        ("EXPR_Set/Train_Set/b", "h\n\n0\n", r"b\.txt: line 2: label ''"),
        ("VA_Set/Train_Set/b", "h\n0.5\n", r"b\.txt: line 2: expected e\.g\. '0\.1,-0\.25', got '0\.5'"),
        ("VA_Set/Train_Set/b", "h\n0.5,x\n", r"b\.txt: line 2: 'x' is no number"),
    ],
)
def test_bad_lists(make, name, text, reason):
    write_lists(make.root)
    write_frames(make.root)
    (make.root / f"{name}.txt").write_text(text)
    with pytest.raises(UsageError, match=reason):
        prepared(make(affwild2))


def test_bad_frames(make):
    write_lists(make.root)
    write_frames(make.root)
    (make.root / "b/00001.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"b/00001\.jpg: it cannot be decoded"):
        prepared(make(affwild2))
    builder = make(affwild2, skip_bad=True)
    assert column(prepared(builder)["train"], "file") == ["a_left/00002.jpg"]
    assert manual.skipped(builder) == ["b/00001.jpg"]


def record(name, expression=1, valence=0.5):
    values = {"expression": np.int64(expression), "valence": np.float64(valence), "arousal": np.float64(0)}
    return {"frame_path": f"/home/someone/cropped/{name}", **values}


@pytest.mark.parametrize("protocol", range(6))
def test_the_references_pickle(make, tmp_path, protocol):
    write_frames(make.root)
    file = tmp_path / "data_affwild2.pkl"
    train = [record("b/00002.jpg"), record("a_left/00002.jpg", 6), record("b/00003.jpg", valence=-5)]
    content = {"train": train, "val": [record("c/00001.jpg", 0)]}
    pickled(file, content, affwild2.RECORD, "dataloading", protocol)
    builder = make(affwild2, annotations=str(file))
    found = prepared(builder)
    assert column(found["train"], "file") == ["b/00002.jpg", "a_left/00002.jpg"]
    assert column(found["train"], "expression") == ["anger", "surprise"]
    assert column(found["train"], "identity") == [1, 0] and column(found["test"], "identity") == [2]
    assert manual.dropped(builder) == {"train": {"with valence or arousal outside of -1..1": 1}}


def test_bad_pickles(make, tmp_path):
    write_frames(make.root)
    file = tmp_path / "data.pkl"
    for train, reason in (
        ([{**record("b/00001.jpg"), "frame_path": "/x/../00001.jpg"}], "leads out of"),
        ([record("b/00001.jpg", 7)], r"train row 0 \(b/00001\.jpg\): label .*7.* is out of range"),
        ([{**record("b/00001.jpg"), "valence": "x"}], r"train row 0 \(b/00001\.jpg\): 'x' is no number"),
        ([record("b/00007.jpg")], r"the picture .*00007\.jpg is missing"),
    ):
        pickled(file, {"train": train, "val": []}, affwild2.RECORD)
        with pytest.raises(UsageError, match=reason):
            prepared(make(affwild2, annotations=str(file)))


def test_validation_is_whole_videos(make, tmp_path):
    videos = [f"v{i}" for i in range(10)]
    write_lists(
        make.root,
        {"Train_Set": dict.fromkeys(videos, "0 1 2"), "Validation_Set": {"w": "3"}},
        {"Train_Set": dict.fromkeys([*videos, "w"], "0,0 0.5,0.5 1,1")},
    )
    write_frames(make.root, {**dict.fromkeys(videos, (1, 2, 3)), "w": (1,)})
    where = {"data_dir": str(tmp_path / "fresh"), "path": str(make.root)}
    builder = registry.open_source("affwild2", skip_bad=False, options={"size": 8}, **where)
    records = Records(builder)
    cut = own_splits(records, ("expression",), validation=0.2, test=0.2, seed=0)
    people = {name: set(records.column("identity")[table.rows]) for name, table in cut.items()}
    assert len(cut["validation"]) == 6 and len(people["validation"]) == 2
    assert not people["train"] & people["validation"] and people["test"] == {10}
