"""The measure of editing, with an evaluator that reads what stands in the pixels."""

import numpy as np
import pytest

from fer_jax.evaluation import editing
from fer_jax.evaluation.face_evaluator import FaceEvaluator, FaceScores

SIDE = 5  # 25 pixels: 17 intensities, then who it is


class Reads(FaceEvaluator):
    """An evaluator without error: intensities are the first 17 pixels, the person is the direction of the last ones."""

    def __init__(self):
        self.classes = ("neutral", "happiness")

    def evaluate(self, images):
        flat = np.asarray(images, np.float64).reshape(len(images), -1)
        aus, person = flat[:, :17], flat[:, 17:] - 0.5
        happy = aus[:, 8] > 0.5
        return FaceScores(
            flat, aus, np.eye(2)[happy.astype(int)], person / np.linalg.norm(person, axis=1, keepdims=True)
        )


def pictures(aus, seed=0):
    rng = np.random.default_rng(seed)
    flat = np.concatenate([aus, rng.uniform(0, 1, (len(aus), SIDE * SIDE - 17))], 1)
    return flat.reshape(-1, SIDE, SIDE, 1).astype(np.float32)


@pytest.fixture
def trial():
    aus = np.zeros((4, 17), np.float32)
    aus[0, 8], aus[1, 0], aus[2, [0, 8]] = 1.0, 0.6, (0.8, 0.4)
    sources = pictures(aus)
    return editing.Trial.of(sources, sources, ("a", "b", "c", "d"), aus, editing.typical_intensities(aus))


def perfect(images, asked, own=None):
    flat = images.reshape(len(images), -1).copy()
    flat[:, :17] = asked
    return flat.reshape(images.shape)


def test_typical_intensity_is_the_mean_where_a_unit_is_there():
    aus = np.zeros((3, 17))
    aus[:, 0], aus[:, 1] = (0.2, 0.6, 0.1), (0.19, 0.1, 0)
    np.testing.assert_allclose(editing.typical_intensities(aus)[:2], (0.4, 0))


def test_what_is_asked(trial):
    """The two units that are ever there, of each picture: away where it is there, else to its usual intensity."""
    assert trial.unit.tolist() == [0, 8] * 4 and trial.source.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    asked = trial.asked[np.arange(8), trial.unit]
    np.testing.assert_allclose(asked, [0.7, 0, 0, 0.7, 0, 0, 0.7, 0.7], rtol=1e-6)
    others = np.ones((8, 17), bool)
    others[np.arange(8), trial.unit] = False
    np.testing.assert_array_equal(
        trial.asked[others], trial.sources.reshape(4, -1)[:, :17][trial.source][others], "the others stay"
    )
    np.testing.assert_array_equal(trial.own, trial.sources.reshape(4, -1)[:, :17][trial.source])


def truth_of(trial):
    return perfect(trial.sources[trial.source], trial.asked)


def test_a_perfect_editor(trial):
    found = editing.measure(trial, perfect, Reads(), truth_of(trial))
    for figure in ("changed", "leak", "pixels"):
        assert found[figure] == pytest.approx(0, abs=1e-6)
    assert found["gain"] == pytest.approx(1, abs=1e-5) and found["identity_ratio"] == pytest.approx(1)
    assert found["units"] == ["AU01", "AU12"] and found["examples"] == 8


def test_no_editor(trial):
    found = editing.measure(trial, lambda images, asked, own: images, Reads(), truth_of(trial))
    wanted = np.mean([0.7, 1, 0.6, 0.7, 0.8, 0.4, 0.7, 0.7])
    assert found["changed_no_edit"] == pytest.approx(wanted, rel=1e-5)
    assert found["changed"] == pytest.approx(wanted, rel=1e-5)
    assert found["pixels"] == pytest.approx(wanted / SIDE**2, rel=1e-5)
    assert found["gain"] == pytest.approx(0, abs=1e-6)
    assert found["changed_ratio"] == found["pixels_ratio"] == pytest.approx(1)


def test_an_evaluator_that_reads_half_of_it_gives_the_same_ratio(trial):
    class Weak(Reads):
        def evaluate(self, images):
            scores = super().evaluate(images)
            return scores._replace(aus=scores.aus / 2)

    def half(images, asked, own):
        return (images + perfect(images, asked)) / 2

    found = [editing.measure(trial, half, evaluator, truth_of(trial)) for evaluator in (Reads(), Weak())]
    assert found[0]["changed_ratio"] == pytest.approx(0.5) == found[1]["changed_ratio"]


def test_an_editor_that_changes_all_units_leaks(trial):
    def all_units(images, asked, own):
        return perfect(images, np.broadcast_to(asked.max(1, keepdims=True), asked.shape))

    found = editing.measure(trial, all_units, Reads(), truth_of(trial))
    assert found["leak"] > 0.3 and found["gain"] < 0.5


def test_another_person_is_noticed(trial):
    def stranger(images, asked, own):
        return pictures(asked, seed=9)

    found = editing.measure(trial, stranger, Reads(), truth_of(trial))
    assert found["changed"] == pytest.approx(0, abs=1e-6) and found["identity_ratio"] < 0.8


def test_expressions_by_name():
    smile = np.zeros(17)
    smile[[4, 8]] = 1
    sources = pictures(np.zeros((3, 17), np.float32))
    emotions = {"happiness": smile, "contempt": smile}  # of which the evaluator knows the first
    assert editing.expressions(sources, perfect, Reads(), emotions) == {
        "accuracy": 1.0,
        "happiness": 1.0,
        "examples": 3,
    }
    assert editing.expressions(sources, lambda i, a: i, Reads(), emotions)["happiness"] == 0
    assert editing.expressions(sources, perfect, Reads(), {"contempt": smile}) == {}


def test_probability_rises_with_what_is_asked():
    """The evaluator finds happiness from the 9th unit's half on: at shares 0, 1/4, 1/2 of the way not yet."""
    sources, smile = pictures(np.zeros((3, 17), np.float32)), np.eye(17)[8]
    asked = {"neutral": np.zeros(17), "happiness": smile, "contempt": smile}
    found = editing.intensities(sources, perfect, Reads(), asked)
    assert found["probability_of"] == {"happiness": [0, 0, 0, 1, 1]} and found["shares"] == [0, 0.25, 0.5, 0.75, 1]
    assert found["rising"] == 1 and found["rank_correlation"] == pytest.approx(0.866, abs=1e-3)
    assert editing.intensities(sources, perfect, Reads(), {"contempt": smile}) == {}

    class Graded(Reads):
        def evaluate(self, images):
            scores = super().evaluate(images)
            return scores._replace(probabilities=np.stack([1 - scores.aus[:, 8], scores.aus[:, 8]], 1))

    found = editing.intensities(sources, perfect, Graded(), asked)
    assert found["rising"] == 1 == found["rank_correlation"]
    np.testing.assert_allclose(found["probability_of"]["happiness"], found["shares"], atol=1e-6)
    for most, rising in ((0.4, 0), (0.99, 1)):  # what is asked is shown up to `most`, and then less and less
        found = editing.intensities(sources, lambda i, a, m=most: perfect(i, np.minimum(a, 2 * m - a)), Graded(), asked)
        assert found["rising"] == rising, most


def test_expressions_of_another_person():
    sources, smile = pictures(np.zeros((3, 17), np.float32)), np.eye(17)[8]
    found = editing.expressions(sources, perfect, Reads(), {"happiness": smile}, others=sources)
    assert found["identity_ratio"] == pytest.approx(1) == found["identity_pairs"]
    found = editing.expressions(
        sources, lambda i, a: pictures(a, seed=9), Reads(), {"happiness": smile}, others=sources
    )
    assert found["accuracy"] == 1 and found["identity_ratio"] < 0.8


def test_true_edits_differ_from_the_picture_where_the_unit_is():
    from fer_jax.rendered import population

    spec = population.sample(0, 1, 0)  # a neutral face
    aus = spec.aus[None]
    typical = np.zeros(17)
    typical[15] = 0.9  # jaw drop
    drawn = population.render(spec, 32)[None] / np.float32(255)
    trial = editing.Trial.of(drawn, drawn, ("i0001_p00",), aus, typical)
    edited = editing.true_edits(trial, seed=0, size=32)
    gap = np.abs(edited[0] - drawn[0]).mean(-1)
    assert gap[18:].max() > 0.15 and gap[:10].max() < 0.05  # the mouth, not the forehead
    np.testing.assert_array_equal(
        editing.render_edits([(0, "i0001_p00", tuple(map(float, spec.aus)), 32)])[0] / np.float32(255), drawn[0]
    )
