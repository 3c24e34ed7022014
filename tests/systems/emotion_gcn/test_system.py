import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from fer_jax.core.errors import UsageError
from fer_jax.core.spec import DataSpec
from fer_jax.systems.emotion_gcn import correlation, graph
from fer_jax.systems.emotion_gcn.system import inverse_frequency
from tests.typed import build

AFFECTNET = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
AFFWILD2 = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise")


def config(**changes):
    tree = ConfigDict(
        {
            "system": "emotion_gcn",
            "precision": "float32",
            "model": {"kind": "emotion_gcn", "backbone": "bregnext", "depths": (1, 1), "width": 4, "hidden": 8},
            "graph": {"correlation": "", "glove": "", "width": 12, "seed": 0},
            "loss": {"lambda_multi": 1.0, "ccc": "mixed", "class_counts": {}},
            "optim": {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-3, "decay": 0.1, "decay_epochs": 10},
        }
    )
    tree.update_from_flattened_dict(changes)
    return tree


def spec(classes=AFFECTNET):
    return DataSpec(16, 3, 5, {"expression": classes})


def batch(count=6, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "face": {
            "image": jnp.asarray(rng.uniform(size=(count, 16, 16, 3)), jnp.float32),
            "expression": jnp.asarray(rng.integers(0, 7, count)),
            "valence": jnp.asarray(rng.uniform(-1, 1, count), jnp.float32),
            "arousal": jnp.asarray(rng.uniform(-1, 1, count), jnp.float32),
        }
    }


def one_step(system, state, examples):
    return jax.jit(system.train_step, static_argnums=3)(state, examples, jax.random.key(1), system.phase(0))


@pytest.mark.parametrize("kind", [pytest.param("single_task", marks=pytest.mark.slow), "multi_task", "emotion_gcn"])
@pytest.mark.parametrize("backbone", ["densenet", "bregnext"])
def test_every_kind_learns_a_batch(kind, backbone):
    system = build(config(**{"model.kind": kind, "model.backbone": backbone, "optim.lr": 0.03}), spec())
    before, examples = system.init(jax.random.key(0)), batch()
    step = jax.jit(system.train_step, static_argnums=3)
    state, first = step(before, examples, jax.random.key(1), "train")
    for _ in range(60):
        state, last = step(state, examples, jax.random.key(1), "train")
    assert last["loss/total"] < 0.8 * first["loss/total"]
    assert ("loss/va" in first) == (kind != "single_task")
    moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), before.nets["net"].params, state.nets["net"].params)
    assert all(jax.tree.leaves(moved))
    stats = [s.nets["net"].stats for s in (before, state)]
    assert not np.allclose(*(jax.tree.leaves(s["batch_stats"])[0] for s in stats))
    if kind == "emotion_gcn":  # the graph is a constant
        for a, b in zip(*(s["graph"].values() for s in stats), strict=True):
            np.testing.assert_array_equal(a, b)
    figures = system.score(jax.device_get(system.eval_step(state, examples, jax.random.key(0))))
    assert set(figures) == {"expression", *(("valence", "arousal", "mean") if kind != "single_task" else ())}


def test_lambda_multi_weighs_the_second_loss():
    totals = {}
    for weight in (0.0, 1.0, 3.0):
        system = build(config(**{"loss.lambda_multi": weight}), spec())
        _, totals[weight] = one_step(system, system.init(jax.random.key(0)), batch())
    for weight, metrics in totals.items():
        expected = metrics["loss/expression"] + weight * metrics["loss/va"]
        np.testing.assert_allclose(metrics["loss/total"], expected, rtol=1e-6)


def test_a_batch_of_one_is_finite():
    system = build(config(), spec())
    state, metrics = one_step(system, system.init(jax.random.key(0)), batch(1))
    assert all(np.isfinite(value) for value in metrics.values())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.nets["net"].params))


def test_another_class_order_is_the_same_network_with_other_columns():
    """Aff-Wild2 numbers the classes differently: links and word vectors follow the names."""
    ours, theirs = (build(config(), spec(order)) for order in (AFFECTNET, AFFWILD2))
    state, image = ours.init(jax.random.key(0)), batch()["face"]["image"]
    first = ours.predict(state, image)
    second = theirs.predict(theirs.init(jax.random.key(0)), image)
    order = [AFFECTNET.index(name) for name in AFFWILD2]
    np.testing.assert_allclose(second.logits, first.logits[:, jnp.array(order)], atol=1e-5)
    np.testing.assert_allclose(second.valence_arousal, first.valence_arousal, atol=1e-5)


def test_a_prepared_state_predicts_the_same():
    system = build(config(), spec())
    state, examples = system.init(jax.random.key(0)), batch()
    ready = system.prepare(state)
    assert set(ready.extra) == {"classifier"}
    for a, b in zip(
        system.predict(state, examples["face"]["image"]), system.predict(ready, examples["face"]["image"]), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_grey_pictures_are_taken():
    system = build(config(), spec()._replace(channels=1))
    examples = batch()
    examples["face"]["image"] = examples["face"]["image"][..., :1]
    _, metrics = one_step(system, system.init(jax.random.key(0)), examples)
    assert np.isfinite(metrics["loss/total"])


def test_correlations_and_word_vectors_from_files(tmp_path):
    names = (*AFFECTNET, "contempt")
    correlation.write(tmp_path / "c.json", names, np.ones((10, 10)))
    lines = [f"{word} {i} 0.5 1" for i, word in enumerate(graph.node_words(names))]
    (tmp_path / "glove.txt").write_text("\n".join(lines))
    files = {"graph.correlation": str(tmp_path / "c.json"), "graph.glove": str(tmp_path / "glove.txt")}
    system = build(config(**files), spec(names))
    assert system.graph.nodes.shape == (10, 3) and system.words == "GloVe"
    np.testing.assert_allclose(system.graph.adjacency[0], [0.5, *[0] * 7, 0.25, 0.25])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model.kind": "gcn"}, "config.model.kind: 'gcn'"),
        ({"model.backbone": "resnet"}, "config.model.backbone: 'resnet'"),
        ({"loss.ccc": "best"}, "config.loss.ccc"),
        ({"optim.lr": 0.0}, "config.optim"),
        ({"graph.glove": "/no/such/file"}, "/no/such/file"),
        ({"graph.correlation": "/no/such/file"}, "/no/such/file"),
    ],
)
def test_bad_configs_are_named(changes, says):
    with pytest.raises(UsageError, match=says):
        build(config(**changes), spec())


def test_sides_that_bregnext_cannot_halve():
    with pytest.raises(UsageError, match="image_size: bregnext needs a multiple of 2, got 15"):
        build(config(), spec()._replace(image_size=15))


def test_class_weights_go_by_name():
    assert inverse_frequency({"happy": 4, "fear": 2}, ("fear", "happiness")) == (1.0, 0.5)
    assert inverse_frequency({}, AFFECTNET) == ()
    with pytest.raises(UsageError, match="'happiness'"):
        inverse_frequency({"fear": 2}, ("fear", "happiness"))
    with pytest.raises(UsageError, match="'fear'"):
        inverse_frequency({"fear": 0}, ("fear",))
