"""What the parity fixtures do not cover: targets, scales, which nets are due, every experiment's step, and use."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.au_cyclegan import get_config
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import AU_NUMBERS, EXPRESSION_AUS
from fer_jax.core.protocols import ControlledSystem, System
from fer_jax.core.spec import DataSpec
from fer_jax.systems.au_cyclegan.config import LossConfig
from fer_jax.systems.au_cyclegan.system import Draws, Due
from fer_jax.systems.au_cyclegan.targets import Targets, emotion_vector
from tests.typed import build

KEY = jax.random.key(0)
SCALES = (2.0, 0.0) + (1.0,) * 15  # the second one never occurs
SPEC = DataSpec(16, 3, 10, {}, {"aus": SCALES})


def system(variant="tiny", **fields):
    """At 16 pixels: 16 -> 4 -> 1 in the early and Keras networks, 16 -> 8 -> 4 in the general ones."""
    config = get_config(variant)
    small = {"kernels": (4, 4), "strides": (4, 2)}
    config.model.update(width=4, layers=2, hidden=8, **small, **{f"critic_{k}": v for k, v in small.items()})
    config.update_from_flattened_dict(fields)
    return build(config, SPEC)


def batch(count=4, seed=0):
    rng = np.random.default_rng(seed)
    image, aus = rng.uniform(size=(count, 16, 16, 3)), rng.uniform(size=(count, 17)) * SCALES
    return {"face": {"image": jnp.asarray(image, jnp.float32), "aus": jnp.asarray(aus, jnp.float32)}}


def started(made):
    return jax.jit(made.init)(jax.random.key(0, impl="unsafe_rbg"))


def test_emotions_are_the_references():
    indices = {name: tuple(np.flatnonzero(emotion_vector(name))) for name in EXPRESSION_AUS}
    assert indices == {
        "happiness": (4, 8),
        "sadness": (0, 2, 10),
        "surprise": (0, 1, 3, 15),
        "contempt": (8, 9),
        "fear": (0, 1, 2, 3, 5, 12, 15),
        "anger": (2, 3, 5, 13),
    }
    assert AU_NUMBERS.index(45) == 16


# ---- labels and targets ----


def test_labels_are_shares_of_the_largest():
    aus = jnp.full((1, 17), 0.5)
    np.testing.assert_allclose(system("e9").labels(aus)[0], [0.25, 0.5] + [0.5] * 15)
    presence = system("e8", **{"aus.threshold": 0.4}).labels(aus)[0]
    np.testing.assert_array_equal(presence, [0, 1] + [1] * 15)
    assert system("e9").labels(jnp.asarray(SCALES)[None])[0].max() == 1
    unknown = dataclasses.replace(system("e9"), data=SPEC._replace(scales={}))
    np.testing.assert_array_equal(unknown.labels(aus), aus)


def test_random_targets_are_rows_of_the_batch():
    aus = jnp.asarray(np.random.default_rng(0).uniform(size=(5, 17)), jnp.float32)
    targets = Targets(draws=40).draw(jax.random.key(0), aus)
    which = np.array([np.flatnonzero((aus == target).all(1)) for target in targets])
    assert targets.shape == (200, 17) and which.shape == (200, 1)
    assert np.bincount(which[:, 0], minlength=5).min() > 20  # of 40: uniform, with replacement


def test_partial_targets_change_any_number_of_units():
    """Each unit is the picture's own or another row's; how many change is uniform from none to all."""
    own, other = jnp.zeros((1, 16)), jnp.ones((99, 16))
    rows = Targets("partial", draws=20).draw(jax.random.key(0), jnp.concatenate([own, other])).reshape(100, 20, 16)
    assert set(np.unique(rows)) == {0, 1}
    changed = np.array(rows[0]).sum(1)  # of the first picture, whose others all differ from it in every unit
    assert changed.min() < 4 and changed.max() > 12 and 4 < changed.mean() < 12


def test_noise_is_on_active_units_alone_and_stays_in_range():
    aus = jnp.tile(jnp.array([[0.0, 0.5, 1.0, 0.02]]), (50, 1))
    targets = Targets(noise=0.1).draw(jax.random.key(0), aus)
    assert not targets[:, 0].any() and targets.min() >= 0 and targets.max() == 1
    off = np.abs(targets[:, 1] - 0.5)
    assert 0.05 < off.max() <= 0.1 and len(np.unique(off)) > 40


def test_complements_turn_one_unit_each():
    aus = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 17)), jnp.float32)
    targets = Targets("complement").draw(jax.random.key(0), aus).reshape(3, 17, 17)
    for picture, unit in ((0, 0), (2, 16)):
        expected = np.array(aus[picture])
        expected[unit] = 1 - expected[unit]
        np.testing.assert_allclose(targets[picture, unit], expected)


@pytest.mark.parametrize(
    ("variant", "fakes", "mixed", "anew"), [("e8", 1, 1, True), ("e5", 17, 1, False), ("e3", 10, 10, False)]
)
def test_draws(variant, fakes, mixed, anew):
    """With the Wasserstein loss the generator's targets are new (complements have nothing to draw)."""
    draws = system(variant).draw(jax.random.key(0), jnp.asarray(np.random.default_rng(0).uniform(size=(4, 17))))
    assert draws.critic.shape == draws.gen.shape == (4 * fakes, 17) and draws.mix.shape == (4 * mixed, 1, 1, 1)
    assert np.any(draws.critic != draws.gen) == anew and 0 <= draws.mix.min() and draws.mix.max() < 1


# ---- steps ----


def test_the_generators_gaps_restart_with_the_epoch():
    made = system("e8", gen_every=4)
    assert [step for step in range(20) if made.phase(step).gen] == [0, 4, 8, 10, 14, 18]
    assert all(system("e8").phase(step) == Due(gen=True) for step in range(12))


def test_the_warm_up_trains_the_critics_action_units_alone():
    made, examples = system(warm_up=2), batch()
    assert [made.phase(step) for step in range(3)] == [Due(False, True)] * 2 + [Due(True)]
    state = started(made)
    after, metrics = made.train_step(state, examples, jax.random.key(1), made.phase(0))
    assert set(metrics) == {"critic/aus"} and int(after.step) == 1
    assert not changed(state.nets["gen"], after.nets["gen"])
    old, new = (nets["critic"].params for nets in (state.nets, after.nets))
    assert changed(old["fc_cls"], new["fc_cls"]) and changed(old["conv_0"], new["conv_0"])
    assert not changed(old["fc_adv"], new["fc_adv"])


def test_action_units_are_looked_for_through_noise_and_realness_is_not():
    made, examples = system(critic_noise=0.5), batch()
    params, image = started(made).nets["critic"].params, examples["face"]["image"]
    clear, noisy = made.judge(params, image), made.judge(params, image, jax.random.key(3))
    np.testing.assert_array_equal(clear.adversarial, noisy.adversarial)
    assert np.abs(clear.aus - noisy.aus).max() > 1e-4


def test_the_critic_learns_units_with_and_without_noise():
    made, face = system(critic_noise=0.5, **{"loss.critic_sources": 0.0, "aus.threshold": 0.0}), batch()["face"]
    params, image, key = started(made).nets["critic"].params, face["image"], jax.random.key(3)
    aus = made.labels(face["aus"])
    mix = jnp.full((4, 1, 1, 1), 0.5)
    _, terms = jax.jit(made.critic_loss)(params, image, aus, image, aus, mix, key)
    noisy, clear = made.judge(params, image, jax.random.split(key)[0]).aus, made.judge(params, image).aus
    by_hand = [(jax.nn.softplus(logits) - aus * logits).mean() for logits in (noisy, clear)]
    assert float(terms["aus"]) == pytest.approx(float(sum(by_hand)), rel=1e-4) and by_hand[0] != by_hand[1]


def changed(before, after):
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    return any(np.any(a != b) for a, b in pairs)


ALIKE = [pytest.param(name, marks=pytest.mark.slow) for name in ("e3", "e4", "e6", "e7")]  # as e1, e5 and e9, nearly


@pytest.mark.parametrize("variant", ["e1", "e5", "e9", *ALIKE])
def test_every_experiment_makes_finite_steps(variant):
    made, examples = system(variant), batch(2)
    state, step = started(made), jax.jit(made.train_step, static_argnums=3)
    after, metrics = step(state, examples, jax.random.key(1), Due(gen=True))
    assert all(np.isfinite(value) for value in metrics.values())
    assert all(changed(state.nets[name].params, after.nets[name].params) for name in state.nets)
    assert ("critic/penalty" in metrics) == (variant not in ("e1", "e3", "e4"))
    assert changed(state.nets["gen"].stats, after.nets["gen"].stats) == (variant in ("e7", "e9"))
    assert int(after.step) == 1


def test_a_step_without_generator_moves_its_statistics_only():
    made, examples = system(), batch()
    state = started(made)
    after, metrics = jax.jit(made.train_step, static_argnums=3)(state, examples, jax.random.key(1), Due(gen=False))
    gen, new = state.nets["gen"], after.nets["gen"]
    assert not changed(gen.params, new.params) and changed(gen.stats, new.stats)
    assert {name.split("/")[0] for name in metrics} == {"critic"}


def statistics_moves(made, draws):
    """How often a whole step moves the encoder's first running means: each time by 0.1 of the way to the batch's."""
    state, examples = started(made), batch()

    @jax.jit
    def run(state):
        image, gen = examples["face"]["image"], state.nets["gen"]
        after, _ = made.update(state, image, made.labels(examples["face"]["aus"]), draws, Due(gen=True))
        _, once = made.pass_through(gen.params, gen.stats, "encode", image)
        return once, after.nets["gen"].stats

    once, after = (stats["batch_stats"] for stats in run(state))
    shares = {name: after[name]["norm"]["mean"] / (10 * once[name]["norm"]["mean"]) for name in ("enc_0", "enc_1")}
    return {name: float(np.log(1 - share.mean()) / np.log(0.9)) for name, share in shares.items()}


@pytest.mark.parametrize(("adversarial", "passes"), [("wasserstein_gp", 2), ("non_saturating", 1)])
def test_the_encoders_statistics_move_twice_or_once(adversarial, passes):
    """The reference encodes anew for the generator with the Wasserstein loss, and once with the other."""
    made = system(**{"loss.adversarial": adversarial})
    targets = jnp.zeros((4, 17))
    moved = statistics_moves(made, Draws(targets, targets, jnp.full((4, 1, 1, 1), 0.5)))
    assert moved == pytest.approx({"enc_0": passes, "enc_1": passes}, abs=1e-3)


def test_the_generator_is_judged_by_the_critic_as_it_is_now():
    made, examples = system(critic_noise=0.0), batch()
    state = started(made)
    aus = made.labels(examples["face"]["aus"])
    draws = made.draw(jax.random.key(2), aus)
    after, metrics = jax.jit(made.update, static_argnums=4)(state, examples["face"]["image"], aus, draws, Due(gen=True))
    old, loss = state.nets["gen"], jax.jit(made.gen_loss)
    for critic, same in ((after.nets["critic"].params, True), (state.nets["critic"].params, False)):
        total, _ = loss(old.params, old.stats, critic, examples["face"]["image"], aus, draws.gen)
        assert np.isclose(total, metrics["gen/total"], rtol=1e-5) == same


def test_the_penalty_sees_all_fakes_or_the_last():
    made, examples = system("e5"), batch(2)
    state, face = started(made), examples["face"]
    critic = started(system("e5", **{"model.fixed": True})).nets["critic"].params
    fixed = system("e5", **{"model.fixed": True})
    aus = fixed.labels(face["aus"])
    draws = fixed.draw(jax.random.key(0), aus)
    fake = jax.random.uniform(jax.random.key(1), (34, 16, 16, 3))
    last = fixed.critic_loss(critic, face["image"], aus, fake, draws.critic, draws.mix)[1]["penalty"]
    alone = dataclasses.replace(fixed, last_only=False)
    same = alone.critic_loss(critic, face["image"], aus, fake[16::17], aus, draws.mix)[1]["penalty"]
    np.testing.assert_allclose(last, same, rtol=1e-6)
    whole = alone.critic_loss(critic, face["image"], aus, fake, draws.critic, jnp.full((34, 1, 1, 1), 0.5))[1][
        "penalty"
    ]
    assert np.isfinite(whole) and not np.isclose(whole, last)
    # The published critic does not see its pictures at all.
    blind = made.critic_loss(state.nets["critic"].params, face["image"], aus, fake, draws.critic, draws.mix)[1]
    assert blind["penalty"] == pytest.approx(1, abs=1e-6)


def test_a_true_cycle_is_a_term_of_its_own():
    plain, cyclic = system(), system(**{"loss.gen_cycle": 3.0})
    state, face = started(plain), batch()["face"]
    gen, aus = state.nets["gen"], plain.labels(face["aus"])
    args = (gen.params, gen.stats, state.nets["critic"].params, face["image"], aus, aus[::-1])
    (first, (terms, _)), (second, (more, _)) = (made.gen_loss(*args) for made in (plain, cyclic))
    assert set(more) - set(terms) == {"cycle"} and float(second) == pytest.approx(
        float(first + 3 * more["cycle"]), rel=1e-5
    )


def test_the_critic_can_be_asked_for_the_targets_in_fakes():
    face = batch()["face"]
    apart, both = system("e1", **{"aus.of_fakes": False}), system("e1")
    state = started(apart)
    critic, aus = state.nets["critic"].params, apart.labels(face["aus"])
    args = (critic, face["image"], aus, face["image"], 1 - aus, jnp.ones((4, 1, 1, 1)))
    real, joint = (made.critic_loss(*args)[1]["aus"] for made in (apart, both))
    seen = apart.judge(critic, face["image"]).aus
    assert float(real) == pytest.approx(float(jnp.square(seen - aus).mean()), rel=1e-5)
    fakes = jnp.square(seen - (1 - aus)).mean()
    assert float(joint) == pytest.approx(float((real + fakes) / 2), rel=1e-5)


def test_the_critic_can_be_asked_for_the_sources_of_fakes():
    """Each fake's are its picture's own units, of which one picture has several fakes."""
    made, face = system(**{"loss.critic_sources": 2.0, "critic_noise": 0.0, "aus.threshold": 0.0}), batch()["face"]
    critic, aus = started(made).nets["critic"].params, made.labels(face["aus"])
    fakes = jnp.repeat(face["image"], 2, 0)
    total, terms = made.critic_loss(critic, face["image"], aus, fakes, jnp.repeat(1 - aus, 2, 0), None)
    seen, wanted = made.judge(critic, fakes).aus, jnp.repeat(aus, 2, 0)
    by_hand = (jax.nn.softplus(seen) - wanted * seen).mean()  # cross entropy
    assert float(terms["sources"]) == pytest.approx(float(by_hand), rel=1e-4)
    without = dataclasses.replace(made, losses=dataclasses.replace(made.losses, critic_sources=0.0))
    less, _ = without.critic_loss(critic, face["image"], aus, fakes, jnp.repeat(1 - aus, 2, 0), None)
    assert float(total - less) == pytest.approx(2 * float(by_hand), rel=1e-4)


def test_a_stream_of_free_units_is_trained_on_alone():
    made, first = system(warm_up=1), batch()
    both = {**first, "free": batch(seed=1)["face"]}
    key, due = jax.random.key(1), made.phase(0)
    state = started(made)
    expected = made.train_step(state, {"face": both["free"]}, key, due)[1]["critic/aus"]
    assert float(made.train_step(state, both, key, due)[1]["critic/aus"]) == pytest.approx(float(expected))


def test_weights_by_net():
    made = dataclasses.replace(system(), losses=LossConfig(critic_adv=2.0, critic_penalty=3.0, gen_rec=5.0))
    assert made._total("critic", {"adv": jnp.array(1.0), "penalty": jnp.array(10.0)}) == 32
    assert made._total("gen", {"rec": jnp.array(2.0)}) == 10


# ---- use ----


def test_edits_are_in_range_and_of_each_target():
    made, examples = system(), batch()
    state = started(made)
    assert isinstance(made, System) and isinstance(made, ControlledSystem) and made.controls[-1] == "AU45"
    image = examples["face"]["image"]
    targets = jax.random.uniform(jax.random.key(0), (12, 17))
    edited = made.edit(state, KEY, image, targets)
    assert edited.shape == (12, 16, 16, 3) and edited.min() >= 0 and edited.max() <= 1
    np.testing.assert_allclose(edited[4], made.edit(state, KEY, image[1:2], targets[4:5])[0], atol=1e-5)
    assert all(values.shape == image.shape for values in made.sample(state, examples, jax.random.key(0)))
    assert len(made.columns) == len(made.sample(state, examples, jax.random.key(0)))
    seen = made.condition_of(state, KEY, image)
    assert seen.shape == (4, 17) and seen.min() >= 0 and seen.max() <= 1


def test_an_edit_by_difference_adds_what_lies_between_two_drawings():
    plain, made, more = (system(difference=share) for share in (0.0, 1.0, 1.5))
    state, image = started(made), batch()["face"]["image"]
    own, aus = jax.random.uniform(jax.random.key(0), (2, 4, 17))
    np.testing.assert_allclose(made.edit(state, KEY, image, own, own), image, atol=1e-6)
    asked, same = plain.edit(state, KEY, image, aus), plain.edit(state, KEY, image, own)
    inside = (asked > 0) & (asked < 1) & (same > 0) & (same < 1)
    expected = jnp.clip(image + asked - same, 0, 1)
    np.testing.assert_allclose(made.edit(state, KEY, image, aus, own)[inside], expected[inside], atol=1e-5)
    expected = jnp.clip(image + 1.5 * (asked - same), 0, 1)
    np.testing.assert_allclose(more.edit(state, KEY, image, aus, own)[inside], expected[inside], atol=1e-5)
    seen = made.condition_of(state, KEY, image)
    np.testing.assert_allclose(made.edit(state, KEY, image, aus), made.edit(state, KEY, image, aus, seen), atol=1e-6)


def test_the_difference_is_what_is_trained():
    """Asked for their own units, pictures are their own fakes; the two drawings are still told apart."""
    made, examples = system(difference=1.5, critic_noise=0.0), batch()
    state, image = started(made), examples["face"]["image"]
    gen, aus = state.nets["gen"], made.labels(examples["face"]["aus"])
    fake, _ = made.translate(gen.params, gen.stats, image, aus, jnp.repeat(aus, 2, 0))
    np.testing.assert_allclose(fake, jnp.repeat(image, 2, 0), atol=1e-5)
    critic = state.nets["critic"].params
    _, (terms, _) = made.gen_loss(gen.params, gen.stats, critic, image, aus, aus)
    logits = made.judge(critic, image).aus
    by_hand = (jax.nn.softplus(logits) - aus * logits).mean()  # cross entropy of the pictures themselves
    assert float(terms["aus"]) == pytest.approx(float(by_hand), rel=1e-4) and terms["rec"] > 0.01
    assert float(terms["smooth"]) == pytest.approx(0, abs=1e-5)


def test_the_average_edits_where_there_is_one():
    made, examples = system(ema_decay=0.5), batch()
    state = started(made)
    after, _ = jax.jit(made.train_step, static_argnums=3)(state, examples, jax.random.key(1), Due(gen=True))
    gen = after.nets["gen"]
    half = jax.tree.map(lambda a, b: (a + b) / 2, state.nets["gen"].params, gen.params)
    for average, expected in zip(jax.tree.leaves(gen.ema), jax.tree.leaves(half), strict=True):
        np.testing.assert_allclose(average, expected, atol=1e-6)
    without = after.replace(nets={**after.nets, "gen": gen.replace(params=gen.ema, ema=None)})
    np.testing.assert_array_equal(made.reconstruct(after, examples), made.reconstruct(without, examples))


def test_figures():
    made, examples = system(), batch()
    outputs = jax.device_get(made.eval_step(started(made), examples, KEY))
    figures = made.score(outputs)
    assert figures["reconstruction"]["examples"] == figures["critic"]["examples"] == 4
    exact = made.score({"l1": np.zeros(2), "square": np.full(2, 0.01), "aus": np.ones(2)})
    assert exact["reconstruction"]["psnr"] == pytest.approx(20) and exact["critic"]["aus_l1"] == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("loss.adversarial", "wasserstein"),
        ("loss.aus", "l2"),
        ("targets.kind", "all"),
        ("targets.draws", 0),
        ("gen_every", 0),
    ],
)
def test_bad_fields_are_named(field, value):
    with pytest.raises(UsageError, match=field.replace(".", r"\.")):
        system(**{field: value})
