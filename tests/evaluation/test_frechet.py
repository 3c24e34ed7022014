"""Fréchet and kernel distance: worked values, formulas against each other, and the networks' features."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from fer_jax.core.errors import RunFailed, UsageError
from fer_jax.evaluation import frechet
from fer_jax.evaluation.frechet import Features, Statistics, frechet_distance, kernel_distance
from fer_jax.interop import inception as files
from fer_jax.interop.torch_file import save_state_dict
from fer_jax.interop.torch_names import export_tree
from fer_jax.nn.inception import FORMS, Inception


def features(count, size, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, size)) @ rng.normal(size=(size, size)) + shift).astype(np.float32)


def test_documented_keys():
    assert not doctest.testmod(frechet).failed


@pytest.mark.parametrize(("count", "size"), [(50, 8), (8, 50), (2, 5), (9, 9)])
@pytest.mark.parametrize("keep", [True, False])
def test_identical_sets_are_at_zero(count, size, keep):
    one = Statistics.of(features(count, size), keep=keep)
    assert 0 <= frechet_distance(one, one) <= 1e-7 * np.trace(one.covariance)


def test_worked_value():
    """Means (0, 0) and (3, 4), variances (1, 4) and (9, 1): 25 + (1 - 3)^2 + (2 - 1)^2 = 30."""

    def cross(mean, deviations):  # four points whose covariance with divisor 3 is diagonal
        return np.asarray(mean) + np.sqrt(1.5) * np.concatenate([np.diag(deviations), -np.diag(deviations)])

    for keep in (True, False):
        sets = Statistics.of(cross((0, 0), (1, 2)), keep=keep), Statistics.of(cross((3, 4), (3, 1)), keep=keep)
        np.testing.assert_allclose(sets[0].covariance, np.diag([1, 4]), atol=1e-12)
        assert frechet_distance(*sets) == pytest.approx(30, rel=1e-12)
        assert frechet_distance(*sets[::-1]) == pytest.approx(30, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(12, 20), (12, 300), (300, 12), (300, 200)])
def test_few_features_and_covariances_give_the_same(n, m):
    """Also where only one of the sets has fewer features than dimensions."""
    a, b = features(n, 40), features(m, 40, seed=1, shift=0.5)
    kept = frechet_distance(Statistics.of(a), Statistics.of(b))
    assert kept == pytest.approx(frechet_distance(Statistics.of(a, keep=False), Statistics.of(b, keep=False)), rel=1e-9)
    x, y = (values - values.mean(0, dtype=np.float64) for values in (a, b))
    direct = np.linalg.svd(x @ y.T, compute_uv=False).sum() / np.sqrt((n - 1) * (m - 1))
    traces = np.cov(a.T, dtype=np.float64).trace() + np.cov(b.T, dtype=np.float64).trace()
    apart = a.mean(0, dtype=np.float64) - b.mean(0, dtype=np.float64)
    assert kept == pytest.approx(apart @ apart + traces - 2 * direct, rel=1e-9)


@pytest.mark.parametrize("offset", [0, 1e4])
def test_batches_and_merges_give_what_the_whole_does(offset):
    values = features(100, 6, shift=offset)
    stream, left, right = (Statistics(keep=True) for _ in range(3))
    for part in np.split(values, [0, 1, 18, 60, 99]):
        stream.update(part)
    left.update(values[:37])
    right.update(values[37:])
    left.merge(right)
    left.merge(Statistics())
    empty = Statistics()
    empty.merge(left)
    for statistics in (stream, left, empty):
        assert statistics.count == 100
        np.testing.assert_allclose(statistics.mean, values.mean(0, dtype=np.float64), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(statistics.covariance, np.cov(values.T, dtype=np.float64), rtol=1e-9)
    np.testing.assert_array_equal(stream.features, values)
    np.testing.assert_array_equal(left.features, values)
    assert empty.features is None


def test_merging_does_not_share_arrays():
    whole, part = Statistics(), Statistics.of(features(9, 3))
    whole.merge(part)
    whole.update(features(9, 3, seed=1))
    np.testing.assert_allclose(part.covariance, np.cov(features(9, 3).T, dtype=np.float64))


def test_statistics_refuse():
    one = Statistics.of(features(3, 4))
    for wrong in (np.zeros((2, 5)), np.zeros(4)):
        with pytest.raises(ValueError, match=r"\(B, 4\) expected"):
            one.update(wrong)
    with pytest.raises(RunFailed, match="not finite"):
        one.update(np.full((1, 4), np.nan))
    with pytest.raises(ValueError, match="not in those to be merged"):
        one.merge(Statistics.of(features(3, 4), keep=False))
    with pytest.raises(ValueError, match="cannot be merged"):
        one.merge(Statistics.of(features(3, 5)))
    with pytest.raises(ValueError, match="1 features have no covariance"):
        frechet_distance(one, Statistics.of(features(1, 4)))
    with pytest.raises(ValueError, match="no features yet"):
        frechet_distance(one, Statistics())
    with pytest.raises(ValueError, match="4 and of 5 dimensions"):
        frechet_distance(one, Statistics.of(features(3, 5)))


def test_kernel_distance_by_its_definition():
    x, y = features(7, 3).astype(np.float64), features(7, 3, seed=1, shift=1).astype(np.float64)

    def kernel(a, b):
        return (np.dot(a, b) / 3 + 1) ** 3

    pairs = [(i, j) for i in range(7) for j in range(7)]
    within = sum(kernel(v[i], v[j]) for v in (x, y) for i, j in pairs if i != j) / (7 * 6)
    expected = within - 2 * np.mean([kernel(x[i], y[j]) for i, j in pairs])
    for size in (7, 1000):
        assert kernel_distance(x, y, subset_size=size) == pytest.approx((expected, 0), rel=1e-12, abs=1e-12)


def test_kernel_distance_of_subsets():
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(300, 4)), rng.normal(size=(200, 4)), rng.normal(1, 1, (200, 4))
    same, other = kernel_distance(x, y, subset_size=50), kernel_distance(x, z, subset_size=50)
    assert abs(same.mean) < same.std and other.mean > 3 * other.std > 0
    assert kernel_distance(x, y, subset_size=50) == same != kernel_distance(x, y, subset_size=50, seed=1)
    for wrong in ((x, y[:1]), (x, y[:, :2]), (x[0], y)):
        with pytest.raises(ValueError, match="kernel_distance"):
            kernel_distance(*wrong)
    with pytest.raises(ValueError, match="0 subsets"):
        kernel_distance(x, y, subsets=0)


def test_floor_falls_with_the_number_of_pictures():
    floors = [frechet.real_floor(np.random.default_rng(0).normal(size=(count, 10))) for count in (20, 201, 2000)]
    assert floors[0] > floors[1] > floors[2] > 0
    with pytest.raises(ValueError, match="too few to be halved"):
        frechet.real_floor(np.zeros((3, 2)))


# ---- networks -------------------------------------------------------------------------------------------------------


def test_features_of_any_number_of_pictures_are_compiled_once():
    traced = []

    def function(variables, images):
        traced.append((images.shape, jax.config.jax_default_matmul_precision))
        return images.sum((1, 2)) * variables["scale"]

    network = Features("sums", function, {"scale": np.float32(2)}, batch_size=4)
    images = np.random.default_rng(0).uniform(size=(10, 3, 3, 1)).astype(np.float32)
    with jax.transfer_guard("disallow"):
        found = [network.features(images[:count]) for count in (10, 3, 4)]
    for count, values in zip((10, 3, 4), found, strict=True):
        np.testing.assert_allclose(values, 2 * images[:count].sum((1, 2)), rtol=1e-6)
    assert traced == [((4, 3, 3, 1), "highest")]
    statistics = frechet.gather(network, [images[:7], images[7:]])
    np.testing.assert_allclose(statistics.mean, 2 * images.sum((1, 2)).mean(0), rtol=1e-6)
    for wrong in (images[0], images[:0], images - 0.5, images * 255):
        with pytest.raises(ValueError, match="sums: pictures"):
            network.features(wrong)
    with pytest.raises(RunFailed, match="not finite"):
        frechet.gather(network, [np.full((1, 3, 3, 1), np.nan)])


@pytest.mark.parametrize("size", [48, 299, 512])
def test_fid_form_resizes_as_pil_does(size):
    image = np.random.default_rng(0).uniform(size=(size, size)).astype(np.float32)
    expected = np.asarray(Image.fromarray(image).resize((299, 299), Image.Resampling.BICUBIC))
    actual = frechet.prepare(jnp.asarray(image)[None, :, :, None], "fid")
    np.testing.assert_allclose(actual[0], np.repeat(2 * expected.clip(0, 1)[..., None] - 1, 3, -1), atol=2e-5)


@pytest.mark.parametrize("size", [5, 112, 400])
def test_torchvision_form_resizes_without_antialiasing(size):
    image = np.random.default_rng(0).uniform(size=(size, size, 3))
    at = np.clip((np.arange(299) + 0.5) * size / 299 - 0.5, 0, size - 1)
    low, high = np.floor(at).astype(int), np.minimum(np.floor(at).astype(int) + 1, size - 1)
    share = at - low
    rows = image[low] * (1 - share)[:, None, None] + image[high] * share[:, None, None]
    expected = rows[:, low] * (1 - share)[:, None] + rows[:, high] * share[:, None]
    once = frechet.prepare(jnp.asarray(image, jnp.float32)[None], "torchvision", twice=False)
    np.testing.assert_allclose(once[0], 2 * expected - 1, atol=1e-4)
    twice = frechet.prepare(jnp.asarray(image, jnp.float32)[None], "torchvision")
    for c, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        np.testing.assert_allclose(twice[..., c], (once[..., c] * std + mean - 0.5) / 0.5, atol=1e-5)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """form -> file as torch.save writes it, random but for what they are told by."""
    folder, paths = tmp_path_factory.mktemp("weights"), {}
    for form, classes in (("torchvision", 1000), ("fid", 1008)):
        picture = jax.ShapeDtypeStruct((1, 299, 299, 3), np.float32)
        template = jax.eval_shape(lambda x, form=form: Inception(form).init(jax.random.key(0), x), picture)
        rng = np.random.default_rng(0)

        def draw(leaf, rng=rng):
            if leaf.ndim == 1:
                return np.ones(leaf.shape, leaf.dtype)
            return (rng.standard_normal(leaf.shape, leaf.dtype) * np.sqrt(2 / np.prod(leaf.shape[:3]))).astype("f4")

        tensors = export_tree(jax.tree.map(draw, template), files.TORCH_NAMES)
        tensors |= {"fc.weight": np.zeros((classes, 2048), np.float32), "fc.bias": np.zeros(classes, np.float32)}
        if form == "torchvision":
            tensors |= {"AuxLogits.conv0.conv.weight": np.zeros((128, 768, 1, 1), np.float32)}
            tensors |= {"Mixed_5b.branch1x1.bn.num_batches_tracked": np.zeros((), np.int64)}
        paths[form] = folder / f"{form}.pth"
        save_state_dict(paths[form], tensors)
    return paths


@pytest.mark.parametrize("form", FORMS)
def test_only_published_weights_have_the_names(weights, form, monkeypatch):
    digest = files.digest(weights[form])
    assert frechet.inception(weights[form], form).name == f"inception_{form}_{digest}"
    monkeypatch.setitem(files.PUBLISHED, form, (digest,))
    frechet.inception.cache_clear()
    assert frechet.inception(weights[form], form).name == f"inception_{form}"
    once = frechet.inception(weights[form], form, twice=False).name
    assert once == f"inception_{form}" + "_once" * (form == "torchvision")
    assert frechet.metric_key(frechet.inception(weights[form], form).name).startswith("fid")


def test_other_files_are_refused(weights, tmp_path):
    for form, other in (FORMS, FORMS[::-1]):
        with pytest.raises(UsageError, match=rf"{other}\.pth: has a classifier of \d+ classes, .* form '{form}'"):
            frechet.inception(weights[other], form)
    with pytest.raises(UsageError, match=r"none\.pth: cannot be read"):
        frechet.inception(tmp_path / "none.pth", "fid")
    with pytest.raises(UsageError, match="no form 'tf'"):
        frechet.inception(weights["fid"], "tf")
    fc = {"fc.weight": np.zeros((1008, 2048), np.float32)}
    for tensors, says in (
        ({"a": np.zeros(3, np.float32)}, "has no fc.weight"),
        (fc, "has no tensor 'Conv2d_1a_3x3.bn"),
    ):
        save_state_dict(tmp_path / "x.pth", tensors)
        with pytest.raises(UsageError, match=rf"x\.pth: {says}"):
            frechet.inception(tmp_path / "x.pth", "fid")
    (tmp_path / "x.pth").write_bytes(b"no weights")
    with pytest.raises(UsageError, match=r"x\.pth: not a file that torch\.save wrote"):
        frechet.inception(tmp_path / "x.pth", "torchvision")


@pytest.mark.parametrize("form", FORMS)
def test_pictures_through_the_network(weights, form):
    network = frechet.inception(weights[form], form, batch_size=2)
    images = np.random.default_rng(0).uniform(size=(3, 20, 20, 1)).astype(np.float32)
    found = network.features(images)
    assert found.shape == (3, 2048) and np.isfinite(found).all()
    np.testing.assert_allclose(network.features(np.repeat(images[2:], 3, -1)), found[2:], rtol=1e-4)
