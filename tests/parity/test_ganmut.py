"""GANmut's networks and losses against the reference's own numbers (spec, section 14)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from fer_jax.core.spec import DataSpec
from fer_jax.interop.torch_names import export_tree, import_tree
from fer_jax.nn.layers import InstanceNorm
from fer_jax.systems.ganmut import networks as models
from fer_jax.systems.ganmut.config import LossConfig
from fer_jax.systems.ganmut.losses import (
    DISC,
    GEN,
    REC,
    GaussianDraws,
    GaussianRules,
    LinearDraws,
    LinearRules,
)
from fer_jax.systems.ganmut.system import ORDER, Ganmut
from tests.parity.recipe import Fixture, _input, _tensor, check_table

SYSTEM = "ganmut"
VARIANTS = ("linear_2d", "linear_3d", "gaussian_2d", "gaussian_3d")


class GanmutFixture(Fixture):
    """A manifest with two state dicts, the second one's seed one higher, and inputs that are permutations."""

    def of(self, net):
        """One network's tensors; of a manifest with one network, its."""
        named = self.manifest["tensors"]
        if isinstance(named, dict):
            named = named[net]
        seed = self.manifest.get("seeds", {}).get(net, self.manifest["seed"])
        return {name: _tensor(seed, i, name, shape) for i, (name, shape) in enumerate(named)}

    def inputs(self):
        """Inputs by name."""
        seed, made = self.manifest["seed"], {}
        for entry in self.manifest["inputs"]:
            if entry["dist"] == "permutation":
                made[entry["name"]] = np.random.default_rng([seed, 100000 + entry["k"]]).permutation(entry["shape"][0])
            else:
                made[entry["name"]] = _input(seed, entry)
        return made

    def tolerance(self):
        """Twenty times the reference's own float32 rounding, 1e-5 at least; over its mean for what is not listed."""
        listed = self.manifest["float32_vs_float64_max_abs"]
        return {name: max(20 * value, 1e-5) for name, value in listed.items()}

    def check(self, actual, tolerance):
        """Outputs, each within its tolerance."""
        outputs = self.manifest["expected"]["outputs"]
        assert set(outputs) <= set(actual), set(outputs) - set(actual)
        for name, about in outputs.items():
            part = GanmutFixture(self.path)
            expected = {**self.manifest["expected"], "outputs": {name: about}}
            part.__dict__ |= {"manifest": {**self.manifest, "expected": expected}, "expected": self.expected}
            part.check_outputs({name: actual[name]}, atol=tolerance.get(name, tolerance[""]))


@pytest.fixture
def load(parity_fixture):
    return lambda name: GanmutFixture(parity_fixture(SYSTEM, name).path)


def nhwc(x, dtype):
    return jnp.asarray(x, dtype if np.issubdtype(np.asarray(x).dtype, np.floating) else None).transpose(0, 2, 3, 1)


def nchw(x):
    x = np.asarray(x)
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def made(module, fixture, net, dtype, *args):
    """(params, other collections) of a fixture's network."""
    template = jax.eval_shape(lambda: module.init(jax.random.key(0), *args))
    tree = import_tree(dict(template), fixture.of(net), models.TORCH_NAMES, fixture.path.name)
    variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)
    return variables.pop("params"), variables


def shape_of(variant, fixture):
    kind, _, dimensions = variant.partition("_")
    classes, width = (fixture.manifest["constructor"][name] for name in ("c_dim", "conv_dim"))
    return {"space_kind": kind, "classes": classes, "dimensions": int(dimensions[0]), "width": width}


def in_eval_mode(next_fun, args, kwargs, context):
    """What PyTorch's instance norm does in eval mode: the running statistics in place of the picture's."""
    if not isinstance(context.module, InstanceNorm):
        return next_fun(*args, **kwargs)
    norm, (x,) = context.module, args
    stats = {name: norm.get_variable("batch_stats", name) for name in ("mean", "var")}
    scale, shift = (norm.get_variable("params", name) for name in ("scale", "bias"))
    return (x - stats["mean"]) / jnp.sqrt(stats["var"] + norm.epsilon) * scale + shift


@pytest.mark.parametrize(
    "variant", [pytest.param(v, marks=pytest.mark.slow) if v.startswith("linear") else v for v in VARIANTS]
)
def test_generator(load, variant):
    fixture = load(f"{variant}_generator")
    given = fixture.inputs()
    shape, blocks = shape_of(variant, fixture), fixture.manifest["constructor"]["repeat_num"]
    x, gen = nhwc(given["x"], np.float32), models.Generator(reference_covariance=True, blocks=blocks, **shape)
    params, stats = made(gen, fixture, "G", np.float32, x[:1], jnp.zeros((1, gen.dimensions)))
    space = gen.apply({"params": params, **stats}, method="learned_space")

    @jax.jit
    def draw(points):
        return gen.apply({"params": params, **stats}, x, points, mutable=["batch_stats"])

    outputs, label = {}, jnp.asarray(given["label"])
    if variant.startswith("linear"):
        count, dimensions = len(label), gen.dimensions
        rules = LinearRules(random=count + 1)  # the reference replaces no row of a batch this small
        rows = np.zeros((3, rules.random, dimensions), np.float32)
        draws = LinearDraws(label, given["strength"], jnp.stack([given["noise"]] * 3), rows, None)
        test = space.at(label, jnp.asarray(given["strength"]))
        conditions = {"test": test, "manual": given["manual"], "train": test + rules.noise * draws.noise[DISC]}
        outputs |= {f"{name}_cond": value for name, value in conditions.items()}
        first = "test"
    else:
        modes = GaussianRules().points(space, GaussianDraws(jnp.zeros((2, len(label), gen.dimensions)), None), DISC)
        conditions = {"coords": given["coords"], "modes": modes, "label": space.raw[label]}
        outputs |= {f"{name}_cond": conditions[name] for name in ("modes", "label")}
        outputs |= {f"{name}_dist2": space.distances(jnp.asarray(value)) for name, value in conditions.items()}
        first = "coords"
    for name, points in conditions.items():
        outputs[f"{name}_image"], moved = draw(jnp.asarray(points))
        if name == first:
            buffers = export_tree(dict(moved), models.TORCH_NAMES)
            outputs |= {f"buffer_after_one_pass:{tensor}": value for tensor, value in buffers.items()}
    with nn.intercept_methods(in_eval_mode):
        outputs["evalmode_image"] = jax.jit(lambda points: gen.apply({"params": params, **stats}, x, points))(
            jnp.asarray(conditions[first])
        )
    tolerance = fixture.tolerance()
    tolerance[""] = max(tolerance.values())
    fixture.check({name: nchw(value) for name, value in outputs.items()}, tolerance)


@pytest.mark.parametrize("variant", VARIANTS)
def test_discriminator(load, variant):
    fixture = load(f"{variant}_discriminator")
    x, disc = nhwc(fixture.inputs()["x"], np.float32), models.Discriminator(**shape_of(variant, fixture))
    params, _ = made(disc, fixture, "D", np.float32, x[:1])
    fixture.check(judged("out", jax.jit(disc.apply)({"params": params}, x), variant), {"": 1e-5})


def judged(prefix, seen, variant):
    """A judgement by the reference's names."""
    found = {f"{prefix}_src": np.asarray(seen.realism)[:, None]}
    if variant.startswith("linear"):
        return found | {f"{prefix}_cls": np.asarray(seen.classes), f"{prefix}_coord": np.asarray(seen.points)}
    return found | {f"{prefix}_cls_and_coord": np.concatenate([seen.classes, seen.points], 1)}


class Step:
    """One iteration of the reference's trainer at fixed weights, by the system's own losses."""

    def __init__(self, fixture, variant, dtype):
        self.fixture, self.variant, self.dtype = fixture, variant, dtype
        build, self.config = fixture.manifest["constructor"], fixture.manifest["config"]
        given = {
            name: nhwc(value, dtype)
            if np.ndim(value) == 4
            else jnp.asarray(value, dtype if value.dtype.kind == "f" else None)
            for name, value in fixture.inputs().items()
        }
        shape = shape_of(variant, fixture)
        dimensions = shape["dimensions"]
        names = {"rec": "rec", "penalty": "regularization", "prediction": "prediction", "cls": "cls"}
        weights = {name: self.config[f"lambda_{key}"] for name, key in names.items()}
        linear = shape["space_kind"] == "linear"
        weights["disc_points"] = self.config["lambda_d_info" if linear else "lambda_expr"]
        weights |= {"gen_points": self.config["lambda_g_info"], "strength": self.config["lambda_g_strength"]}
        rules = LinearRules(build["n_r"], neutral_strength=0.2) if linear else GaussianRules()
        self.system = Ganmut(
            gen=models.Generator(blocks=build["repeat_num"], **shape),
            disc=models.Discriminator(**shape),
            rules=rules,
            tx={},
            data=DataSpec(given["x_real"].shape[1], 3, 1, {"expression": ORDER[: shape["classes"]]}),
            weights=LossConfig(**weights),
        )
        self.x, self.labels = given["x_real"], given["label_org"]
        self.gen, self.stats = made(self.system.gen, fixture, "G", dtype, self.x[:1], jnp.zeros((1, dimensions)))
        self.disc, _ = made(self.system.disc, fixture, "D", dtype, self.x[:1])
        mix = 1 - given["epsilon"].reshape(-1, 1, 1, 1)
        if linear:
            targets = self.labels[given["rand_idx"]]
            passes = ("d_step", "g_step", "reconstruction")
            angles = 2 * np.pi * jnp.stack([given[f"{name}_u_direction"] for name in passes])
            self.draws = LinearDraws(
                targets,
                rules.strengths(given["u_strength"], targets),
                jnp.stack([given[f"{name}_noise"] for name in passes]),
                jnp.stack([jnp.cos(angles), jnp.sin(angles)], -1),
                mix,
            )
        else:
            ends = jnp.stack([2 * given[f"{name}_u_coords"] - 1 for name in ("d_step", "g_step")])
            self.draws = GaussianDraws(jnp.pad(ends, ((0, 0), (len(self.x) - ends.shape[1], 0), (0, 0))), mix)

    def run(self):
        """(terms by the reference's names, gradient norms by network and tensor, outputs)."""
        return jax.jit(self._run)(self.gen, self.stats, self.disc, self.x, self.labels, self.draws)

    def _run(self, gen, stats, disc, x, labels, draws):
        system, rules, variant = self.system, self.system.rules, self.variant
        space = system.space(gen)
        points = rules.points(space, draws, DISC)
        fake, _ = system.generate(gen, stats, x, points)
        (d_total, d_terms), d_grads = jax.value_and_grad(system.disc_loss, has_aux=True)(
            disc, x, labels, fake, points, draws.mix
        )
        (g_total, (g_terms, _)), g_grads = jax.value_and_grad(system.gen_loss, has_aux=True)(
            gen, stats, disc, x, labels, draws
        )
        g_points = rules.points(space, draws, GEN)
        g_fake, _ = system.generate(gen, stats, x, g_points)
        real = system.judge(disc, x)
        back = rules.back(space, draws, labels, real)
        seen = {
            "D_real": real,
            "D_fake_d_step": system.judge(disc, fake),
            "D_x_hat": system.judge(disc, draws.mix * fake + (1 - draws.mix) * x),
            "D_real_again": real,
            "D_fake_g_step": system.judge(disc, g_fake),
        }
        pictures = {
            "d_step_fake": fake,
            "g_step_fake": g_fake,
            "reconstructed": system.generate(gen, stats, g_fake, back)[0],
        }
        at = {"d_step": points, "g_step": g_points, "reconstruction": back}
        distances = {} if variant.startswith("linear") else {name: space.distances(value) for name, value in at.items()}
        return (d_total, d_terms, g_total, g_terms), (d_grads, g_grads), seen, pictures, at, distances


@pytest.mark.parametrize(
    ("variant", "dtype"),
    [
        ("gaussian_2d", np.float32),
        pytest.param("linear_2d", np.float32, marks=pytest.mark.slow),
        pytest.param("gaussian_2d", np.float64, marks=pytest.mark.slow),
        pytest.param("linear_2d", np.float64, marks=pytest.mark.slow),
    ],
)
def test_losses(load, variant, dtype):
    fixture, double = load(f"{variant}_losses"), dtype == np.float64
    relative, absolute = (1e-8, 2e-6) if double else (1e-3, 1e-4)  # outputs are kept in float32
    with jax.enable_x64(double):
        step = Step(fixture, variant, dtype)
        (d_total, d_terms, g_total, g_terms), grads, seen, pictures, at, distances = step.run()
    coded = {"penalty": "gradient_penalty", "points": "info" if variant.startswith("linear") else "coord"}
    actual = {"D_total": d_total, "G_total": g_total}
    actual |= {f"D_{coded.get(name, name)}": value for name, value in d_terms.items()}
    actual |= {f"G_{coded.get(name, name)}": value for name, value in g_terms.items()}
    actual = {name: float(value) for name, value in actual.items()}
    expected = fixture.manifest["losses"]
    # In float32 the means of hundreds of patches that are near 0 are right to a share of those patches.
    check_table(actual, expected, relative=relative, of_largest=0 if double else 1e-6)
    for net, tree in zip("DG", grads, strict=True):
        tensors = export_tree(tree, models.TORCH_NAMES)
        norms = {name: float(np.linalg.norm(value.astype(np.float64))) for name, value in tensors.items()}
        table = {name: norm for name, norm in fixture.manifest["grad_norms"][net].items() if norm is not None}
        check_table(norms, table, relative=relative, of_largest=1e-12 if double else 1e-4)
    outputs = {f"{name}_image": nchw(value) for name, value in pictures.items()}
    outputs |= {f"{name}_cond": np.asarray(value) for name, value in at.items()}
    outputs |= {f"{name}_dist2": np.asarray(value) for name, value in distances.items()}
    for name, judgement in seen.items():
        outputs |= judged(name, judgement, variant)
    fixture.check(outputs, {"": absolute})
    assert REC == 2


def test_a_changed_expectation_fails(load):
    """The comparison itself can fail."""
    fixture = load("linear_2d_discriminator")
    right = dict(fixture.expected)
    fixture.__dict__["expected"] = {name: value + 1e-3 for name, value in right.items()}
    with pytest.raises(AssertionError):
        fixture.check(right, {"": 1e-5})
