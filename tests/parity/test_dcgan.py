"""DCGAN's networks, losses and one training step against PyTorch's numbers (spec, section 9)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from fer_jax.core import optimisers as optim
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.interop.torch_names import export_tree, import_tree
from fer_jax.systems.dcgan import networks as models
from fer_jax.systems.dcgan.system import Dcgan, Draws
from tests.parity.recipe import check_table

SYSTEM = "dcgan"
SIZES = ("64x64x3", "48x48x1")
NETS = {"gen": "G", "disc": "D"}


def nchw(x):
    x = np.asarray(x)
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def network(name, fixture):
    build = fixture.manifest["constructor"]
    if name == "gen":
        return models.Generator(build["size"], build["channels"], build["width"])
    return models.Discriminator(build["width"])


def made(name, fixture, prefix, dtype):
    """(network, params, statistics) with the fixture's weights."""
    build, module = fixture.manifest["constructor"], network(name, fixture)
    side = build["size"]
    shape = (1, build["nz"]) if name == "gen" else (1, side, side, build["channels"])
    template = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros(shape), train=False))
    tree = import_tree(dict(template), fixture.tensors(prefix), models.TORCH_NAMES, fixture.path.name)
    variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)
    return module, variables.pop("params"), variables


def activations(variables, slope):
    """Outputs of the activations by their place in the reference's Sequential."""
    inner = {
        int(name.removeprefix("main_")): value["__call__"][0] for name, value in variables.items() if "main" in name
    }
    last = max(inner)
    return {
        f"act_{place + 1}": nchw(nn.leaky_relu(value, slope))
        for place, value in inner.items()
        if place != last and place + 1 not in inner
    }


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NETS)
def test_network(parity_fixture, name, size, mode):
    kind = {"gen": "generator", "disc": "discriminator"}[name]
    fixture = parity_fixture(SYSTEM, f"{kind}_{size}_{mode}")
    module, params, stats = made(name, fixture, "", np.float32)
    (x,) = fixture.inputs().values()
    x = jnp.asarray(x[:, :, 0, 0] if name == "gen" else x.transpose(0, 2, 3, 1))

    @jax.jit
    def run(params, stats, x):
        return module.apply(
            {"params": params, **stats},
            x,
            train=mode == "train",
            mutable=["batch_stats", "intermediates"],
            capture_intermediates=True,
        )

    out, moved = run(params, stats, x)
    outputs = activations(moved["intermediates"], 0.0 if name == "gen" else 0.2)
    if name == "gen":
        outputs["img"] = nchw(out)
    else:
        logits = np.asarray(out)[:, None, None, None]
        outputs |= {"logit": logits, "prob": np.asarray(jax.nn.sigmoid(logits))}
    if mode == "train":
        after = export_tree({"batch_stats": moved["batch_stats"]}, models.TORCH_NAMES)
        outputs |= {f"after/{tensor}": value for tensor, value in after.items()}
    fixture.check_outputs(outputs, atol=1e-4)


def system_of(fixture, dtype):
    """The system with the fixture's weights, its state, pictures and draws."""
    build, step = fixture.manifest["constructor"], fixture.manifest["adam_step"]
    given = {name: value.astype(dtype) for name, value in fixture.inputs().items()}
    nets = {name: made(name, fixture, f"{letter}.", dtype) for name, letter in NETS.items()}
    tx = optim.adam(step["lr"], *step["betas"])
    system = Dcgan(
        gen=nets["gen"][0],
        disc=nets["disc"][0],
        latent=build["nz"],
        tx=dict.fromkeys(NETS, tx),
        data=DataSpec(build["size"], build["channels"], 1, {}),
    )
    state = TrainState.create(
        **{name: NetState.create(params, tx, stats=stats) for name, (_, params, stats) in nets.items()}
    )
    draws = Draws(jnp.asarray(given["z"][:, :, 0, 0]), jax.random.split(jax.random.key(0), 3))
    return system, state, jnp.asarray(given["real"].transpose(0, 2, 3, 1)), draws


def norms(tree, letter):
    """L2 norm by tensor."""
    tensors = export_tree(tree, models.TORCH_NAMES)
    return {f"{letter}.{name}": float(np.linalg.norm(value.astype(np.float64))) for name, value in tensors.items()}


@pytest.mark.parametrize(
    ("dtype", "losses", "changes", "atol"),
    [(np.float32, 1e-4, 5e-3, 1e-4), pytest.param(np.float64, 1e-8, 1e-6, 1e-6, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("size", SIZES)
def test_losses_and_one_step(parity_fixture, size, dtype, losses, changes, atol):
    fixture = parity_fixture(SYSTEM, f"losses_{size}")
    with jax.enable_x64(dtype == np.float64):
        system, state, real, draws = system_of(fixture, dtype)
        gen, disc = state.nets["gen"], state.nets["disc"]
        labels = jnp.zeros(len(real), jnp.int32)

        @jax.jit
        def at_the_start(gen, disc, real, z):
            generate = lambda params: system.gen.apply(  # noqa: E731
                {"params": params, **gen.stats}, z, train=True, mutable=["batch_stats"]
            )
            fake, pull_back, gen_stats = jax.vjp(generate, gen.params, has_aux=True)

            def each(params):
                total, (terms, logits, stats) = system.disc_loss(params, disc.stats, real, fake, labels, draws.keys[:2])
                return {"D_real": terms["real"], "D_fake": terms["fake"], "D_total": total}, (logits, stats)

            values, pull, (logits, stats) = jax.vjp(each, disc.params, has_aux=True)
            grads = {
                name: pull({other: jnp.asarray(float(other == name), value.dtype) for other in values})[0]
                for name, value in values.items()
            }
            (loss, (_, stats)), grad = jax.value_and_grad(system.gen_loss, has_aux=True)(
                fake, disc.params, stats, labels, draws.keys[2]
            )
            (gen_grads,) = pull_back(grad)
            return values | {"G": loss}, grads | {"G": gen_grads}, fake, logits, {"gen": gen_stats, "disc": stats}

        values, grads, fake, logits, stats = at_the_start(gen, disc, real, draws.z)
        after, metrics = jax.jit(system.update)(state, real, labels, draws)
    check_table({name: float(value) for name, value in values.items()}, fixture.manifest["losses"], relative=losses)
    for name, table in fixture.manifest["grad_norms"].items():
        # In float32 an activation that rounding carries over 0 changes the first layers by more than their own share.
        check_table(norms(grads[name], name[0]), table, relative=losses, of_largest=losses)
    step = fixture.manifest["adam_step"]
    named = {"D_real": "disc/real", "D_fake": "disc/fake", "G_after_D_update": "gen/loss", "D_G_z2": "gen/on_fake"}
    check_table(
        {name: float(metrics[key]) for name, key in named.items()},
        step["losses"],
        relative=losses,
        of_largest=losses / 100,
    )
    moved = {}
    for name, letter in NETS.items():
        before = state.nets[name].params
        moved |= norms(
            jax.tree.map(lambda a, b: np.asarray(a) - np.asarray(b), after.nets[name].params, before), letter
        )
    check_table(moved, step["param_delta_norms"], relative=changes)
    outputs = {"fake": nchw(fake)}
    outputs |= {f"p_{which}": np.asarray(jax.nn.sigmoid(value)) for which, value in zip(("real", "fake"), logits)}  # noqa: B905
    for name, letter in NETS.items():
        for when, tree in (("after", stats[name]), ("step", after.nets[name].stats)):
            tensors = export_tree(dict(tree), models.TORCH_NAMES)
            outputs |= {f"{when}/{letter}.{tensor}": value for tensor, value in tensors.items()}
    fixture.check_outputs(outputs, atol=atol)


@pytest.mark.parametrize(
    ("size", "gen", "disc"), [("64x64x3", 3_576_704, 2_765_568), ("48x48x1", 3_216_256, 2_759_936)]
)
def test_parameter_counts(parity_fixture, size, gen, disc):
    for name, expected in {"gen": gen, "disc": disc}.items():
        kind = {"gen": "generator", "disc": "discriminator"}[name]
        _, params, _ = made(name, parity_fixture(SYSTEM, f"{kind}_{size}_eval"), "", np.float32)
        assert sum(leaf.size for leaf in jax.tree.leaves(params)) == expected
