"""What the parity fixtures do not cover: the warm-up, and which nets are due when."""

import jax
import numpy as np
import pytest

from configs.tdgan import get_config
from fer_jax.core.spec import DataSpec
from fer_jax.systems.tdgan.system import Due
from tests.typed import build

SPEC = DataSpec(16, 1, 10, {"expression": tuple("abcdefg"), "identity": tuple("xyz")})


def system(**fields):
    config = get_config("tiny")
    config.model.update(width=4, noise=2, blocks=1, hidden=8)
    config.update(fields)
    return build(config, SPEC)


def test_gaps_restart_with_the_epoch_unless_told_not_to():
    published = system(warm_up=0, d_fr_every=3, d_er_every=4)
    running = system(warm_up=0, d_fr_every=3, d_er_every=4, restart_counter=False)
    assert [published.phase(step) for step in (0, 3, 4, 9, 10)] == [
        Due(True, True),
        Due(True, False),
        Due(False, True),
        Due(True, False),
        Due(True, True),
    ]
    assert [running.phase(step) for step in (10, 12)] == [Due(False, False), Due(True, True)]


def test_the_generator_waits_for_the_warm_up():
    warmed = system(warm_up=5)
    assert [warmed.phase(step).gen for step in (0, 4, 5)] == [False, False, True]


@pytest.mark.parametrize(
    ("reaches", "redraw", "expected"),
    [
        (True, 5.0, {"gen/enc_er", "gen/enc_fr", "gen/dec"}),
        pytest.param(False, 5.0, {"gen/enc_er", "gen/enc_fr", "gen/dec"}, marks=pytest.mark.slow),
        pytest.param(True, 0.0, {"gen/enc_er"}, marks=pytest.mark.slow),  # by M_ER
        pytest.param(False, 0.0, set(), marks=pytest.mark.slow),
    ],
)
def test_warm_up_trains_what_it_says(reaches, redraw, expected):
    """D_ER, M_ER's head, and the generator: its expression encoder by M_ER or by the redrawing, the rest by that."""
    warmed = system(m_er_trains_encoder=reaches, d_er_fake_class=reaches, **{"loss": {"con_er": redraw}})
    state = jax.jit(warmed.init)(jax.random.key(0, impl="unsafe_rbg"))
    pictures = jax.random.uniform(jax.random.key(1), (4, 16, 16, 1))
    labels = np.arange(4)
    batch = {
        "face": {"image": pictures, "identity": labels % 3},
        "expression": {"image": pictures[::-1], "expression": labels},
    }
    step = jax.jit(warmed.train_step, static_argnums=3)
    after, metrics = step(state, batch, jax.random.key(2), warmed.phase(0))
    moved = {
        f"{net}/{part}"
        for net, trained in state.nets.items()
        for part, before in trained.params.items()
        if any(
            np.any(a != b)
            for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after.nets[net].params[part]), strict=True)
        )
    }
    assert moved == {"er_head/fc1", "er_head/fc2", "er_head/fc3", "dis_er/enc", "dis_er/fc"} | expected
    assert set(metrics) == {"m_er/loss", "gen/redraw", "dis_er/real"} and int(after.step) == 1
