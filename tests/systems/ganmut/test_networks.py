"""GANmut's networks and spaces beyond the parity fixtures: sizes, counts, geometry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.systems.ganmut import networks as models
from fer_jax.systems.ganmut.networks import Discriminator, GaussianSpace, Generator, LinearSpace, Normals, Rays


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def variables(module, *args):
    return jax.eval_shape(lambda: module.init(jax.random.key(0), *args))


@pytest.mark.parametrize(
    ("kind", "dimensions", "gen", "disc"),
    [
        ("linear", 2, 8_421_138, 44_794_816),
        ("linear", 3, 8_424_280, 44_803_008),
        ("gaussian", 2, 8_421_155, 44_794_816),
        ("gaussian", 3, 8_424_340, 44_803_008),
    ],
)
def test_parameter_counts_are_the_references(kind, dimensions, gen, disc):
    shape = {"space_kind": kind, "dimensions": dimensions}
    x, points = jnp.zeros((2, 128, 128, 3)), jnp.zeros((2, dimensions))
    found = variables(Generator(**shape), x, points)
    assert count(found["params"]) + count(found.get("unused", {})) == gen
    assert count(variables(Discriminator(**shape), x)["params"]) == disc


@pytest.mark.parametrize(("size", "stages", "patches"), [(128, 6, 2), (48, 4, 3), (16, 4, 1), (64, 3, 8)])
def test_other_sizes_and_depths(size, stages, patches):
    x, points = jnp.zeros((2, size, size, 3)), jnp.zeros((2, 2))
    gen, disc = Generator(width=4, blocks=1), Discriminator(width=4, stages=stages, classes=5)
    drawn = jax.eval_shape(lambda: gen.init_with_output(jax.random.key(0), x, points))[0]
    seen = jax.eval_shape(lambda: disc.init_with_output(jax.random.key(0), x))[0]
    assert drawn.shape == x.shape and seen.realism.shape == (2, patches, patches)
    assert seen.classes.shape == (2, 5) and seen.points.shape == (2, 2)


def test_running_statistics_move_only_in_training_and_change_nothing():
    x, points = jax.random.uniform(jax.random.key(1), (3, 16, 16, 3)), jnp.zeros((3, 2))
    gen = Generator(width=4, blocks=1)
    made = dict(jax.jit(gen.init)(jax.random.key(0, impl="unsafe_rbg"), x, points))
    other = jax.tree.map(lambda leaf: leaf + 7, made["batch_stats"])
    still = jax.jit(gen.apply)(made, x, points)
    drawn, moved = jax.jit(lambda variables: gen.apply(variables, x, points, mutable=["batch_stats"]))(
        made | {"batch_stats": other}
    )
    np.testing.assert_allclose(drawn, still, atol=1e-6)
    assert all(np.any(a != b) for a, b in zip(jax.tree.leaves(moved), jax.tree.leaves(other), strict=True))


def space(module):
    params = module.init(jax.random.key(3))
    return module.apply(params)


def test_linear_space():
    rays = space(LinearSpace(classes=7, dimensions=3))
    np.testing.assert_allclose(np.linalg.norm(rays.directions, axis=1), [0, 1, 1, 1, 1, 1, 1], rtol=1e-6)
    modes = rays.modes(0.9)
    np.testing.assert_array_equal(rays.label(modes), np.arange(7))
    np.testing.assert_array_equal(rays.label(0.19 * rays.directions), np.zeros(7))
    points = rays.at(jnp.array([0, 3]), jnp.array([1.0, 0.5]))
    np.testing.assert_allclose(points, np.stack([np.zeros(3), rays.directions[3] / 2]), rtol=1e-6)


def test_a_direction_of_length_0_has_a_finite_gradient():
    assert np.isfinite(jax.grad(lambda x: models.lengths(x).sum())(jnp.zeros((2, 3)))).all()


def test_gaussian_plane_is_a_turned_ellipse():
    """By the definition: R diag(|l|) R^T, inverted."""
    angles, axes = np.array([0.3, -1.2]), np.array([[2.0, -0.5], [-0.1, 3.0]])
    precisions = models._precisions_2d(jnp.asarray(angles), jnp.asarray(axes))
    for angle, axis, precision in zip(angles, axes, precisions, strict=True):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        covariance = turn @ np.diag(np.abs(axis)) @ turn.T
        np.testing.assert_allclose(precision, np.linalg.inv(covariance), rtol=1e-4, atol=1e-5)
    assert np.isfinite(models._precisions_2d(jnp.zeros(1), jnp.zeros((1, 2)))).all()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_gaussian_space(dimensions):
    normals = space(GaussianSpace(classes=5, dimensions=dimensions))
    assert (np.linalg.eigvalsh(np.asarray(normals.precisions, np.float64)) > 0).all()  # distances are distances
    distances = normals.distances(normals.centres)
    np.testing.assert_allclose(np.diag(distances), np.zeros(5), atol=1e-4)
    np.testing.assert_array_equal(normals.label(normals.centres), np.arange(5))


def test_distances_are_mahalanobis():
    rng = np.random.default_rng(0)
    raw, points, root = rng.normal(size=(3, 2)), rng.uniform(-1, 1, (4, 2)), rng.normal(size=(3, 2, 2))
    precisions = root @ root.swapaxes(1, 2)
    found = Normals(jnp.asarray(raw), jnp.asarray(precisions)).distances(jnp.asarray(points))
    expected = [[(p - np.tanh(m)) @ c @ (p - np.tanh(m)) for m, c in zip(raw, precisions, strict=True)] for p in points]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_only_the_reference_shares_columns_of_covariances():
    """Which of the parameters the precisions depend on."""
    used = {}
    for reference in (False, True):
        module = GaussianSpace(classes=4, dimensions=3, reference=reference)
        params = module.init(jax.random.key(0))["params"]
        grads = jax.grad(lambda p, m=module: jnp.square(m.apply({"params": p}).precisions).sum())(params)
        used[reference] = np.any(np.asarray(grads["covariances_list"]["weight"]) != 0, axis=0)
    assert used[False].all() and used[True].tolist() == [True] * 6 + [False] * 6


def test_polar_and_back():
    points = jax.random.uniform(jax.random.key(0), (20, 2), minval=-1, maxval=1)
    np.testing.assert_allclose(models.from_polar(models.polar(points)), points, atol=1e-6)


def test_rays_are_a_pytree():
    assert len(jax.tree.leaves(Rays(jnp.zeros((2, 2))))) == 1
