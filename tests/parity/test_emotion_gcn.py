"""Emotion-GCN's networks and training steps against the reference's own numbers (spec, section 12)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from fer_jax.core import optimisers as optim
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.interop.torch_names import export_tree, import_tree
from fer_jax.nn.densenet import DenseNet
from fer_jax.nn.layers import max_pool
from fer_jax.systems.emotion_gcn import networks as models
from fer_jax.systems.emotion_gcn.system import EmotionGcn
from tests.parity.emotion_recipe import (
    AFFECTNET,
    DOUBLE,
    DOUBLE_GRAPH,
    GRADIENTS,
    SINGLE,
    SINGLE_DENSENET_TRAINING,
    WEIGHTS,
    EmotionFixture,
    check_norms,
    listed_losses,
    losses,
    nchw,
    nhwc,
    norms,
    one_percent_off,
)
from tests.parity.recipe import check_table

SYSTEM = "emotion_gcn"
KINDS = {"gcn": "emotion_gcn", "single": "single_task", "multi": "multi_task"}
STRONG = [f"densenet_{n}_strong" for n in ("gcn_112", "gcn_227", "single_112", "multi_112")]
STRONG += [f"bregnext_{n}_32_strong" for n in ("gcn", "single", "multi")]
EVAL_ONLY = ["densenet_single_227", "densenet_multi_227", "bregnext_single_112", "bregnext_multi_112"]
BOTH_MODES = [f"bregnext_{n}" for n in ("gcn_32", "single_32", "multi_32", "gcn_recipe_32", "gcn_112")]
BOTH_MODES += [f"densenet_{n}" for n in ("gcn_112", "gcn_227", "single_112", "multi_112")]
# One network of each backbone by default; compiling DenseNet's derivative alone takes a minute.
QUICK = ("densenet_gcn_112_strong", "bregnext_gcn_32")


@pytest.fixture
def load(parity_fixture):
    return lambda name: EmotionFixture(parity_fixture(SYSTEM, name).path)


class Case:
    """A fixture's network with its weights and inputs, in one float type."""

    def __init__(self, fixture, exactness):
        self.fixture, self.exactness, self.dtype = fixture, exactness, exactness.dtype
        self.backbone, kind = fixture.manifest["name"].split("_")[:2]
        self.net = models.EmotionNet(len(AFFECTNET), KINDS[kind], self.backbone)
        self.names = models.torch_names(self.backbone, KINDS[kind])
        given = fixture.numbered()
        self.x = nhwc(given[0] + 2 * given.get(4, np.float32(0)), self.dtype)
        self.labels, self.va = jnp.asarray(given[2]), jnp.asarray(given[3], self.dtype)
        self.variables, self.graph = self.weights(jnp.asarray(given[1], self.dtype) if 1 in given else None)
        self.stats = {"batch_stats": self.variables["batch_stats"]}
        if self.graph is not None:
            self.stats["graph"] = self.graph._asdict()
        rates = fixture.manifest.get("sgd", {"lr": 1e-3, "momentum": 0.9, "weight_decay": 1e-3})
        tx = optim.sgd(rates["lr"], rates["momentum"], rates["weight_decay"])
        data = DataSpec(self.x.shape[1], 3, 1, {"expression": AFFECTNET})
        self.system = EmotionGcn(self.net, tx, data, class_weights=WEIGHTS)

    def weights(self, nodes):
        """Variables and graph from the fixture's tensors, each of which must have its place."""
        links = np.zeros((len(nodes), len(nodes)), np.float32) if nodes is not None else None
        graph = None if nodes is None else models.Graph(links, nodes)
        template = jax.eval_shape(lambda: self.net.init(jax.random.key(0), self.x[:1], graph, train=False))
        if graph is not None:
            template = {**template, "graph": {"adjacency": links}}
        tensors = self.fixture.tensors()
        self.unused = {name: tensors.pop(name) for name in models.UNUSED_TENSORS if name in tensors}
        tree = import_tree(template, tensors, self.names, self.fixture.path.name)
        links = tree.pop("graph", {}).get("adjacency")
        variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, self.dtype), tree)
        return variables, None if nodes is None else models.Graph(links, nodes)

    def named(self, tree, collection):
        """Arrays of a tree in the reference's names."""
        return export_tree({collection: tree}, self.names)

    @functools.cached_property
    def run(self):
        """(variables, x, train) -> (prediction, outputs by the manifest's names, new running statistics)."""
        known = {name.split(".", 1)[1].removesuffix(".f64") for name in self.fixture.manifest["expected"]["outputs"]}

        def run(variables, x, train):
            wanted = lambda module, method: method in ("__call__", "pool")  # noqa: E731
            prediction, kept = self.net.apply(
                variables, x, self.graph, train=train, capture_intermediates=wanted, mutable="batch_stats"
            )
            inside = {n: v if n == "__call__" else v["__call__"] for n, v in kept["intermediates"]["features"].items()}
            inside = {name: value[0] for name, value in inside.items()}
            outputs = inside | {"out_cat": prediction.logits, "out_cont": prediction.valence_arousal}
            outputs["pooling"] = outputs["_model.7"] = kept["intermediates"]["pool"][0][:, None, None, :]
            if self.backbone == "densenet":
                outputs["pool0"] = stem(inside)
            else:
                outputs |= {"_conv0": inside["conv0"], "_model.5": inside["norm"], "_model.6": inside["__call__"]}
                outputs |= {f"_model.{i}": inside[f"stage{i}"] for i in range(5)}
            return prediction, {name: outputs[name] for name in known}, kept.get("batch_stats")

        return jax.jit(run, static_argnums=2)

    @functools.cached_property
    def gradients(self):
        """Weights of the two losses -> gradients by the reference's names; one program for all of them."""

        def loss(params, weights):
            _, (terms, _, _) = self.system.loss(params, self.stats, self.x, self.labels, self.va)
            return weights[0] * terms["expression"] + weights[1] * terms.get("va", 0)

        grad = jax.jit(jax.grad(loss))
        return lambda weights: self.named(grad(self.variables["params"], jnp.asarray(weights, self.dtype)), "params")

    def exactness_of(self, mode):
        if self.exactness is SINGLE and self.backbone == "densenet" and mode == "train":
            return SINGLE_DENSENET_TRAINING
        return DOUBLE_GRAPH if self.exactness is DOUBLE and self.graph is not None else self.exactness

    def check_pass(self, mode):
        """Outputs, losses and running statistics of one forward pass."""
        manifest, exactness = self.fixture.manifest, self.exactness_of(mode)
        prediction, outputs, stats = self.run(self.variables, self.x, mode == "train")
        double = exactness.double
        named = {f"{mode}.{name}{'.f64' * double}": nchw(value) for name, value in outputs.items()}
        expected = [name for name in manifest["expected"]["outputs"] if name.endswith(".f64") == double]
        self.fixture.check({name: named[name] for name in expected if name.startswith(mode)}, of_std=exactness.outputs)
        if table := listed_losses(manifest, mode, exactness):
            actual = losses(prediction.logits, prediction.valence_arousal, self.labels, self.va)
            check_table(actual, table, relative=exactness.losses)
        if mode == "train":
            buffers, table = norms(self.named(stats, "batch_stats")), manifest["bn_buffers_l2_after_one_train_forward"]
            assert set(buffers) == set(table)
            check_table(buffers, table, relative=exactness.losses)

    def check_gradients(self, name, table):
        """Every parameter's gradient norm."""
        actual, exactness = norms(self.gradients(GRADIENTS[name])), self.exactness_of("train")
        check_norms(actual, table, exactness)

    def check(self):
        """All that the manifest has."""
        names = self.fixture.manifest["expected"]["outputs"]
        for mode in dict.fromkeys(name.split(".")[0] for name in names):
            self.check_pass(mode)
        for name, table in self.fixture.manifest["grad_norms"].items():
            self.check_gradients(name.removeprefix("train."), table)


def stem(inside):
    return max_pool(nn.relu(inside["norm0"]), 3, 2, 1)


def slow_unless_quick(names):
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", slow_unless_quick(STRONG + EVAL_ONLY + BOTH_MODES))
def test_network(load, name):
    """In float32, as it is trained."""
    case = Case(load(name), SINGLE)
    case.check()
    if name in QUICK:  # the comparison itself can fail, and each part of the fixture enters it
        whole = case.fixture
        parts = ["expected", "losses"]
        if name in BOTH_MODES:
            parts += ["bn_buffers_l2_after_one_train_forward", "grad_norms"]
        for part in parts:
            case.fixture = one_percent_off(whole, part)
            with pytest.raises(AssertionError):
                case.check()


@pytest.mark.slow
@pytest.mark.parametrize("name", STRONG + BOTH_MODES)
def test_network_in_float64(load, name):
    with jax.enable_x64(True):
        Case(load(name), DOUBLE).check()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet_features_112", "densenet_features_227"])
def test_densenet_features(load, name):
    fixture = load(name)
    x, net = nhwc(fixture.numbered()[0]), DenseNet()
    template = jax.eval_shape(lambda: net.init(jax.random.key(0), x, train=False))
    variables = import_tree(template, fixture.tensors("features."), [(r"^(params|batch_stats)(\.|$)", "")], name)

    @jax.jit
    def run(variables, x):
        _, kept = net.apply(variables, x, train=False, capture_intermediates=True)
        inside = {name: value["__call__"][0] for name, value in kept["intermediates"].items() if name != "__call__"}
        inside["pool0"] = stem(inside)
        return {name: inside[name.removeprefix("eval.")] for name in fixture.manifest["expected"]["outputs"]}

    fixture.check({name: nchw(value) for name, value in run(variables, x).items()}, of_std=SINGLE.outputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bregnext_gcn_32", "densenet_gcn_112"])
def test_sgd_steps(load, name):
    """Whole training steps of the system in float64: losses, and every parameter's norm at the end."""
    fixture = load(name)
    sgd = fixture.manifest["sgd"]
    with jax.enable_x64(True):
        case = Case(fixture, DOUBLE)
        system = case.system
        # The step normalises its pictures: these come out of that as the fixture's.
        black, white = (system.normalise(jnp.full((1, 1, 1, 3), level, np.float64)) for level in (0, 1))
        image = (case.x - black) / (white - black)
        batch = {
            "face": {"image": image, "expression": case.labels, "valence": case.va[:, 0], "arousal": case.va[:, 1]}
        }
        net = NetState.create(case.variables["params"], system.tx, stats=case.stats)
        step = jax.jit(lambda state: system.train_step(state, batch, jax.random.key(0), system.phase(0)))
        states, totals = [TrainState.create(net=net)], []
        for _ in range(sgd["steps"] + 1):
            state, metrics = step(states[-1])
            states.append(state)
            totals.append(float(metrics["loss/total"]))
    np.testing.assert_allclose(totals, sgd["total_loss_before_each_step_and_after_last"], rtol=1e-6)
    tensors = case.named(states[-2].nets["net"].params, "params") | case.unused | {"A": case.graph.adjacency}
    assert set(tensors) == set(sgd["param_l2_after"])
    check_table(norms(tensors), sgd["param_l2_after"], relative=1e-6)
