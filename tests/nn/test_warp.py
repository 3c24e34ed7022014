import jax
import jax.numpy as jnp
import numpy as np

from fer_jax.nn.warp import REACH, MovingHead, warp

PICTURE = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 8, 8, 3)), jnp.float32)


def test_no_flow_and_whole_pixels():
    np.testing.assert_array_equal(warp(PICTURE, jnp.zeros((2, 8, 8, 2))), PICTURE)
    one_down = jnp.zeros((2, 8, 8, 2)).at[..., 0].set(1 / 8)
    moved = np.asarray(warp(PICTURE, one_down))
    np.testing.assert_allclose(moved[:, :-1], PICTURE[:, 1:], atol=1e-6)
    np.testing.assert_allclose(moved[:, -1], PICTURE[:, -1], atol=1e-6)  # the edge is repeated


def test_between_pixels_and_its_derivative():
    """A ramp moved by a part of a pixel rises by that part; the derivative by the flow is the slope times the side."""
    ramp = jnp.broadcast_to(jnp.arange(8.0)[None, None, :, None], (1, 8, 8, 1))
    flow = jnp.zeros((1, 8, 8, 2)).at[..., 1].set(0.3 / 8)
    np.testing.assert_allclose(warp(ramp, flow)[0, 2, 2:6, 0], np.arange(2, 6) + 0.3, atol=1e-5)
    slope = jax.grad(lambda f: warp(ramp, f)[0, 2, 3, 0])(flow)
    np.testing.assert_allclose(slope[0, 2, 3], [0, 8], atol=1e-4)


def test_a_new_head_keeps_most_of_the_picture_and_moves_nothing():
    head, x = MovingHead(3), jnp.ones((2, 4, 4, 5))
    params = head.init(jax.random.key(0), x, PICTURE)
    first = np.abs(head.apply(params, x, PICTURE) - PICTURE)
    assert 0 < first.mean() < 0.3 and first.max() < 0.7
    moving = jax.tree.map(jnp.zeros_like, params)
    moving["params"]["flow"]["bias"] = jnp.array([0.0, 50.0])
    expected = 0.7310586 * warp(PICTURE, jnp.zeros((2, 8, 8, 2)).at[..., 1].set(REACH))  # painted over with grey, 0
    np.testing.assert_allclose(head.apply(moving, x, PICTURE), expected, atol=1e-5)
