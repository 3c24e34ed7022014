"""The face editor's networks, losses and training steps against the reference's own numbers (spec, section 13)."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.au_cyclegan import get_config
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.interop.torch_names import export_tree, import_tree
from fer_jax.losses.adversarial import gradient_norms
from fer_jax.systems.au_cyclegan.system import Draws, Due
from fer_jax.systems.au_cyclegan.targets import Targets
from fer_jax.systems.au_cyclegan.torch import torch_names
from tests.parity.recipe import Fixture, _input, _tensor, check_table
from tests.typed import build

SYSTEM = "au_cyclegan"
EXPERIMENTS = ("e5", "e6", "e7", "e8", "e9")
# e5's norms over maps of one pixel amplify rounding 300-fold.
SINGLE = dict.fromkeys(EXPERIMENTS, 1e-4) | {"e5": 5e-4}
DOUBLE = 1e-6


@dataclasses.dataclass(frozen=True)
class Exactness:
    """How close losses, running statistics and gradient norms must come."""

    losses: float  # relative
    norms: float  # relative
    absolute: float  # of norms, beside


# In float32 the norms of the penalty's second derivatives depend on the processor: 1.5e-3 off on one without AVX-512,
# within 1e-3 on others.
OF_LOSSES = {np.float32: Exactness(1e-4, 4e-3, 1e-5), np.float64: Exactness(1e-8, 1e-6, 1e-9)}
NETS = {"gen": "G", "critic": "D"}
TERMS = {
    "critic": {"d_adv_loss": "adv", "d_cl_loss": "aus", "gp_unweighted": "penalty", "d_loss": "total"},
    "generator": {"g_adv_loss": "adv", "g_cl_loss": "aus", "rec_loss": "rec", "g_loss": "total"},
}


class EditorFixture(Fixture):
    """A manifest with two state dicts, each numbered from 0, and bounds written as ``integers[0,2)``."""

    def of(self, net):
        """One network's tensors."""
        named = [(n, s) for n, s in self.manifest["tensors"][net] if not n.endswith("num_batches_tracked")]
        return {name: _tensor(self.manifest["seed"], i, name, shape) for i, (name, shape) in enumerate(named)}

    def inputs(self):
        """Inputs by name."""
        entries = [dict(entry) for entry in self.manifest["inputs"]]
        for entry in entries:
            if entry["dist"].startswith("integers["):
                low, high = entry["dist"].removeprefix("integers[").removesuffix(")").split(",")
                entry |= {"dist": "integers", "low": int(low), "high": int(high)}
        return {entry["name"]: _input(self.manifest["seed"], entry) for entry in entries}

    def check_those(self, actual, *, double, atol):
        """All outputs of a float type."""
        outputs = self.manifest["expected"]["outputs"]
        chosen = {name: about for name, about in outputs.items() if name.endswith("__f64") == double}
        assert chosen
        part = EditorFixture(self.path)
        expected = {**self.manifest["expected"], "outputs": chosen}
        part.__dict__ |= {"manifest": {**self.manifest, "expected": expected}, "expected": self.expected}
        part.check_outputs({f"{name}{'__f64' * double}": value for name, value in actual.items()}, atol=atol)


def nchw(x):
    return np.asarray(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x)


class Case:
    """A fixture's networks in the system that the config of that name makes, in one float type."""

    def __init__(self, fixture, name, dtype):
        self.fixture, self.dtype = fixture, dtype
        config = get_config(name)
        self.system = build(config, DataSpec(112, 3, 1, {}))
        self.names = torch_names(config.model.family)
        self.given = {
            name: jnp.asarray(value, dtype).transpose(0, 2, 3, 1) if value.ndim == 4 else jnp.asarray(value, dtype)
            for name, value in fixture.inputs().items()
        }
        self.image, self.aus = self.given["x"], self.given["au_source"]
        self.nets = {name: self.weights(name) for name in NETS}

    def weights(self, name):
        args = (self.image[:1], *((self.aus[:1],) if name == "gen" else ()))
        module, train = getattr(self.system, name), {"train": False} if name == "gen" else {}
        template = jax.eval_shape(lambda: module.init(jax.random.key(0), *args, **train))
        tree = import_tree(dict(template), self.fixture.of(NETS[name]), self.names, self.fixture.path.name)
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, self.dtype), tree)
        return params.pop("params"), params

    def state(self):
        """With optimisers."""
        made = {n: NetState.create(params, self.system.tx[n], stats=s) for n, (params, s) in self.nets.items()}
        return TrainState.create(**made)

    def targets(self, who):
        """The critic's or the generator's targets."""
        if self.fixture.manifest["targets"] == "complement":
            return Targets("complement").draw(jax.random.key(0), self.aus)
        return self.given[f"au_target_{who}"]

    # ---- forward ----

    def outputs(self):
        """By the manifest's names, without the float type's ending."""
        double, modes = self.dtype == np.float64, ("train", "eval") if self.nets["gen"][1] else ("train",)

        @jax.jit
        def run(nets, image, aus, target):
            (params, stats), (critic, _) = nets["gen"], nets["critic"]
            outputs = {}
            for mode in modes:
                through = lambda method, *args, mode=mode: self.system.gen.apply(  # noqa: E731
                    {"params": params, **stats}, *args, train=mode == "train", method=method, mutable=["batch_stats"]
                )[0]
                maps = through("encode", image)
                outputs |= {f"g_bottleneck_{mode}": maps[-1], f"g_skip_{mode}": maps[-2]}
                outputs[f"g_translate_{mode}"] = through("decode", maps, target)
                outputs[f"g_reconstruct_{mode}"] = through("decode", maps, aus)
            pictures = {"real": image, "fake": outputs["g_translate_train"]}
            for which, picture in pictures.items():
                judged = self.system.judge(critic, picture)
                outputs |= {f"d_adv_{which}": judged.adversarial[:, None], f"d_cls_{which}": judged.aus}
            return outputs

        outputs = run(self.nets, self.image, self.aus, self.given["au_target_critic"])
        if double:
            outputs |= self.penalty_gradient()
        return {name: nchw(value) for name, value in outputs.items()}

    def penalty_gradient(self):
        """The derivative that the penalty looks at, and its norms."""

        @jax.jit
        def run(nets, image, targets, mix):
            (params, stats), (critic, _) = nets["gen"], nets["critic"]
            fake, _ = self.system.translate(params, stats, image, self.aus, targets)
            fake = fake[len(fake) // len(image) - 1 :: len(fake) // len(image)]
            judge = lambda x: self.system.judge(critic, x).adversarial  # noqa: E731
            mixed = mix * fake + (1 - mix) * image
            return jax.grad(lambda x: judge(x).sum())(mixed), gradient_norms(judge, mixed)

        gradient, norms = run(self.nets, self.image, self.targets("critic"), self.given["gp_epsilon"])
        return {"gp_input_gradient": gradient, "gp_gradient_norm": norms}

    # ---- losses ----

    @functools.cached_property
    def losses(self):
        """(kind, weights) -> {"critic" or "generator": (terms, gradients)}, and running statistics of both passes."""

        def run(kind, weights, nets, image, aus, targets, mix):
            au_loss = self.system.losses.aus if kind == "wasserstein_gp" else "l1"
            system = dataclasses.replace(
                self.system, losses=dataclasses.replace(weights, adversarial=kind, aus=au_loss)
            )
            (params, stats), (critic, _) = nets["gen"], nets["critic"]
            fake, first = system.translate(params, stats, image, aus, targets[0])
            (total, terms), grads = jax.value_and_grad(system.critic_loss, has_aux=True)(
                critic, image, aus, fake, targets[0], mix
            )
            results = {"critic": ({**terms, "total": total}, grads)}
            (total, (terms, second)), grads = jax.value_and_grad(system.gen_loss, has_aux=True)(
                params, first, critic, image, aus, targets[1]
            )
            results["generator"] = ({**terms, "total": total}, grads)
            return results, {"after_critic_step": first, "after_critic_then_generator_step": second}

        return jax.jit(run, static_argnums=(0, 1))

    def check_losses(self, key, exactness):
        """A table of losses and gradient norms, such as wasserstein_gp_lcl10_lcyc10."""
        manifest = self.fixture.manifest
        kind, aus, rec = key.rsplit("_", 2)
        aus, rec = float(aus.removeprefix("lcl")), float(rec.removeprefix("lcyc"))
        weights = dataclasses.replace(self.system.losses, critic_aus=aus, gen_aus=aus, gen_rec=rec)
        if wasserstein := kind == "wasserstein_gp":
            targets = self.targets("critic"), self.targets("generator")
        else:  # kind is nonsaturating; one draw in every variant
            kind, targets = "non_saturating", (self.given["au_target_critic"],) * 2
        results, stats = self.losses(kind, weights, self.nets, self.image, self.aus, targets, self.given["gp_epsilon"])
        for step, (terms, grads) in results.items():
            check_losses(step, terms, manifest["losses"][key][step], exactness.losses)
            actual = norms(export_tree({"params": grads}, self.names))
            expected = manifest["grad_norms"][key][step]
            assert set(actual) == set(expected)
            for name, value in expected.items():
                slack = exactness.norms * value + exactness.absolute
                assert abs(actual[name] - value) <= slack, (key, step, name, actual[name], value)
        if wasserstein and manifest["bn_running_l2"]:
            for when, table in manifest["bn_running_l2"].items():
                actual = norms(export_tree(stats[when], self.names))
                assert set(actual) == set(table)
                check_table(actual, table, relative=exactness.losses)


def norms(tensors):
    return {name: float(np.linalg.norm(np.asarray(value, np.float64))) for name, value in tensors.items()}


def check_losses(step, terms, expected, relative):
    """Of one update; what is 0 but for rounding is compared with the largest."""
    actual = {theirs: float(terms[ours]) for theirs, ours in TERMS[step].items() if ours in terms}
    table = {name: value for name, value in expected.items() if name != "gp_gradient_norm"}
    assert set(table) <= set(actual)
    check_table(actual, table, relative=relative, of_largest=relative * 1e-2)


@functools.lru_cache(maxsize=2)  # some 600 MB each
def made(path, name, dtype):
    return Case(EditorFixture(path), name, dtype)


@pytest.fixture
def load(parity_fixture):
    return lambda name, dtype: made(parity_fixture(SYSTEM, name).path, name, dtype)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_networks(load, name):
    case = load(name, np.float32)
    case.fixture.check_those(case.outputs(), double=False, atol=SINGLE[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_networks_in_float64(load, name):
    with jax.enable_x64(True):
        case = load(name, np.float64)
        case.fixture.check_those(case.outputs(), double=True, atol=DOUBLE)


@pytest.mark.slow
def test_losses_of_e8(load):
    """In the float type of training; XLA's float64 convolutions take minutes."""
    load("e8", np.float32).check_losses("wasserstein_gp_lcl10_lcyc10", OF_LOSSES[np.float32])


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_losses(load, name):
    """Both kinds, at every weight that the fixture has."""
    with jax.enable_x64(True):
        case = load(name, np.float64)
        for key in case.fixture.manifest["losses"]:
            case.check_losses(key, OF_LOSSES[np.float64])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["e8", "e9"])
def test_three_steps(load, name):
    """Whole training steps of the system with Adam, in float64."""
    with jax.enable_x64(True):
        case = load(name, np.float64)
        state, step = case.state(), jax.jit(case.system.update, static_argnums=4)
        for i, expected in enumerate(case.fixture.manifest["trajectory"]["steps"]):
            draws = Draws(
                *(case.given[f"traj{i}_{n}"] for n in ("au_target_critic", "au_target_generator", "gp_epsilon"))
            )
            state, metrics = step(state, case.image, case.aus, draws, Due(gen=True))
            for who, ours in {"critic": "critic", "generator": "gen"}.items():
                terms = {name.removeprefix(f"{ours}/"): v for name, v in metrics.items() if name.startswith(ours)}
                check_losses(who, terms, expected[who], relative=1e-5)


def test_a_changed_expectation_fails(load):
    """The comparison itself can fail: every figure of a fixture changed by 1 % is noticed."""
    case = load("e6", np.float32)
    right = EditorFixture(case.fixture.path).expected
    changed = EditorFixture(case.fixture.path)
    changed.__dict__["expected"] = {name: value * 1.01 for name, value in right.items()}
    with pytest.raises(AssertionError):
        changed.check_those(case.outputs(), double=False, atol=SINGLE["e6"])
