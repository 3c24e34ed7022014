"""TDGAN against the reference's own numbers (spec, section 10)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.interop.torch_names import export_tree, import_tree
from fer_jax.nn.layers import max_pool
from fer_jax.systems.tdgan import networks as models
from fer_jax.systems.tdgan.config import LossConfig
from fer_jax.systems.tdgan.system import Noise, Tdgan
from tests.parity.recipe import check_table

SYSTEM = "tdgan"
TERMS = {f"G_{name}": name for name in ("adv_fr", "adv_er", "per_fr", "con_fr", "con_er")}


def nhwc(x):
    return jnp.asarray(x).transpose(0, 2, 3, 1) if np.ndim(x) == 4 else jnp.asarray(x)


def nchw(x):
    return np.asarray(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x)


def params(module, fixture, *args, prefix="", **kwargs):
    template = jax.eval_shape(lambda: module.init(jax.random.key(0), *args, **kwargs))["params"]
    return import_tree(template, fixture.tensors(prefix), models.TORCH_NAMES, fixture.path.name)


def intermediates(module, weights, *args, **kwargs):
    out, captured = module.apply({"params": weights}, *args, capture_intermediates=True, **kwargs)
    return out, {name: value["__call__"][0] for name, value in captured["intermediates"].items() if name != "__call__"}


@pytest.mark.parametrize("name", ["encoder", "encoder_rgb"])
def test_encoder(parity_fixture, name):
    fixture = parity_fixture(SYSTEM, name)
    (x,) = (nhwc(value) for value in fixture.inputs().values())
    out, inside = intermediates(models.Encoder(), params(models.Encoder(), fixture, x), x)
    actual = {f"conv{i}_out": inside[f"conv{i}"] for i in (1, 2, 3, 4)}
    actual |= {f"ds{i}_out": max_pool(inside[f"conv{i}"], 3, 2, ceil_mode=True) for i in (1, 2, 3)}
    actual |= {"incep_out": inside["repeat_3"], "ds4_out": out}
    fixture.check_outputs({key: nchw(value) for key, value in actual.items()}, atol=1e-4)


def test_classifier(parity_fixture):
    fixture = parity_fixture(SYSTEM, "classifier")
    (x,) = (nhwc(value) for value in fixture.inputs().values())
    head = models.Head(fixture.manifest["constructor"]["cls_num"])
    logits, inside = intermediates(head, params(head, fixture, x, train=False), x, train=False)
    hidden = {f"fc{i}_out": np.maximum(inside[f"fc{i}"], 0) for i in (1, 2)}
    fixture.check_outputs({"logits": np.asarray(logits)} | hidden, atol=1e-4)


def test_decoder(parity_fixture):
    fixture = parity_fixture(SYSTEM, "decoder")
    given = {name: nhwc(value) for name, value in fixture.inputs().items()}
    args = (given["fea_ER"], given["fea_FR"], given["noise"])
    blocks = fixture.manifest["constructor"]["Nb"]
    decoder = models.Decoder(blocks=blocks)
    image, inside = intermediates(decoder, params(decoder, fixture, *args), *args)
    embedded = nn_relu(inside["emb1"])
    actual = {"img": image, "emb1_out": embedded}
    for block in range(blocks):
        embedded = embedded + nn_relu(inside[f"emb2_{block}"])
    actual["emb2_out"] = embedded
    actual |= {f"us{i + 1}_out": nn_relu(inside[f"InstanceNorm_{i}"]) for i in range(4)}
    fixture.check_outputs({key: nchw(value) for key, value in actual.items()}, atol=1e-4)


def nn_relu(x):
    return jnp.maximum(x, 0)


@pytest.mark.parametrize("name", ["dis_fr", "dis_er"])
def test_discriminator(parity_fixture, name):
    fixture = parity_fixture(SYSTEM, name)
    (x,) = (nhwc(value) for value in fixture.inputs().values())
    net = models.Discriminator(fixture.manifest["constructor"]["cls_num"])
    seen = net.apply({"params": params(net, fixture, x, train=False)}, x, train=False)
    fixture.check_outputs({"fea": nchw(seen.features), "logits": np.asarray(seen.logits)}, atol=1e-4)


def test_generator(parity_fixture):
    fixture = parity_fixture(SYSTEM, "gen")
    face, expression, noise = (nhwc(fixture.inputs()[name]) for name in ("x_FR", "x_ER", "noise"))
    system, state = tdgan(fixture, prefixes={"gen": ""}, dtype=np.float32)
    picture, codes = system.generate(state.nets["gen"].params, face, expression, noise)
    logits = system.recognise(state.nets["er_head"].params, codes.expression)
    actual = {"fea_FR": codes.face, "fea_ER": codes.expression, "result_ER": logits, "img": picture}
    fixture.check_outputs({key: nchw(value) for key, value in actual.items()}, atol=1e-4)


def tdgan(fixture, *, prefixes, dtype):
    """The system with the fixture's weights; networks that the fixture lacks are left out."""
    build = fixture.manifest["constructor"]
    build_gen = build.get("Gen", build)
    faces = next(value for name, value in fixture.inputs().items() if name.lower() == "x_fr")
    channels, side = faces.shape[1:3]
    judges = {"dis_fr": "Dis_FR", "dis_er": "Dis_ER"}
    picture = jax.ShapeDtypeStruct((1, side, side, channels), dtype)
    noise = jax.ShapeDtypeStruct((1, side // 16, side // 16, build_gen["Nz"]), dtype)
    tx = optax.adam(fixture.manifest.get("lr", 1e-4))
    system = Tdgan(
        gen=models.Generator(noise=build_gen["Nz"], blocks=build_gen["Nb"]),
        er_head=models.Head(build_gen["clsn_ER"]),
        **{net: models.Discriminator(build[name]["cls_num"] if name in build else 1) for net, name in judges.items()},
        tx=dict.fromkeys(("gen", "er_head", "dis_fr", "dis_er"), tx),
        data=DataSpec(side, channels, 10, {"expression": tuple(map(str, range(build_gen["clsn_ER"])))}),
        weights=LossConfig(**{k: v for k, v in fixture.manifest.get("weights", {}).items() if not k.startswith("d_")}),
    )
    gen_shape = jax.eval_shape(lambda x, z: system.gen.init(jax.random.key(0), x, x, z), picture, noise)["params"]
    code = jax.ShapeDtypeStruct((1, side // 16, side // 16, 128), dtype)
    shapes = {
        "gen": gen_shape
        | {"fc_er": jax.eval_shape(lambda z: system.er_head.init(jax.random.key(0), z, train=False), code)["params"]}
    }
    for name in ("dis_fr", "dis_er"):
        shapes[name] = jax.eval_shape(
            lambda x, name=name: getattr(system, name).init(jax.random.key(0), x, train=False), picture
        )["params"]
    trees = {
        name: jax.tree.map(
            lambda leaf: jnp.asarray(leaf, dtype),
            import_tree(shapes[name], fixture.tensors(prefix), models.TORCH_NAMES, fixture.path.name),
        )
        for name, prefix in prefixes.items()
    }
    trees["er_head"] = trees["gen"].pop("fc_er")
    return system, TrainState.create(**{name: NetState.create(tree, tx) for name, tree in trees.items()})


ALL = {"gen": "Gen.", "dis_fr": "Dis_FR.", "dis_er": "Dis_ER."}


def batch_of(fixture, dtype):
    given = fixture.inputs()
    image = {name: nhwc(given[name].astype(dtype)) for name in ("x_fr", "x_er")}
    noise = Noise(*(nhwc(given[f"noise_{name}"].astype(dtype)) for name in ("gen", "con_fr", "con_er")))
    batch = {
        "face": {"image": image["x_fr"], "identity": jnp.asarray(given["y_fr"])},
        "expression": {"image": image["x_er"], "expression": jnp.asarray(given["y_er"])},
    }
    return batch, noise


def all_losses(system, nets, batch, noise):
    """Every loss at fixed weights: name -> (value, gradients in the reference's names), and the pictures."""
    face, expression = batch["face"]["image"], batch["expression"]["image"]
    label, gen = batch["expression"]["expression"], nets["gen"]

    def named(tree, prefix):
        return {prefix: tree}

    generated, codes = system.generate(gen, face, expression, noise.generate)
    m_er, grads = jax.value_and_grad(system.m_er_loss)((nets["er_head"], codes.expression), label)
    losses = {"M_er": (m_er, named({"fc_er": grads[0]}, "Gen."))}
    code = lambda enc: system.gen.apply({"params": gen | {"enc_er": enc}}, expression, method="encode_expression")  # noqa: E731
    discarded = jax.grad(lambda enc: system.m_er_loss((nets["er_head"], code(enc)), label))(gen["enc_er"])
    losses["M_er_on_enc_ER_discarded"] = (m_er, named({"enc_er": discarded}, "Gen."))
    (total, (terms, real)), grads = jax.value_and_grad(system.dis_fr_loss, has_aux=True)(
        nets["dis_fr"], face, batch["face"]["identity"], generated
    )
    losses |= {"D_fr_real": (terms["real"], {}), "D_fr_fake": (terms["fake"], {})}
    losses["D_fr_total"] = (total, named(grads, "Dis_FR."))
    (total, _), grads = jax.value_and_grad(system.dis_er_loss, has_aux=True)(
        nets["dis_er"], expression, label, generated
    )
    losses["D_er_real"] = (total, named(grads, "Dis_ER."))

    def terms_of(gen):
        generated, codes = system.generate(gen, face, expression, noise.generate)
        terms = system.gen_terms(gen, generated, nets, batch, real, codes.expression, noise)
        return terms | {"total": system.weights.total(terms)}

    terms, pull = jax.vjp(terms_of, gen)
    for key, name in (TERMS | {"G_total": "total"}).items():
        (grads,) = pull({other: jnp.asarray(float(other == name), terms[name].dtype) for other in terms})
        losses[key] = (terms[name], named(grads, "Gen."))
    rec_fr, _ = system.generate(gen, generated, face, noise.con_fr)
    rec_er, _ = system.generate(gen, expression, generated, noise.con_er)
    pictures = {
        "fake": generated,
        "rec_fr": rec_fr,
        "rec_er": rec_er,
        "logits_dfr_real": system.judge("dis_fr", nets["dis_fr"], face).logits,
        "logits_dfr_fake": system.judge("dis_fr", nets["dis_fr"], generated).logits,
        "logits_der_real": system.judge("dis_er", nets["dis_er"], expression).logits,
    }
    return losses, pictures


@pytest.mark.parametrize(
    ("dtype", "values", "norms", "atol"),
    [(np.float32, 1e-5, 5e-3, 1e-4), (np.float64, 1e-6, 1e-6, 1e-6)],
)
@pytest.mark.slow
def test_losses(parity_fixture, dtype, values, norms, atol):
    fixture = parity_fixture(SYSTEM, "losses")
    with jax.enable_x64(dtype == np.float64):
        system, state = tdgan(fixture, prefixes=ALL, dtype=dtype)
        batch, noise = batch_of(fixture, dtype)
        nets = {name: net.params for name, net in state.nets.items()}
        losses, pictures = all_losses(system, nets, batch, noise)
    check_table(
        {name: float(value) for name, (value, _) in losses.items()}, fixture.manifest["losses"], relative=values
    )
    for name, table in fixture.manifest["grad_norms"].items():
        ((prefix, tree),) = losses[name][1].items()
        tensors = export_tree(tree, models.TORCH_NAMES)
        named = {prefix + name: float(np.linalg.norm(value.astype(np.float64))) for name, value in tensors.items()}
        check_table(named, table, relative=0, of_largest=norms)
    fixture.check_outputs({name: nchw(value) for name, value in pictures.items()}, atol=atol)


@pytest.mark.slow
def test_train_steps(parity_fixture):
    """Two whole steps at the published width, with the reference's order of updates and Adam, in float64.

    Every loss of both steps, how far every parameter has moved after each, and the pictures and logits at the end. In
    float32 only the first step would mean anything: Adam's first update is a sign, which rounding turns.
    """
    fixture = parity_fixture(SYSTEM, "train_steps")
    with jax.enable_x64(True):
        system, state = tdgan(fixture, prefixes=ALL, dtype=np.float64)
        start = state
        batch, noise = batch_of(fixture, np.float64)
        step = jax.jit(system.update, static_argnums=(3, 4))
        for i in range(2):
            state, metrics = step(state, batch, noise, None, system.phase(i))
            names = TERMS | {"G_total": "total"}
            losses = {key: metrics[f"gen/{name}"] for key, name in names.items()} | {"M_er": metrics["m_er/loss"]}
            losses |= {"D_fr_real": metrics.get("dis_fr/real"), "D_fr_fake": metrics.get("dis_fr/fake")}
            losses |= {"D_er_real": metrics.get("dis_er/real")}
            actual = {name: float(value) for name, value in losses.items() if value is not None}
            # On step 1 the reference also runs the discriminators on real pictures, to no effect.
            expected = {k: v for k, v in fixture.manifest["losses"][f"step{i}"].items() if i == 0 or k[0] != "D"}
            check_table(actual, expected, relative=1e-6)
            assert set(actual) == set(expected)
            check_table(moved(start, state), fixture.manifest["param_delta_norms"][f"after_step{i}"], relative=1e-6)
        nets = {name: net.params for name, net in state.nets.items()}
        face, expression = batch["face"]["image"], batch["expression"]["image"]
        image, codes = system.generate(nets["gen"], face, expression, noise.generate)
        judge = system.judge
        after = {
            "img_after": image,
            "result_ER_after": system.recognise(nets["er_head"], codes.expression),
            "logits_dfr_after": judge("dis_fr", nets["dis_fr"], face).logits,
            "logits_der_after": judge("dis_er", nets["dis_er"], expression).logits,
        }
    fixture.check_outputs({name: nchw(value) for name, value in after.items()}, atol=1e-6)


def moved(start, state):
    """L2 norm of each parameter's way since the start, in the reference's names."""
    norms = {}
    for net, prefix in {"er_head": "Gen.fc_ER.", **ALL}.items():
        way = jax.tree.map(jnp.subtract, state.nets[net].params, start.nets[net].params)
        tree = export_tree(way, models.TORCH_NAMES)
        norms |= {prefix + name: float(np.linalg.norm(value)) for name, value in tree.items()}
    return norms


def test_a_changed_expectation_fails(parity_fixture):
    """The comparison itself can fail: every figure of a fixture changed by 1 % is noticed."""
    fixture = parity_fixture(SYSTEM, "classifier")
    right = {name: value.copy() for name, value in fixture.expected.items()}
    fixture.check_outputs(right, atol=1e-4)
    changed = dataclasses.replace(fixture)
    changed.__dict__["expected"] = {name: value * 1.01 for name, value in right.items()}
    with pytest.raises(AssertionError):
        changed.check_outputs(right, atol=1e-4)
    table = {"a": 1.0, "b": 2.0}
    with pytest.raises(AssertionError):
        check_table({"a": 1.0, "b": 2.02}, table, relative=1e-6, of_largest=5e-3)
    with pytest.raises(AssertionError):
        check_table({"a": 1.0}, table, relative=1)
