"""The pictures of a learned space as a command."""

import csv

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import pictures, space
from fer_jax.core.errors import UsageError
from fer_jax.inference.loading import open_run


@pytest.fixture
def face(tmp_path):
    path = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)).save(path)
    return str(path)


def test_all_pictures_without_the_data(tiny_space, face, tmp_path, command, monkeypatch):
    """As of a published generator: nothing but its weights and a file."""

    def refuse(*args, **kwargs):
        raise AssertionError("the data set was opened")

    workdir, out = tiny_space("gaussian", 2).folder, tmp_path / "out"
    monkeypatch.setattr(pictures, "open_data", refuse)
    flags = [f"--workdir={workdir}", f"--out={out}", "--side=4", "--frames=3"]
    command(space, *flags, "--walk=-0.5,0:0.5,1", "--circle=0.7", face)
    endings = ("circle.gif", "emotions.png", "grid.png", "map.csv", "map.png", "walk.gif")
    assert sorted(path.name for path in out.iterdir()) == [f"face-{ending}" for ending in endings]
    with Image.open(out / "face-walk.gif") as walk, Image.open(out / "face-circle.gif") as circle:
        assert walk.n_frames == 4 and circle.n_frames == 3  # there and back; around
    with (out / "face-map.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 16 and (float(rows[0]["x"]), float(rows[0]["y"])) == (-1, 1)
    assert all(1 / 7 <= float(row["probability"]) <= 1 for row in rows)


@pytest.mark.slow
def test_a_recogniser_of_ones_own_and_three_planes(tiny_space, tiny_emotion, tmp_path, command):
    out = tmp_path / "out"
    flags = [f"--workdir={tiny_space('gaussian', 3).folder}", f"--out={out}", "--side=2"]
    command(space, *flags, f"--evaluator={tiny_emotion.folder}", "--walk=0,0,0:0.1,0.2,0.3", "test:0")
    with (out / "test-0-map.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [sum(float(row[axis]) == 0 for row in rows) for axis in "xyz"] == [4, 4, 4]
    assert {row["predicted"] for row in rows} <= set(open_run(tiny_emotion.folder).spec.classes["expression"])


def test_other_mistakes(tiny_space, tiny_editor, face, command, tmp_path):
    workdir = f"--workdir={tiny_space('gaussian', 2).folder}"
    for flags, names, says in (
        ([], [face], "--workdir: missing"),
        ([workdir], ["none.png"], "no such picture"),
        ([workdir, f"--evaluator={tmp_path / 'none'}"], [face], "--evaluator: .*no run"),
        ([workdir, f"--evaluator={tiny_editor.folder}"], [face], "which recognises no expressions"),
        ([f"--workdir={tiny_editor.folder}"], [face], "a run of au_cyclegan; needed is one of ganmut"),
    ):
        with pytest.raises(UsageError, match=says):
            command(space, *flags, f"--out={tmp_path / 'out'}", *names)
    assert not (tmp_path / "out").exists()
