"""Edits of a face: what is asked for, what stays, and whole photographs."""

import numpy as np
import pytest
from PIL import Image

from fer_jax.core.errors import UsageError
from fer_jax.faces import paste
from fer_jax.inference.editor import Editor, at_intensity, edit_face, edit_photograph
from fer_jax.inference.images import to_picture
from fer_jax.inference.loading import open_run


@pytest.fixture(scope="module")
def editor(tiny_editor):
    return Editor(open_run(tiny_editor.folder))


@pytest.fixture(scope="module")
def by_points(tiny_space):
    return Editor(open_run(tiny_space("gaussian", 2).folder))


def random_image(seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (16, 16, 3)).astype(np.float32)


def test_what_is_not_asked_stays_as_the_critic_reads_it(editor):
    image, run = random_image(), editor.run
    start = np.asarray(editor.condition_of(image[None]))[0]
    face = edit_face(editor, image, {8: 1.0}, 3)
    goal = face.controls[-1]
    assert goal[8] == 1 and np.array_equal(np.delete(goal, 8), np.delete(start, 8))
    np.testing.assert_allclose(face.controls[0], start)
    np.testing.assert_allclose(face.controls[1], (start + goal) / 2, rtol=1e-6)
    drawn = np.asarray(run.runner.edit(run.state, image[None], start[None], start[None]))[0]
    np.testing.assert_allclose(face.reconstruction, drawn, atol=1e-6)
    assert np.abs(face.frames[0] - face.frames[2]).max() > 1e-3  # it does something
    np.testing.assert_array_equal(face.original, image)


def test_an_expression_and_single_units(editor):
    goal = editor.goal(emotion="happiness", intensity=0.5, aus={"AU04": 0.25})
    assert goal[4] == goal[8] == 0.5 and goal[2] == 0.25 and sum(goal.values()) == 1.25
    assert editor.goal(emotion="Happy") == editor.goal(emotion="joy", intensity=1.0)
    assert editor.goal(point=[0.0] * 17, aus={"AU12": 1.0})[8] == 1.0  # the later argument overrides


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "nothing is asked for; give aus, emotion or point"),
        ({"aus": {"AU99": 1.0}}, "AU99: no such control; there are AU01, AU02"),
        ({"aus": {"AU12": 1.5}}, r"AU12=1.5 is outside of 0\.\.1"),
        ({"aus": {"AU12": float("nan")}}, r"outside of 0\.\.1"),
        ({"emotion": "joyful"}, "'joyful' is not one of happiness, sadness"),
        ({"emotion": "happiness", "intensity": 1.5}, r"AU06=1.5 is outside"),
        ({"point": (0.5, 0.5)}, "2 values; needed are 17"),
    ],
)
def test_mistakes(editor, asked, says):
    with pytest.raises(UsageError, match=says):
        editor.goal(**asked)


def test_points_of_a_learned_space(by_points):
    assert by_points.goal(point=(0.6, -0.4)) == {0: 0.6, 1: -0.4}
    name, centre = next(iter(by_points.controlled.expressions(by_points.run.state).items()))
    np.testing.assert_allclose(list(by_points.goal(emotion=name).values()), np.asarray(centre), rtol=1e-6)
    with pytest.raises(UsageError, match=r"x=1.5 is outside of -1\.\.1"):
        by_points.goal(point=(1.5, 0.0))


def test_a_picture_out(editor, tmp_path):
    """The same of a file, a PIL picture and an array."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    whole = editor.edit(pixels, aus={"AU12": 1.0})
    assert isinstance(whole, Image.Image) and whole.size == (16, 16)
    for source in (tmp_path / "face.png", str(tmp_path / "face.png"), Image.fromarray(pixels), pixels / 255):
        assert np.array_equal(editor.edit(source, aus={"AU12": 1.0}), whole)
    face = edit_face(editor, editor.view(pixels), {8: 1.0}, 2)
    np.testing.assert_array_equal(whole, to_picture(face.frames[-1]))
    with pytest.raises(UsageError, match="none.png: no such picture"):
        editor.edit(tmp_path / "none.png", aus={"AU12": 1.0})


def test_a_reference(editor):
    """Its condition is taken; and nothing else can be asked for beside it."""
    source, reference = (np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8) for seed in (0, 1))
    taken = editor.condition_of(editor.view(reference)[None])
    wanted = to_picture(editor.edited(editor.view(source)[None], taken)[0])
    np.testing.assert_array_equal(editor.edit(source, reference=reference), wanted)
    for more in ({"aus": {"AU12": 1.0}}, {"emotion": "happiness"}, {"point": (0.0,) * 17}):
        with pytest.raises(UsageError, match="a reference goes without aus, emotion and point"):
            editor.edit(source, reference=reference, **more)


def test_at_an_intensity():
    points = {"neutral": np.array([0.2, 0.0]), "anger": np.array([0.6, -0.4])}
    np.testing.assert_allclose(at_intensity(points, "anger", 0.5), (0.4, -0.2), rtol=1e-6)
    np.testing.assert_allclose(at_intensity({"happiness": np.array([0.8])}, "happiness", 0.25), 0.2, rtol=1e-6)


def test_several_faces_of_one_photograph(by_points):
    photo = np.random.default_rng(0).uniform(0, 1, (40, 80, 3)).astype(np.float32)
    detector = paste.Given((paste.Box(0, 0, 30, 30), paste.Box(50, 5, 20, 20)))
    whole, faces = edit_photograph(by_points, photo, detector, {0: 0.6, 1: 0.4}, 2)
    assert len(faces) == 2 and np.abs(whole - photo)[:30, :30].max() > 0.01 < np.abs(whole - photo)[5:25, 50:70].max()
    np.testing.assert_array_equal(whole[:, 31:49], photo[:, 31:49])


def test_systems_that_do_not_edit(tiny):
    with pytest.raises(UsageError, match="a run of tdgan, which edits nothing"):
        Editor(open_run(tiny.folder))
