import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.nn.crops import CROPS, crops


def test_parts():
    image = jnp.arange(2 * 48 * 48, dtype=jnp.float32).reshape(2, 48, 48, 1)
    assert {kind: len(crops(image, kind)) for kind in CROPS} == {"single": 1, "flip": 2, "ten": 10}
    ten = [np.asarray(part) for part in crops(image, "ten")]
    assert all(part.shape == (2, 44, 44, 1) for part in ten)
    whole = np.asarray(image)
    np.testing.assert_array_equal(ten[3], whole[:, 4:, 4:])  # the last corner
    np.testing.assert_array_equal(ten[4], whole[:, 2:-2, 2:-2])  # the middle
    np.testing.assert_array_equal(ten[8], whole[:, 4:, 4:][:, :, ::-1])
    with pytest.raises(ValueError, match="'five' is not one of single, flip, ten"):
        crops(image, "five")
