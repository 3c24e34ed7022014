"""AffectNet's and Aff-Wild2's lists give the records that Emotion-GCN's reference makes of them (spec, 8.1, 8.2)."""

import numpy as np
import pytest

from fer_jax.data import manual
from fer_jax.data.sources import affectnet, affwild2
from tests.data.sources.manual_trees import pickled

SPLITS = {"train": "train", "test": "val"}
BOX = ("face_x", "face_y", "face_width", "face_height")


@pytest.fixture
def manifest(parity_fixture):
    return parity_fixture("emotion_gcn", "annotations").manifest


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def kept(rows):
    return [row for row in rows if not isinstance(row.picture, manual.Dropped)]


def face_records(rows, root):
    """What the rows say of the pictures, as the reference's records."""
    records = []
    for row in kept(rows):
        file, left, right, box, *_ = row.picture.args
        eyes = {"left_eye": list(left), "right_eye": list(right)}
        own = {"image_path": file.relative_to(root).as_posix(), **dict(zip(BOX, box, strict=True)), **eyes}
        records.append(own | row.labels)
    return records


def test_affectnet(manifest, tmp_path):
    given = manifest["affectnet"]
    write(tmp_path, given["files"])
    options = {"classes": 7, "size": 0, "swap_sides": False, "annotations": str(tmp_path / "data_affectnet.pkl")}
    listed = {
        split: affectnet.listed_rows([tmp_path], tmp_path / name, options) for split, name in affectnet.LISTS.items()
    }
    as_pickled = {
        name: [r | {eye: np.array(r[eye]) for eye in ("left_eye", "right_eye")} for r in given["expected"][name]]
        for name in SPLITS.values()
    }
    pickled(tmp_path / "data_affectnet.pkl", as_pickled, affectnet.RECORD)
    for rows in (listed, affectnet.pickled_rows([tmp_path], options)):
        for split, name in SPLITS.items():
            assert face_records(rows[split], tmp_path) == given["expected"][name]


def frame_records(rows, root):
    labels = ("expression", "valence", "arousal")
    return [
        {"frame": row.picture.args[0].relative_to(root).as_posix()} | {name: row.labels[name] for name in labels}
        for row in kept(rows)
    ]


def test_affwild2(manifest, tmp_path):
    given = manifest["affwild2"]
    write(tmp_path / "annotations", given["files"])
    frames = tmp_path / "frames"
    write(frames, {f"{video}/{i:05d}.jpg": "" for video, numbers in given["frames_present"].items() for i in numbers})
    as_pickled = {
        name: [{**record, "frame_path": f"/somewhere/{record['frame']}"} for record in given["expected"][name]]
        for name in SPLITS.values()
    }
    pickled(tmp_path / "data_affwild2.pkl", as_pickled, affwild2.RECORD)
    listed = affwild2.listed_rows(frames, tmp_path / "annotations", 0)
    for rows in (listed, affwild2.pickled_rows(frames, tmp_path / "data_affwild2.pkl", 0)):
        for split, name in SPLITS.items():
            assert frame_records(rows[split], frames) == given["expected"][name]
