"""What all configs share. A config is data: plain values, no code, no string to be parsed."""

from collections.abc import Callable, Mapping

from ml_collections import ConfigDict


def choose(
    variant: str, variants: Mapping[str, Callable[[ConfigDict], None]], published: Callable[[], ConfigDict]
) -> ConfigDict:
    """The published config of a system, changed into a variant.

    Raises:
      ValueError: there is no such variant.
    """
    config = published()
    if variant not in variants:
        raise ValueError(f"configs/{config.system}.py has no variant {variant!r}; have {', '.join(variants)}")
    variants[variant](config)
    return config


def get_config() -> ConfigDict:
    """Fields that every system has."""
    config = ConfigDict()
    config.seed = 0
    config.precision = "float32"  # or "bfloat16": bfloat16 compute, float32 parameters and losses
    config.data = ConfigDict(
        {
            "data_dir": "",  # TFDS folder; "" = TFDS's default
            "batch_size": 32,  # of all devices together
            "eval_batch_size": 64,
            "fixed_pairs": True,  # streams are paired once for all; False: anew in every epoch
            "skip_bad": False,  # leave out pictures that cannot be decoded (counted and listed) instead of stopping
            "validation_fraction": 0.1,  # of the training split, where a data set has no validation split
            "test_fraction": 0.2,  # likewise for test
            "split_seed": 0,
            "folds": 0,  # k > 0: subject-independent k-fold cross-validation, this run is fold `fold`
            "fold": 0,
        }
    )
    # Which checkpoint counts: the best one by `metric` on `split`. "test" is as most papers do; the figure is then
    # optimistic, and the log says so. `patience` evaluations without a better one end the run; 0 = none does.
    # Every evaluation is of the splits `also` too, which choose nothing: the run's end and tools.compare say what is
    # highest on each, as is reported where the scored split chose the epoch.
    config.select = ConfigDict({"split": "validation", "metric": "", "patience": 0, "also": ()})
    # How long, and how often to report; may be changed when a run is gone on with. 0 = once an epoch.
    config.run = ConfigDict(
        {
            "epochs": 100,
            "steps": 0,  # > 0: so many steps instead of epochs
            "min_steps": 0,  # no fewer than these, however few an epoch has
            "log_every": 100,
            "eval_every": 0,
            "sample_every": 0,
            "checkpoint_every": 0,
            "sample_rows": 8,
        }
    )
    return config


def stream(source: str, labels: tuple[str, ...], **fields) -> ConfigDict:
    """One stream of pictures: where it comes from, which labels it carries, and how its pictures are seen."""
    whole = {"load_size": 0, "crop_kind": "none", "flip_half": False, "rotate": 0.0, "affine": "", "augment": ""}
    defaults = {
        "source": source,
        "path": "",  # where the files of a data set that cannot be made here lie; "" = the default place
        "options": {},  # the data set's own
        "labels": labels,
        "identities": 0,  # identity streams: only the first so many, 0 = all
        "only": "",  # pictures of one expression, by name; "" = of all
        "train_view": dict(whole),
        "eval_view": dict(whole),
        # Faces made of the training pictures (fer_jax.cli.augment): their folder, "" = none; with which probability
        # one takes its picture's place; and the kind that a config needs, "augment" or "expand", "" = any, or none.
        "generated": {"folder": "", "probability": 1.0, "kind": ""},
    }
    return ConfigDict(defaults | fields)
