"""Fields that the configs of all systems share."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

Split = Literal["train", "validation", "test"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """How pictures become a network's input, see `fer_jax.data.ops.view`."""

    load_size: int | None = None
    """Shorter side, in pixels, that a picture is resized to before it is cropped; None: no crop, the picture's size."""
    crop_kind: Literal["none", "random", "center"] = "none"
    """Part of the resized picture that is cut out."""
    flip_half: bool = False
    """Mirror half of the pictures, drawn at random."""
    rotate: float = 0.0
    """Largest turn in degrees, drawn evenly to both sides."""
    affine: Literal["nearest", "bilinear"] | None = None
    """GANmut's random turn, shift and zoom, with this interpolation; None: disabled."""
    augment: Literal["torchvision", "torchvision_eval", "face"] | None = None
    """A chain of changes by name, see `fer_jax.data.augment`; None: disabled."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratedConfig:
    """Faces that an editor made of the training pictures (`fer-jax augment`)."""

    folder: str | None = None
    """Folder that they lie in; None: there are none."""
    probability: float = 1.0
    """Probability that a made face takes its picture's place, where the folder was made to augment."""
    kind: Literal["augment", "expand"] | None = None
    """Kind of folder that the config needs; None: any."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """A stream of pictures: where it comes from, which labels it carries, and how its pictures are seen."""

    source: str
    """Data set, a name of `fer_jax.data.registry.available`."""
    path: str | None = None
    """Place of the files of a data set that cannot be made here; None: <data_dir>/downloads/manual/<source>."""
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """The data set's own options."""
    labels: tuple[str, ...] = ()
    """Label fields that a batch carries."""
    identities: int | None = None
    """Streams of people: the number of people, the first ones of the data set; None: all of them."""
    only: str | None = None
    """Pictures of one expression, by name; None: of all."""
    train_view: ViewConfig = ViewConfig()
    """View in training."""
    eval_view: ViewConfig = ViewConfig()
    """View in evaluation and use."""
    generated: GeneratedConfig = GeneratedConfig()
    """Faces made of the training pictures."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Data sets, splits and batches."""

    image_size: int
    """Side of the square pictures in pixels."""
    channels: Literal[1, 3] = 3
    """1: grey, 3: colour."""
    evaluate: str = "face"
    """The stream that is split and evaluated; the others only train."""
    streams: Mapping[str, StreamConfig] = dataclasses.field(default_factory=dict)
    """Streams by name."""
    data_dir: str | None = None
    """Folder of prepared data sets; None: that of TensorFlow Datasets."""
    batch_size: int = 32
    """Examples of a training step, over all devices together."""
    eval_batch_size: int = 64
    """Examples of an evaluation step, over all devices together."""
    fixed_pairs: bool = True
    """Pair the streams' examples once for the whole run; False: anew in every epoch."""
    skip_bad: bool = False
    """Leave out pictures that cannot be decoded, counted and listed, instead of stopping."""
    validation_fraction: float = 0.1
    """Share of the training split, where a data set has no validation split."""
    test_fraction: float = 0.2
    """Share of the training split, where a data set has no test split."""
    split_seed: int = 0
    """Seed of such splits."""
    folds: int | None = None
    """Number of folds of a subject-independent cross-validation; None: the data set's own splits."""
    fold: int = 0
    """Fold that this run tests on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelectConfig:
    """Which checkpoint counts."""

    split: Split = "validation"
    """Split that chooses. "test" is as most papers do; the figure is then optimistic, and the log says so."""
    metric: str
    """Figure that is highest at the chosen checkpoint."""
    patience: int | None = None
    """Evaluations without a better one that end the run; None: the run goes to its end."""
    also: tuple[Split, ...] = ()
    """Further splits that every evaluation scores. They choose nothing; the run's end and `fer-jax compare` report the
    highest figure on each, as is published where the scored split chose the epoch."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How long a run is and how often it reports. It may be changed when a run is gone on with."""

    epochs: int | None = 100
    """Length in epochs."""
    steps: int | None = None
    """Length in steps, instead of epochs."""
    min_steps: int | None = None
    """Smallest number of steps, however few an epoch has."""
    log_every: int = 100
    """Steps between lines of the log."""
    eval_every: int | None = None
    """Steps between evaluations; None: once an epoch."""
    sample_every: int | None = None
    """Steps between sample sheets; None: once an epoch."""
    checkpoint_every: int | None = None
    """Steps between checkpoints, beside those of evaluations; None: once an epoch."""
    sample_rows: int = 8
    """Rows of a sample sheet."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """One optimiser with a schedule, of the classifiers and BYOL; see `fer_jax.core.optimisers.build`."""

    kind: Literal["adam", "sgd"] = "adam"
    """Optimiser, by PyTorch's rules."""
    lr: float = 2e-4
    """Learning rate, at the top of the schedule."""
    weight_decay: float = 2e-5
    """Weight decay, which is added to the gradient."""
    momentum: float = 0.9
    """Momentum of sgd, which is Nesterov's."""
    schedule: Literal["cosine", "cosine_steps", "step", "constant"] = "cosine"
    """Half a cosine to 0 that changes once an epoch, or with every step; a factor every `decay_epochs`; or none."""
    warm_up_epochs: float = 0.0
    """Epochs in which the rate rises before the cosine."""
    decay: float = 0.1
    """Factor of the schedule "step"."""
    decay_epochs: int = 10
    """Epochs between the steps of the schedule "step"."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EditMeasuresConfig:
    """What the evaluation of an editor measures beside the system's own figures."""

    sources: int = 24
    """Faces that are edited in an evaluation during a run."""
    pictures: int = 1000
    """Pictures that Fréchet distances are taken of."""
    evaluator: str | None = None
    """A run that recognises expressions, and scores those of edits; None: the package's own, the face evaluator for
    rendered faces, else the FER2013 classifier."""
    inception: str | None = None
    """A file of Inception-v3's weights, on whose features distances are taken; None: on the evaluator's."""
    form: Literal["torchvision", "fid"] = "torchvision"
    """Whose weights of Inception-v3 they are."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SampleMeasuresConfig:
    """What the evaluation of a generator measures beside the system's own figures."""

    samples: int = 1000
    """Samples of an evaluation during a run."""
    final_samples: int = 5000
    """Samples of a run's result."""
    pictures: int = 5000
    """Real pictures of the split that samples are compared with, at most."""
    evaluator: str | None = None
    """A run that recognises expressions in such pictures; it names those of samples and gives the features that
    distances are taken on. None: the package's own, the face evaluator for rendered faces, else the classifier."""
    inception: str | None = None
    """A file of Inception-v3's weights, on whose features distances are taken; None: on the evaluator's."""
    form: Literal["fid", "torchvision"] = "fid"
    """Whose weights of Inception-v3 they are."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SystemConfig:
    """What every system has; a system's own `Config` adds its fields."""

    system: str
    """Name of the system, a folder of `fer_jax.systems`."""
    seed: int = 0
    """Seed of every random draw of the run."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Numbers that networks compute with; parameters and losses are float32."""
    data: DataConfig
    """Data sets, splits and batches."""
    select: SelectConfig
    """Which checkpoint counts."""
    run: RunConfig = RunConfig()
    """Length and reports."""
