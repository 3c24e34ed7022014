"""A learned space: regions by its own rule, and points of ways through it."""

import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.evaluation.space import Space
from fer_jax.inference.editor import Editor
from fer_jax.inference.loading import open_run


@pytest.fixture
def learned(tiny_space):
    return lambda kind, dimensions: Space.of(Editor(open_run(tiny_space(kind, dimensions).folder)))


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


def test_planes_of_a_space_in_three_dimensions(learned):
    planes = learned("gaussian", 3).planes(2)
    assert [plane.axes for plane, _ in planes] == [("x", "y"), ("x", "z"), ("y", "z")]
    for (plane, points), other in zip(planes, (2, 1, 0), strict=True):
        assert not points[:, other].any() and np.array_equal(np.delete(points, other, 1), plane.points)


def test_the_grid_is_the_face_at_its_points(learned):
    made = learned("gaussian", 2)
    picture = np.random.default_rng(0).uniform(0, 1, (16, 16, 3)).astype(np.float32)
    ((_, points),) = made.planes(7)  # more than go through the network together
    drawn = made.draw(picture, points)
    run = made.editor.run
    for i in (0, 30, 48):
        alone = run.runner.edit(run.state, picture[None], points[i : i + 1])
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
