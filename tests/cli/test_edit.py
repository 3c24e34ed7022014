"""Edits as a command: files, sheets and GIFs, of faces and of whole photographs."""

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import edit
from fer_jax.core.errors import UsageError


@pytest.fixture
def face(tmp_path):
    path = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)).save(path)
    return path


def test_a_file_and_a_picture_of_the_data(tiny_editor, face, tmp_path, command):
    out = tmp_path / "out"
    flags = [f"--workdir={tiny_editor.folder}", "--au=AU12=1", "--au=AU04=0.5", f"--out={out}", "--frames=3"]
    command(edit, *flags, face, "test:0")
    assert sorted(path.name for path in out.iterdir()) == [
        f"{name}{ending}" for name in ("face", "test-0") for ending in ("-sheet.png", ".gif", ".png")
    ]
    with Image.open(out / "face.png") as edited, Image.open(out / "face.gif") as moving:
        assert edited.size == (16, 16) and moving.n_frames == 4  # there and back


def test_it_is_what_the_api_does(tiny_editor, face, tmp_path, command):
    import fer_jax

    flags = ["--emotion=happiness", "--intensity=0.5", "--au=AU04=0.25", "--frames=2"]
    command(edit, f"--workdir={tiny_editor.folder}", *flags, f"--out={tmp_path}/out", face)
    found = fer_jax.load(tiny_editor.folder).edit(face, emotion="happiness", intensity=0.5, aus={"AU04": 0.25})
    with Image.open(tmp_path / "out" / "face.png") as image:
        np.testing.assert_array_equal(image, found)


def test_points():
    assert edit.point(["0.6", "-0.4"], None, None) == (0.6, -0.4) and edit.point([], None, None) is None
    np.testing.assert_allclose(edit.point([], np.pi / 2, 0.8), (0, 0.8), atol=1e-12)
    for arguments, says in (
        ((["a"], None, None), "write numbers"),
        (([], 1.0, None), "give both"),
        ((["0", "0"], 1.0, 1.0), "one way"),
    ):
        with pytest.raises(UsageError, match=says):
            edit.point(*arguments)


def test_controls():
    assert edit.controls_of(["AU12=1", "AU04=0.5", "AU12=0.25"]) == {"AU12": 0.25, "AU04": 0.5}
    for text in ("AU12", "AU12=much", "AU12="):
        with pytest.raises(UsageError, match=f"--au={text}: write NAME=VALUE"):
            edit.controls_of([text])


def test_points_of_a_learned_space(tiny_space, face, tmp_path, command):
    workdir = f"--workdir={tiny_space('gaussian', 3).folder}"
    for flags, name in (("--at=0.6,0.4,-1", "at"), ("--emotion=happiness", "named")):
        command(edit, workdir, flags, f"--out={tmp_path / name}", "--frames=2", "test:0")
        assert (tmp_path / name / "test-0.gif").exists()
    with pytest.raises(UsageError, match=r"x=1.5 is outside of -1\.\.1"):
        command(edit, workdir, "--at=1.5,0,0", "test:0")
    with pytest.raises(UsageError, match="point: 2 values; needed are 3, of x, y, z"):
        command(edit, workdir, "--theta=1", "--rho=0.5", face)


def test_other_mistakes(tiny, tiny_editor, face, command, tmp_path):
    editor = f"--workdir={tiny_editor.folder}"
    for flags, names, says in (
        ([], ["a.png"], "--workdir: missing"),
        ([editor, "--au=AU12=1"], [], "no picture; name files or places such as test:17"),
        ([editor], [face], "nothing is asked"),
        ([editor, "--au=AU99=1"], [face], "AU99: no such control; there are AU01"),
        ([editor, "--au=AU12=1"], [face, "none.png"], "no such picture"),
        ([f"--workdir={tiny.folder}", "--au=AU12=1"], ["test:0"], "a run of tdgan, which edits nothing"),
    ):
        with pytest.raises(UsageError, match=says):
            command(edit, *flags, f"--out={tmp_path / 'out'}", *names)
    assert not (tmp_path / "out").exists()


def test_the_whole_photograph_is_written(tiny_space, tmp_path, command):
    photo, out = tmp_path / "photo.png", tmp_path / "out"
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(photo)
    flags = [f"--workdir={tiny_space('gaussian', 2).folder}", "--at=0.6,0.4", f"--out={out}", "--frames=2"]
    command(edit, *flags, "--box=20,10,32,32", "--blend=poisson", photo)
    assert sorted(path.name for path in out.iterdir()) == ["photo-sheet.png", "photo.gif", "photo.png"]
    with Image.open(out / "photo.png") as edited:
        found = np.asarray(edited)
    outside = np.ones((60, 80), bool)
    outside[10:42, 20:52] = False
    np.testing.assert_array_equal(found[outside], pixels[outside])
    assert (found != pixels).any()
    for box, says in (("60,0,40,20", "not within the picture, which is 80 x 60"), ("1,2", "write X,Y,WIDTH,HEIGHT")):
        with pytest.raises(UsageError, match=says):
            command(edit, *flags, f"--box={box}", photo)


def test_several_boxes_and_a_grey_photograph(tiny_space, tmp_path, command):
    photo, out = tmp_path / "photo.png", tmp_path / "out"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 80), np.uint8)).save(photo)
    flags = [f"--workdir={tiny_space('gaussian', 2).folder}", "--at=0.6,0.4", f"--out={out}", "--frames=2"]
    command(edit, *flags, "--box=0,0,30,30", "--box=50,5,20,20", photo)
    with Image.open(out / "photo.png") as edited:
        assert edited.size == (80, 40)
    assert (out / "photo-face2-sheet.png").exists() and (out / "photo-face2.png").exists()
