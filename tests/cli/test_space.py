"""The pictures of a learned space: regions by the space's own rule, cells by an independent recogniser's."""

import csv

import numpy as np
import pytest
from PIL import Image

from fer_jax import data
from fer_jax.cli import common, edit, space
from fer_jax.core.errors import UsageError
from fer_jax.faces import paste
from fer_jax.report import space as report


@pytest.fixture
def face(tmp_path):
    path = tmp_path / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)).save(path)
    return str(path)


@pytest.fixture
def learned(tiny_space):
    return lambda kind, dimensions: space.Space.of(common.open_workdir(tiny_space(kind, dimensions).folder, step=None))


def test_all_pictures_without_the_data(tiny_space, face, tmp_path, command, monkeypatch):
    """As of a published generator: nothing but its weights and a file."""

    def refuse(*args, **kwargs):
        raise AssertionError("the data set was opened")

    workdir, out = tiny_space("gaussian", 2).folder, tmp_path / "out"
    monkeypatch.setattr(data, "open_data", refuse)
    flags = [f"--workdir={workdir}", f"--out={out}", "--side=4", "--frames=3"]
    command(space, *flags, "--walk=-0.5,0:0.5,1", "--circle=0.7", names=[face])
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
    command(space, *flags, f"--judge={tiny_emotion.folder}", "--walk=0,0,0:0.1,0.2,0.3", names=["test:0"])
    with (out / "test-0-map.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [sum(float(row[axis]) == 0 for row in rows) for axis in "xyz"] == [4, 4, 4]
    trained = common.open_workdir(tiny_emotion.folder, step=None)
    assert {row["judged"] for row in rows} <= set(trained.spec.classes["expression"])


def test_regions_of_normals_are_where_the_distance_is_least(learned):
    made = learned("gaussian", 2)
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype(np.float32)
    labels, shares, distances = made.label(points)
    off = points[:, None].astype(np.float64) - np.asarray(made.learned.centres)
    squares = np.einsum("nki,kij,nkj->nk", off, np.asarray(made.learned.precisions, np.float64), off)
    np.testing.assert_array_equal(labels, squares.argmin(1))
    np.testing.assert_allclose(distances, np.sqrt(squares), rtol=1e-3, atol=1e-3)
    wanted = np.exp(-squares) / np.exp(-squares).sum(1, keepdims=True)
    np.testing.assert_allclose(shares, wanted.max(1), rtol=1e-2)
    np.testing.assert_allclose(made.centres, made.learned.centres, rtol=1e-6)


def test_regions_of_rays_are_those_of_the_nearest(learned):
    made = learned("linear", 2)
    directions = np.asarray(made.learned.directions)
    labels, shares, distances = made.label(0.6 * directions[1:])
    np.testing.assert_array_equal(labels, np.arange(1, len(directions)))
    np.testing.assert_allclose(shares, 0.6, rtol=1e-5)
    assert distances is None and made.label(np.full((1, 2), 0.1, np.float32))[0] == 0
    ((plane, points),) = made.planes(5)
    assert plane.inside.sum() == 13 and not plane.inside[0] and plane.labels[0, 0] == -1  # the corners are outside
    np.testing.assert_array_equal(points[0], (-1, 1))


def test_the_grid_is_the_face_at_its_points(learned):
    made = learned("gaussian", 2)
    picture = np.random.default_rng(0).uniform(0, 1, (16, 16, 3)).astype(np.float32)
    ((_, points),) = made.planes(7)  # more than go through the network together
    drawn = made.draw(picture, points)
    trained = made.trained
    for i in (0, 30, 48):
        alone = trained.runner.edit(trained.state, picture[None], points[i : i + 1])
        np.testing.assert_allclose(drawn[i], np.asarray(alone)[0], atol=1e-5)


def test_ways(learned):
    made = learned("linear", 3)
    np.testing.assert_allclose(made.walk("0,0,0:0,0.6,-0.8", 3)[1], (0, 0.3, -0.4))
    circle = made.circle(0.5, 4)
    np.testing.assert_allclose(circle, [(0.5, 0, 0), (0, 0.5, 0), (-0.5, 0, 0), (0, -0.5, 0)], atol=1e-6)
    assert made.circle(1.0, 7).shape == (7, 3)


@pytest.mark.parametrize(
    ("kind", "walk", "says"),
    [
        ("gaussian", "0,0", "write two points, X,Y:X,Y"),
        ("gaussian", "0,0:0,0,0", "write two points"),
        ("gaussian", "0,0:a,0", "write two points"),
        ("gaussian", "0,0:0,1.5", "the point 0,1.5 is outside of the space, which is from -1 to 1"),
        ("gaussian", "0,0:nan,0", "outside of the space"),
        ("linear", "0,0:0.8,0.8", "the point 0.8,0.8 is outside of the space, which is at most 1 from the origin"),
    ],
)
def test_walks_that_are_none(learned, kind, walk, says):
    with pytest.raises(UsageError, match=f"--walk={walk}: .*{says}"):
        learned(kind, 2).walk(walk, 3)


@pytest.mark.parametrize("radius", [1.1, 0, -0.5, float("nan")])
def test_circles_that_are_none(learned, radius):
    with pytest.raises(UsageError, match=f"--circle={radius:g}: "):
        learned("gaussian", 2).circle(radius, 3)


def test_other_mistakes(tiny_space, tiny_editor, face, command, tmp_path):
    workdir = f"--workdir={tiny_space('gaussian', 2).folder}"
    for flags, names, says in (
        ([], [face], "--workdir: missing"),
        ([workdir], ["none.png"], "no such picture"),
        ([workdir, f"--judge={tmp_path / 'none'}"], [face], "--judge: .*no run"),
        ([workdir, f"--judge={tiny_editor.folder}"], [face], "which recognises no expressions"),
        ([f"--workdir={tiny_editor.folder}"], [face], "a run of au_cyclegan; this tool takes ganmut"),
    ):
        with pytest.raises(UsageError, match=says):
            command(space, *flags, f"--out={tmp_path / 'out'}", names=names)
    assert not (tmp_path / "out").exists()


# ---- what is drawn --------------------------------------------------------------------------------------------------


def plane(**changes):
    fine = np.zeros((40, 40), int)
    fine[:, 20:] = 1
    fields = {
        "axes": ("x", "y"),
        "points": space._lattice(3),
        "inside": np.ones(9, bool),
        "labels": fine,
        "shares": np.ones((40, 40)),
        "distances": None,
        "centres": np.array([(-0.5, 0.5), (0.5, -0.5)]),
        "off": np.zeros(2),
    }
    return report.Plane(**fields | changes)


def middle(image, colour, least):
    rows, cols = np.nonzero((np.abs(np.asarray(image).astype(int) - colour) <= 1).all(-1))
    assert len(rows) >= least, colour
    return cols.mean(), rows.mean()


def test_pictures_lie_at_their_points_on_the_regions():
    tints = [(1, 1, 0), (0, 1, 0), (0, 0, 1)]  # top left, top right, bottom left
    pictures = np.full((9, 4, 4, 3), 0.5)
    for place, tint in zip((0, 2, 6), tints, strict=True):
        pictures[place] = tint
    image = report.grid([(plane(), pictures)], ("anger", "happiness"))
    (left, top), (right, level), (below, bottom) = (middle(image, 255 * np.array(t), 5000) for t in tints)
    assert abs(left - below) < 2 < right - left and abs(top - level) < 2 < bottom - top
    palette = report.colours(("anger", "happiness"))
    first, second = (middle(image, np.round(255 * np.array(palette[c])), 1000) for c in ("anger", "happiness"))
    assert first[0] < second[0]


def test_cells_of_the_map_have_the_judges_colour_and_certainty():
    shares = np.tile([0.0, 1.0], (9, 1))
    shares[0], shares[8] = (1, 0), (0.4, 0.6)
    inside = np.ones(9, bool)
    inside[2] = False
    image = report.judged([(plane(inside=inside), shares)], "a judge", ("fear", "neutral"), ("anger", "happiness"))
    blue = np.array(report.colours(("neutral",))["neutral"])
    paler = middle(image, np.round(255 * (1 - 0.6 * (1 - blue))), 5000)
    black = middle(image, np.zeros(3), 5000)
    full = middle(image, np.round(255 * blue), 20000)
    assert black[0] < full[0] < paler[0] and black[1] < full[1] < paler[1]


def test_a_class_has_one_colour_under_all_its_names():
    palette = report.colours(("Angry", "anger", "boredom", "envy"))
    assert palette["Angry"] == palette["anger"] and len({*palette.values()}) == 3


# ---- whole photographs ----------------------------------------------------------------------------------------------


def test_edit_writes_the_whole_photograph(tiny_space, tmp_path, command):
    photo, out = tmp_path / "photo.png", tmp_path / "out"
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(photo)
    flags = [f"--workdir={tiny_space('gaussian', 2).folder}", "--at=0.6,0.4", f"--out={out}", "--frames=2"]
    command(edit, *flags, "--box=20,10,32,32", "--blend=poisson", names=[str(photo)])
    assert sorted(path.name for path in out.iterdir()) == ["photo-sheet.png", "photo.gif", "photo.png"]
    with Image.open(out / "photo.png") as edited:
        found = np.asarray(edited)
    outside = np.ones((60, 80), bool)
    outside[10:42, 20:52] = False
    np.testing.assert_array_equal(found[outside], pixels[outside])
    assert (found != pixels).any()
    for box, says in (("60,0,40,20", "not within the picture, which is 80 x 60"), ("1,2", "write X,Y,WIDTH,HEIGHT")):
        with pytest.raises(UsageError, match=says):
            command(edit, *flags, f"--box={box}", names=[str(photo)])


def test_several_faces_of_one_photograph(tiny_space):
    trained = common.open_workdir(tiny_space("gaussian", 2).folder, step=None)
    photo = np.random.default_rng(0).uniform(0, 1, (40, 80, 3)).astype(np.float32)
    detector = paste.Given((paste.Box(0, 0, 30, 30), paste.Box(50, 5, 20, 20)))
    whole, faces = edit.in_photograph(trained, photo, detector, {0: 0.6, 1: 0.4}, 2)
    assert len(faces) == 2 and np.abs(whole - photo)[:30, :30].max() > 0.01 < np.abs(whole - photo)[5:25, 50:70].max()
    np.testing.assert_array_equal(whole[:, 31:49], photo[:, 31:49])
