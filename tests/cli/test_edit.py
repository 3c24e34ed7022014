import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import common, edit
from fer_jax.core.errors import UsageError
from tests.cli.conftest import untrained
from tests.micro import micro


@pytest.fixture(scope="module")
def opened(tiny_editor):
    return common.open_workdir(tiny_editor.folder, step=None)


def test_a_file_and_a_picture_of_the_data(tiny_editor, tmp_path, command):
    picture = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)).save(picture)
    out = tmp_path / "out"
    flags = [f"--workdir={tiny_editor.folder}", "--au=AU12=1", "--au=AU04=0.5", f"--out={out}", "--frames=3"]
    command(edit, *flags, names=[str(picture), "test:0"])
    assert sorted(path.name for path in out.iterdir()) == [
        f"{name}{ending}" for name in ("face", "test-0") for ending in ("-sheet.png", ".gif", ".png")
    ]
    with Image.open(out / "face.png") as edited, Image.open(out / "face.gif") as moving:
        assert edited.size == (16, 16) and moving.n_frames == 4  # there and back


def test_what_is_not_asked_stays_as_the_critic_sees_it(opened):
    picture = np.random.default_rng(0).uniform(0, 1, (16, 16, 3)).astype(np.float32)
    start = np.asarray(opened.runner.controls_of(opened.state, picture[None]))[0]
    edited = edit.edit(opened, picture, {8: 1.0}, frames=3)
    assert edited.goal[8] == 1 and np.array_equal(np.delete(edited.goal, 8), np.delete(start, 8))
    np.testing.assert_allclose(
        edited.reconstruction, np.asarray(opened.runner.edit(opened.state, picture[None], start[None]))[0], atol=1e-6
    )
    assert np.abs(edited.frames[0] - edited.frames[2]).max() > 1e-3  # it does something
    np.testing.assert_array_equal(edited.original, picture)


def test_an_emotion_and_single_units(opened):
    joy = edit.Wish("joy", 0.5, (), ["AU04=0.25"]).controls(opened)
    assert joy[4] == joy[8] == 0.5 and joy[2] == 0.25 and sum(joy.values()) == 1.25


def test_points():
    assert edit.point(["0.6", "-0.4"], None, None) == (0.6, -0.4) and edit.point([], None, None) == ()
    np.testing.assert_allclose(edit.point([], np.pi / 2, 0.8), (0, 0.8), atol=1e-12)
    for arguments, says in (
        ((["a"], None, None), "write numbers"),
        (([], 1.0, None), "give both"),
        ((["0", "0"], 1.0, 1.0), "one way"),
    ):
        with pytest.raises(UsageError, match=says):
            edit.point(*arguments)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({}, "nothing is asked"),
        ({"settings": ["AU99=1"]}, "with a name of AU01, AU02"),
        ({"settings": ["AU12"]}, "write NAME=VALUE"),
        ({"settings": ["AU12=much"]}, "'much' is not a number"),
        ({"settings": ["AU12=1.5"]}, r"AU12=1.5 is outside of 0\.\.1"),
        ({"settings": ["AU12=nan"]}, r"outside of 0\.\.1"),
        ({"emotion": "joyful"}, "'joyful' is not one of happiness, sadness"),
        ({"emotion": "joy", "intensity": 1.5}, r"AU06=1.5 is outside"),
        ({"at": (0.5, 0.5)}, "2 values; needed are 17"),
    ],
)
def test_mistakes(opened, wish, says):
    with pytest.raises(UsageError, match=says):
        edit.Wish(**wish).controls(opened)


def test_points_of_a_learned_space(data_dir, tmp_path, command):
    workdir = untrained(micro("ganmut", data_dir), tmp_path / "run").folder
    for flags, name in (("--at=0.6,0.4,-1", "at"), ("--emotion=happiness", "named")):
        command(edit, f"--workdir={workdir}", flags, f"--out={tmp_path / name}", "--frames=2", names=["test:0"])
        assert (tmp_path / name / "test-0.gif").exists()
    with pytest.raises(UsageError, match=r"x=1.5 is outside of -1\.\.1"):
        command(edit, f"--workdir={workdir}", "--at=1.5,0,0", names=["test:0"])


def test_other_mistakes(tiny, tiny_editor, command, tmp_path):
    for flags, names, says in (
        ([], ["a.png"], "--workdir: missing"),
        ([f"--workdir={tiny_editor.folder}", "--au=AU12=1"], ["none.png"], "no such picture"),
        ([f"--workdir={tiny.folder}", "--au=AU12=1"], ["test:0"], "a run of tdgan, which edits nothing"),
    ):
        with pytest.raises(UsageError, match=says):
            command(edit, *flags, f"--out={tmp_path / 'out'}", names=names)
    assert not (tmp_path / "out").exists()


def test_names_of_results(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").touch()
    paths = [str(tmp_path / "a/x.png"), str(tmp_path / "b/x.png"), "test:3"]
    assert edit.names_of(paths) == ["x-0", "x-1", "test-3"]
