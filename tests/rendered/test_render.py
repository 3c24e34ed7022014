"""The face model, its renderer and the labels."""

import dataclasses
import itertools
import subprocess
import sys

import numpy as np
import pytest

from fer_jax.core.labels import AU_NUMBERS
from fer_jax.data import workers
from fer_jax.rendered import model as face_model
from fer_jax.rendered import population, render

AT = {number: index for index, number in enumerate(AU_NUMBERS)}
MODEL = face_model.load()


def moved(number, amount=1.0):
    """How every template vertex moves when one AU goes from 0 to `amount`."""
    aus = np.zeros(17, np.float32)
    rest = face_model.express(MODEL, MODEL.rest, aus)
    aus[AT[number]] = amount
    return face_model.express(MODEL, MODEL.rest, aus) - rest


def skin_near(x, y, z=0.9, reach=0.08):
    """Skin vertices around (+-x, y), in front of depth z."""
    spot = np.hypot(np.abs(MODEL.rest[:, 0]) - x, MODEL.rest[:, 1] - y) < reach
    spot &= (MODEL.rest[:, 2] > z) & (MODEL.vertex_material == face_model.SKIN) & (MODEL.inner < 0.1)
    assert spot.sum() >= 3
    return spot


def lip_corners():
    lips = MODEL.lips > 0.3
    return lips & (np.abs(MODEL.rest[:, 0]) > 0.9 * np.abs(MODEL.rest[lips, 0]).max())


def test_lip_corners_go_up_with_au12_and_down_with_au15():
    assert moved(12)[lip_corners(), 1].mean() > 0.03
    assert moved(15)[lip_corners(), 1].mean() < -0.03


def test_au26_lowers_the_chin_and_not_the_forehead():
    shift = moved(26)[:, 1]
    assert shift[skin_near(0.0, 6.25)].mean() < -0.1
    assert abs(shift[skin_near(0.3, 7.6)].mean()) < 0.01


def test_brows():
    inner, outer = skin_near(0.12, 7.5), skin_near(0.50, 7.52)
    one, two, four = moved(1)[:, 1], moved(2)[:, 1], moved(4)[:, 1]
    assert one[inner].mean() > 0.03 and one[inner].mean() > 2 * abs(one[outer].mean())
    assert two[outer].mean() > 0.03 and two[outer].mean() > 2 * abs(two[inner].mean())
    assert four[inner].mean() < -0.03


def visible_eye(number, amount):
    """Pixels whose nearest surface is an eyeball."""
    aus = np.zeros(17, np.float32)
    if number:
        aus[AT[number]] = amount
    screen, inverse = render.project(face_model.express(MODEL, MODEL.rest, aus), 256)
    cover = render.raster.rasterise(screen, inverse, MODEL.triangles, 256)
    return int((MODEL.vertex_material[MODEL.triangles[cover.triangle, 0]] == face_model.EYE).sum())


def test_lids_close_with_au45_narrow_with_au7_and_open_with_au5():
    rest = visible_eye(0, 0)
    assert rest > 300
    assert visible_eye(45, 1.0) < 0.1 * rest
    assert visible_eye(7, 1.0) < 0.85 * rest
    assert visible_eye(5, 1.0) > 1.15 * rest


def test_asymmetry_favours_the_left_side_and_keeps_the_mean():
    aus = np.zeros(17, np.float32)
    aus[AT[12]] = 0.8
    even, uneven = (face_model.express(MODEL, MODEL.rest, aus, asymmetry=a) for a in (0.0, 0.2))
    left = lip_corners() & (MODEL.rest[:, 0] > 0)
    right = lip_corners() & (MODEL.rest[:, 0] < 0)
    assert (uneven - even)[left, 1].mean() > 0.002 > -0.002 > (uneven - even)[right, 1].mean()


def test_identities_share_the_framing():
    eyes, chin = face_model.landmarks(MODEL)
    for person in range(6):
        mesh = face_model.neutral(MODEL, population.identity_vector(0, person))
        assert mesh[eyes, 1].mean() == pytest.approx(MODEL.rest[eyes, 1].mean(), abs=1e-3)
        assert mesh[chin, 1] == pytest.approx(MODEL.rest[chin, 1], abs=1e-3)


def test_macro_weights_sum_to_two():
    for person in range(20):
        weights = face_model.macro_weights(population.identity_vector(1, person))
        assert set(weights) == set(MODEL.macros)
        assert min(weights.values()) >= 0 and sum(weights.values()) == pytest.approx(2.0)


def test_samples_are_pure_and_in_range():
    for person in range(30):
        for picture in range(14):
            spec = population.sample(5, person, picture)
            again = population.sample(5, person, picture)
            assert np.array_equal(spec.aus, again.aus) and np.array_equal(spec.light, again.light)
            assert spec.expression == picture % 7 and spec.aus.dtype == np.float32
            assert spec.aus.shape == (17,) and spec.aus.min() >= 0 and spec.aus.max() <= 1
            assert -1 <= spec.valence <= 1 and -1 <= spec.arousal <= 1
            assert (np.abs(spec.pose) <= [15, 8, 5]).all() and spec.light.shape == (population.LIGHT_SIZE,)
            assert np.linalg.norm(spec.light[:3]) == pytest.approx(1, abs=1e-5)


def test_valence_and_arousal_have_the_signs_of_the_circumplex():
    signs = {"happiness": (1, 1), "sadness": (-1, -1), "fear": (-1, 1), "disgust": (-1, 1), "anger": (-1, 1)}
    for name, (valence, arousal) in signs.items():
        index = population.EXPRESSIONS.index(name)
        specs = [population.sample(0, person, index) for person in range(60)]
        assert np.sign(np.mean([spec.valence for spec in specs])) == valence
        assert np.sign(np.mean([spec.arousal for spec in specs])) == arousal


def test_classes_overlap_only_a_little():
    """A nearest-centroid rule on the true AUs is good, but not perfect: classes mix as real ones do."""
    specs = [population.sample(0, person, picture) for person in range(80) for picture in range(7)]
    aus, labels = np.stack([s.aus for s in specs]), np.array([s.expression for s in specs])
    centres = np.stack([aus[labels == k].mean(axis=0) for k in range(7)])
    right = (np.linalg.norm(aus[:, None] - centres, axis=2).argmin(axis=1) == labels).mean()
    assert 0.80 < right < 0.99


def test_pictures_are_deterministic_and_differ():
    first = population.render(population.sample(0, 1, 1), 48)
    assert first.shape == (48, 48, 3) and first.dtype == np.uint8 and first.std() > 15
    assert np.array_equal(first, population.render(population.sample(0, 1, 1), 48))

    def distance(seed, person, picture):
        other = population.render(population.sample(seed, person, picture), 48)
        return np.abs(first.astype(int) - other).mean()

    assert distance(0, 2, 1) > 5 and distance(0, 1, 3) > 2 and distance(1, 1, 1) > 5


def test_only_the_expression_changes_the_mouth():
    neutral = population.sample(0, 4, 0)
    neutral = dataclasses.replace(neutral, aus=np.zeros(17, np.float32), pose=np.zeros(3, np.float32), asymmetry=0.0)
    open_ = neutral.aus.copy()
    open_[AT[26]] = 1.0
    before, after = (population.render(spec, 64) for spec in (neutral, dataclasses.replace(neutral, aus=open_)))
    change = np.abs(before.astype(int) - after)
    assert change[40:].mean() > 4 and change[:20].mean() < 0.5


def test_rasteriser_draws_the_nearer_of_two_triangles_and_no_back_face():
    screen = np.array([[1.0, 9], [9, 9], [1, 1], [1, 9], [9, 9], [1, 1]])
    inverse = np.array([1.0, 1, 1, 2, 2, 2])
    cover = render.raster.rasterise(screen, inverse, np.array([[0, 1, 2], [3, 4, 5]]), 10)
    assert set(cover.triangle) == {1} and len(cover.pixel) == 36
    assert np.allclose(cover.weights.sum(axis=1), 1, atol=1e-5)
    assert len(render.raster.rasterise(screen, inverse, np.array([[0, 2, 1]]), 10).pixel) == 0


def test_two_workers_give_the_same_pixels_as_one():
    jobs = [(0, person, picture, 24, False) for person in range(3) for picture in range(8)]
    one, two = list(population.render_all(jobs, 1)), list(population.render_all(jobs, 2))
    assert [job for job, _ in two] == jobs
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one, two, strict=True))


def test_jobs_are_taken_as_results_are_asked_for():
    taken = []
    endless = (taken.append(i) or i for i in itertools.count())
    assert list(itertools.islice(workers.in_order(lambda jobs: [-job for job in jobs], endless, 1), 3)) == [0, -1, -2]
    assert taken == [0, 1, 2]


def test_workers_import_no_framework():
    """Beyond what the enclosing package itself imports, a worker loads numpy and the standard library only."""
    code = (
        "import sys, fer_jax.data; before = set(sys.modules); import fer_jax.rendered.population;"
        "print([m for m in ('tensorflow', 'tensorflow_datasets', 'jax', 'flax', 'scipy', 'sklearn', 'matplotlib')"
        " if m in set(sys.modules) - before])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("call", [
    lambda: population.sample(-1, 0, 0),
    lambda: population.render(population.sample(0, 0, 0), 4),
    lambda: face_model.neutral(MODEL, np.zeros(3)),
    lambda: face_model.express(MODEL, MODEL.rest, np.full(17, 1.5)),
    lambda: list(population.render_all([], 0)),
])  # fmt: skip
def test_bad_arguments(call):
    with pytest.raises(ValueError, match="expected"):
        call()


def test_free_units_do_not_say_each_other():
    """Any two of them are uncorrelated, where in the classes some always come together; the person is the same."""
    free = np.stack([population.sample(0, person, 0, free=True).aus for person in range(1500)])
    related = np.corrcoef(free.T)[np.triu_indices(17, 1)]
    assert np.abs(related).max() < 0.2 and 0.15 < (free > 0).mean() < 0.3
    named = population.sample(0, 3, 1)
    np.testing.assert_array_equal(named.identity_vector, population.sample(0, 3, 1, free=True).identity_vector)
