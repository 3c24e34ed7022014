"""Distances between two sets of pictures: Fréchet (FID) and kernel (KID) distance of a network's features.

A `FeatureNetwork` turns pictures into features, `Statistics` gathers their mean and scatter batch by batch, the rest
is arithmetic in float64. Figures are named after the network, see `metric_key`, since figures of different networks
cannot be compared; nor can those of different numbers of pictures, because the Fréchet distance of few is too large.
`real_floor` says by how much. Below some 5000 pictures the kernel distance, which is unbiased, is the better one.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fer_jax.core.errors import RunFailed
from fer_jax.inference.batches import in_batches
from fer_jax.interop import inception as files
from fer_jax.nn.inception import SIZE, Inception

_OWN_NAMES = {"inception_fid": "", "inception_torchvision": "_torchvision"}  # whose distance is called FID and KID
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@runtime_checkable
class FeatureNetwork(Protocol):
    """What features are taken from."""

    @property
    def name(self) -> str:
        """Of the network and its weights, as the metrics' names show it."""
        ...

    def features(self, images: np.ndarray) -> np.ndarray:
        """Pictures (B, S, S, C) in [0, 1] -> (B, D), any B."""
        ...


def metric_key(name: str, *, kernel: bool = False) -> str:
    """The figure's name for a network's.

    "fid" is kept for TensorFlow's Inception-v3 with its own weights, which published figures are of.

    >>> metric_key("inception_fid"), metric_key("inception_torchvision"), metric_key("face_evaluator")
    ('fid', 'fid_torchvision', 'frechet_face_evaluator')
    >>> metric_key("inception_fid", kernel=True), metric_key("face_evaluator", kernel=True)
    ('kid', 'kernel_face_evaluator')
    """
    if name in _OWN_NAMES:
        return ("kid" if kernel else "fid") + _OWN_NAMES[name]
    return f"{'kernel' if kernel else 'frechet'}_{name}"


# ---- statistics -----------------------------------------------------------------------------------------------------


class Statistics:
    """Number, mean (D,) and scatter (D, D) of features that come in batches; float64.

    The scatter is the sum of (x - mean)(x - mean)^T. Batches, and whole statistics, are merged by Chan's formula,
    which subtracts no large numbers from each other, so their sizes and order do not matter.

    Attributes:
      count: features so far.
    """

    def __init__(self, *, keep: bool = False):
        """`keep`: also hold the features, which is exact and fast for fewer of them than they have dimensions."""
        self.count = 0
        self._keep = keep
        self._kept: list[np.ndarray] = []
        self._mean: np.ndarray | None = None
        self._scatter: np.ndarray | None = None

    @classmethod
    def of(cls, features: np.ndarray, *, keep: bool = True) -> "Statistics":
        """Of all features (N, D) at once."""
        statistics = cls(keep=keep)
        statistics.update(features)
        return statistics

    def update(self, features: np.ndarray) -> None:
        """Takes in a batch (B, D); B may be 0.

        Raises:
          ValueError: it has another shape than (B, D of the first batch).
          RunFailed: a feature is not finite.
        """
        batch = np.asarray(features)
        if batch.ndim != 2 or (self._mean is not None and batch.shape[1] != len(self._mean)):
            wanted = "(B, D)" if self._mean is None else f"(B, {len(self._mean)})"
            raise ValueError(f"Statistics: features of shape {wanted} expected, got {batch.shape}")
        if not np.isfinite(batch).all():
            raise RunFailed("a picture's features are not finite; nor is the picture itself, most likely")
        if not len(batch):
            return
        if self._keep:
            self._kept.append(batch.copy())
        wide = batch.astype(np.float64)
        mean = wide.mean(0)
        centred = wide - mean
        self._merge(len(batch), mean, centred.T @ centred)

    def merge(self, other: "Statistics") -> None:
        """Takes in all that another has seen.

        Raises:
          ValueError: its features have another size, or were not kept where these are.
        """
        if not other.count:
            return
        if self._keep and not other._keep:
            raise ValueError("Statistics: features are kept here, but not in those to be merged")
        if self._mean is not None and len(self._mean) != len(other.mean):
            raise ValueError(f"Statistics: {len(other.mean)} dimensions cannot be merged into {len(self._mean)}")
        self._kept += other._kept if self._keep else []
        self._merge(other.count, other.mean, other.scatter)

    def _merge(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        if self._mean is None or self._scatter is None:
            self.count, self._mean, self._scatter = count, mean.copy(), scatter.copy()
            return
        total = self.count + count
        apart = mean - self._mean
        self._scatter += scatter + np.outer(apart, apart) * (self.count * count / total)
        self._mean = self._mean + apart * (count / total)
        self.count = total

    @property
    def mean(self) -> np.ndarray:
        """(D,); a ValueError before the first feature."""
        return self._some(self._mean)

    @property
    def scatter(self) -> np.ndarray:
        """(D, D)."""
        return self._some(self._scatter)

    @property
    def covariance(self) -> np.ndarray:
        """(D, D), with divisor N - 1; a ValueError below two features."""
        if self.count < 2:
            raise ValueError(f"Statistics: {self.count} features have no covariance; at least 2 are needed")
        return self.scatter / (self.count - 1)

    @property
    def features(self) -> np.ndarray | None:
        """(N, D) where they are kept, in the order they came in."""
        return np.concatenate(self._kept) if self._kept else None

    @staticmethod
    def _some(value: np.ndarray | None) -> np.ndarray:
        if value is None:
            raise ValueError("Statistics: no features yet")
        return value


def gather(network: FeatureNetwork, batches: Iterable[np.ndarray], *, keep: bool = True) -> Statistics:
    """Statistics of the features of batches of pictures (B, S, S, C) in [0, 1]."""
    statistics = Statistics(keep=keep)
    for images in batches:
        statistics.update(network.features(images))
    return statistics


# ---- distances ------------------------------------------------------------------------------------------------------


def frechet_distance(first: Statistics, second: Statistics) -> float:
    """Fréchet distance of two Gaussians, |m1 - m2|^2 + tr C1 + tr C2 - 2 tr sqrt(C1 C2) (Heusel et al. 2017, eq. 6).

    The last trace is the nuclear norm of F1^T F2 for any F with F F^T = C, which is real and needs no square root of
    a product (scipy's sqrtm of it becomes complex where there are fewer pictures than dimensions). Kept features that
    are fewer than the dimensions are such an F themselves; otherwise it comes from C's eigenvectors.

    Raises:
      ValueError: other dimensions, or fewer than two features in a set.
    """
    if len(first.mean) != len(second.mean):
        raise ValueError(f"frechet_distance: features of {len(first.mean)} and of {len(second.mean)} dimensions")
    apart = first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    shared = np.linalg.svd(_factor(first).T @ _factor(second), compute_uv=False).sum()
    return max(float(apart @ apart + traces - 2 * shared), 0.0)  # rounding may leave equal sets below 0


def _factor(statistics: Statistics) -> np.ndarray:
    """F (D, R) with F F^T = covariance."""
    features, size = statistics.features, len(statistics.mean)
    if features is not None and statistics.count < size:
        return (features.astype(np.float64) - statistics.mean).T / np.sqrt(statistics.count - 1)
    values, vectors = np.linalg.eigh(statistics.covariance)
    rank = min(size, statistics.count - 1)  # the other eigenvalues are rounding, whose roots are not that small
    return vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 0))


class KernelDistance(NamedTuple):
    """Mean and standard deviation over the subsets."""

    mean: float
    std: float


def kernel_distance(
    first: np.ndarray, second: np.ndarray, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> KernelDistance:
    """Kernel inception distance (Bińkowski et al. 2018) of features (N, D) and (M, D): squared MMD, unbiased.

    The kernel is (x . y / D + 1)^3. Each subset draws min(subset_size, N, M) features of both sets without repeating
    one; where that is all of them, every subset is the same and std is 0. Unbiased means that it may be below 0.

    Raises:
      ValueError: other dimensions, fewer than two features in a set, or no subsets.
    """
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"kernel_distance: features of shapes {first.shape} and {second.shape}")
    size = min(subset_size, len(first), len(second))
    if size < 2 or subsets < 1:
        raise ValueError(f"kernel_distance: {subsets} subsets of {size} features; needed are 1 of 2")
    rng = np.random.default_rng(seed)
    if size == len(first) == len(second):
        subsets = 1
    values = []
    for _ in range(subsets):
        x, y = (
            features[rng.choice(len(features), size, replace=False)].astype(np.float64) for features in (first, second)
        )
        values.append(_squared_mmd(x, y))
    return KernelDistance(float(np.mean(values)), float(np.std(values)))


def _squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased, of two sets of one size (M, D): pairs of a feature with itself do not count."""
    size = len(x)

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    within = sum(values.sum() - np.trace(values) for values in (kernel(x, x), kernel(y, y)))
    return float(within / (size * (size - 1)) - 2 * kernel(x, y).mean())


def real_floor(features: np.ndarray, *, seed: int = 0) -> float:
    """Fréchet distance of two random halves of real features (N, D): what N / 2 pictures measure of no difference.

    Raises:
      ValueError: fewer than four features.
    """
    if len(features) < 4:
        raise ValueError(f"real_floor: {len(features)} features are too few to be halved; at least 4 are needed")
    order = np.random.default_rng(seed).permutation(len(features))
    half = len(features) // 2
    return frechet_distance(Statistics.of(features[order[:half]]), Statistics.of(features[order[half : 2 * half]]))


# ---- networks -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """A `FeatureNetwork` of a pure function, compiled once for batches of one size; runs on this host's first device.

    Attributes:
      name: see `FeatureNetwork`.
      function: (variables, pictures (B, S, S, C) in [0, 1]) -> (B, D).
      variables: of the network.
      batch_size: images that go through it together.
    """

    name: str
    function: Callable[[Any, jax.Array], jax.Array]
    variables: Any
    batch_size: int = 32

    @functools.cached_property
    def _run(self) -> Callable[[np.ndarray], jax.Array]:
        device = jax.local_devices()[0]
        variables, function = jax.device_put(self.variables, device), jax.jit(self.function)

        def run(images: np.ndarray) -> jax.Array:
            with jax.default_matmul_precision("highest"):  # a TPU's own is bfloat16, which would be other features
                return function(variables, jax.device_put(images, device))

        return run

    def features(self, images: np.ndarray) -> np.ndarray:
        """Pictures (B, S, S, C) in [0, 1], any B, -> (B, D) float32.

        Raises:
          ValueError: no pictures, or values outside of [0, 1].
        """
        images = np.asarray(images, np.float32)
        if images.ndim != 4 or not len(images):
            raise ValueError(f"{self.name}: pictures (B, S, S, C) expected, got shape {images.shape}")
        if images.min() < 0 or images.max() > 1:  # NaN passes, and shows in the features
            raise ValueError(f"{self.name}: pictures in [0, 1] expected, got {images.min():.3g} to {images.max():.3g}")
        return in_batches(self._run, images, size=self.batch_size)


@functools.cache
def inception(path: str | Path, form: str, *, batch_size: int = 32, twice: bool = True) -> Features:
    """Inception-v3 with the weights of a file, see `fer_jax.interop.inception`.

    Its name is "inception_fid" or "inception_torchvision" only with the published weights, told by their SHA-256; other
    weights have it in their name, so that no figure of them is called FID.

    Args:
      path: the file.
      form: "fid" or "torchvision".
      batch_size: see `Features`.
      twice: torchvision's form only, see `prepare`; without it the name ends in "_once".

    Raises:
      UsageError: the file is missing, damaged, refused, or not of that form.
    """
    variables, digest = files.read(Path(path), form), files.digest(Path(path))
    name = f"inception_{form}" if digest in files.PUBLISHED[form] else f"inception_{form}_{digest}"
    name += "_once" if form == "torchvision" and not twice else ""

    def function(variables: Any, images: jax.Array) -> jax.Array:
        return Inception(form).apply(variables, prepare(images, form, twice=twice))  # type: ignore[return-value]

    return Features(name, function, variables, batch_size)


def prepare(images: Float[Array, "b h w c"], form: str, *, twice: bool = True) -> Float[Array, "b 299 299 3"]:
    """Pictures in [0, 1], grey or colour, as Inception-v3 sees them: 299 x 299, in [-1, 1].

    "fid": resized as PIL does it, bicubic and antialiased (Parmar et al. 2022; pytorch-fid's is bilinear, and its
    figures are therefore slightly different), and cut off at 0 and 1, beyond which bicubic overshoots.

    "torchvision": resized as the AU editor's reference does it, bilinear between pixel centres without antialiasing.
    `twice` then scales the values twice, as the reference does by leaving torchvision's own scaling on behind its own:
    only so are its logged distances comparable. Without, once.
    """
    shape = (len(images), SIZE, SIZE, 3)
    images = jnp.broadcast_to(images, (*images.shape[:3], 3))
    if form == "fid":
        return 2 * jnp.clip(jax.image.resize(images, shape, "cubic", antialias=True), 0, 1) - 1
    x = 2 * jax.image.resize(images, shape, "linear", antialias=False) - 1
    if not twice:
        return x
    mean, std = jnp.asarray(_IMAGENET_MEAN, x.dtype), jnp.asarray(_IMAGENET_STD, x.dtype)
    return x * (std / 0.5) + (mean - 0.5) / 0.5
