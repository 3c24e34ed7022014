import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import face_evaluator as configs
from fer_jax.core.spec import DataSpec
from fer_jax.systems.face_evaluator.networks import Gallery
from tests.typed import build


@pytest.fixture(scope="module")
def system():
    config = configs.get_config("tiny")
    config.model.update(depths=(1, 1), width=4, embedding=8)
    return build(config, DataSpec(16, 3, 10, {"expression": ("a", "b")}))


def test_a_gallery_says_scaled_cosines():
    gallery = Gallery(2, scale=16.0)
    said = gallery.apply({"params": {"faces": jnp.array([[3.0, 0.0], [0.0, -2.0]])}}, jnp.array([[0.6, 0.8]]))
    np.testing.assert_allclose(said, [[9.6, -12.8]], rtol=1e-6)


def test_score_of_answers_without_error(system):
    rng = np.random.default_rng(0)
    aus, people = rng.uniform(0, 1, (6, 17)), np.array([0, 0, 1, 1, 2, 2])
    labels = np.array([0, 1, 0, 1, 0, 1])
    figures = system.score(
        {
            "aus": aus,
            "true_aus": aus,
            "logits": 9 * np.eye(2)[labels],
            "true_expression": labels,
            "code": np.eye(3)[people],
            "true_identity": people,
        }
    )
    assert figures["aus"]["ccc"] == pytest.approx(1) and figures["aus"]["mae"] == 0
    assert figures["aus"]["units"][8] == "AU12" and len(figures["aus"]["ccc_of_units"]) == 17
    assert figures["expression"]["accuracy"] == 1 and figures["identity"]["auc"] == 1


@pytest.mark.slow
def test_every_task_trains_the_trunk(system):
    state = system.init(jax.random.key(0))
    face = {
        "image": jax.random.uniform(jax.random.key(1), (4, 16, 16, 3)),
        "aus": jnp.full((4, 17), 0.3),
        "expression": jnp.array([0, 1, 0, 1]),
        "identity": jnp.array([0, 1, 2, 3]),
    }
    net, gallery = state.nets["net"], state.nets["gallery"]

    def of(name):
        def loss(params):
            batch = {"face": face, "free": face}
            terms, _ = system.loss({"net": params, "gallery": gallery.params}, net.stats, batch)[1]
            return terms[name]

        return jax.grad(loss)(net.params)["features"]["conv0"]["kernel"]

    for name in ("aus", "expression", "identity"):
        assert float(jnp.abs(of(name)).max()) > 0, name
