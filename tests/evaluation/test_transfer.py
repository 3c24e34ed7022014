"""The evaluator of transfers is another run, gets every test image once, and the right images."""

import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.core.errors import UsageError
from fer_jax.evaluation import transfer
from fer_jax.inference.loading import open_run
from tests.inference.runs import untrained
from tests.typed import open_data


@pytest.mark.slow
def test_what_is_scored(loaded, tiny_config, tmp_path):
    """The expression images' logits are those of the evaluator's own evaluation; the other kinds' differ from them."""
    evaluator = open_run(untrained(tiny_config(), tmp_path, seed=1).folder)
    data = open_data(loaded.config)
    found = transfer.logits(loaded, evaluator, data)
    batch = next(iter(data.evaluate("test")))
    image, mask = jnp.asarray(batch["expression"]["image"]), batch["mask"]["mask"]
    expected = np.asarray(evaluator.system.predict(evaluator.state, image).logits)[mask]
    np.testing.assert_allclose(found["expression"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["label"], batch["expression"]["expression"][mask])
    assert not np.allclose(found["generated"], expected) and not np.allclose(found["face"], found["generated"])


def test_no_evaluator_of_itself_nor_of_other_images(loaded, tiny_emotion, tiny_generator):
    with pytest.raises(UsageError, match="is the run to be scored"):
        transfer.check(loaded, loaded)
    with pytest.raises(UsageError, match="takes images of size 16, the run to be scored makes 32"):
        transfer.check(loaded, open_run(tiny_emotion.folder))
    with pytest.raises(UsageError, match="a run of dcgan, which recognises no expressions"):
        transfer.check(loaded, open_run(tiny_generator.folder))
