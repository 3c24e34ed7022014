import numpy as np
import pytest
from PIL import Image

from fer_jax.errors import UsageError
from fer_jax.tools import common, edit


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
    joy = edit.wish(opened, ["AU04=0.25"], "joy")
    assert joy[4] == joy[8] == 1 and joy[2] == 0.25 and sum(joy.values()) == 2.25


@pytest.mark.parametrize(
    ("settings", "emotion", "says"),
    [
        ([], "", "nothing is asked"),
        (["AU99=1"], "", "with a name of AU01, AU02"),
        (["AU12"], "", "write NAME=VALUE"),
        (["AU12=much"], "", "'much' is not a number"),
        (["AU12=1.5"], "", r"outside of 0\.\.1"),
        (["AU12=nan"], "", r"outside of 0\.\.1"),
        ([], "joyful", "'joyful' is not one of joy, sadness"),
    ],
)
def test_mistakes(opened, settings, emotion, says):
    with pytest.raises(UsageError, match=says):
        edit.wish(opened, settings, emotion)


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
