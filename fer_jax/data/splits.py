"""Which rows are for training, for choosing a checkpoint, and for the final figure; never with a person in two of them.

A data set's own splits are taken as they are. What it lacks is cut out of its training split, by subject where
subjects are known and by class in equal shares. Cross-validation pools all rows and cuts them anew by subject.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from absl import logging

from fer_jax.core.errors import UsageError
from fer_jax.data.table import Records, Table


def own_splits(
    records: Records, fields: Sequence[str], *, validation: float, test: float, seed: int
) -> dict[str, Table]:
    """Train, validation and test tables of a data set; those that it lacks are shares of its training split.

    Args:
      records: the data set.
      fields: label fields that the tables carry.
      validation: share of the training split for validation where the set has none.
      test: likewise for test; taken first.
      seed: of the cut.

    Raises:
      UsageError: a share is outside (0, 1), or the set is too small to be cut.
    """
    tables = {name: Table.of(records, rows, fields) for name, rows in records.splits.items()}
    if "train" not in tables:
        raise UsageError(f"{records.name}: has no training split, only {', '.join(tables)}")
    for name, share in (("test", test), ("validation", validation)):
        if name not in tables:
            rest, part = _cut(tables["train"], share, seed, name)
            tables["train"], tables[name] = rest, part
            logging.info("%s has no %s split: %d of its training pictures are set aside", records.name, name, len(part))
    return tables


def fold_splits(
    records: Records, fields: Sequence[str], *, folds: int, fold: int, validation: float, seed: int
) -> dict[str, Table]:
    """Subject-independent k-fold cross-validation: fold number `fold` is the test set, the others train.

    A share `validation` of the training subjects is set aside for choosing the checkpoint.

    Raises:
      UsageError: fold out of range, no subjects in the data set, or fewer subjects than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if not 0 <= fold < folds:
        raise UsageError(f"config.data.fold: {fold} is not in 0..{folds - 1}")
    if not records.has("identity"):
        raise UsageError(f"{records.name} has no subject labels, which cross-validation by subject needs")
    table = Table.of(records, np.concatenate([records.splits[name] for name in sorted(records.splits)]), fields)
    groups = records.column("identity")[table.rows]
    if len(np.unique(groups)) < folds:
        raise UsageError(f"{records.name}: {len(np.unique(groups))} subjects cannot be cut into {folds} folds")
    cuts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(table.rows, _strata(table), groups)
    train, test = list(cuts)[fold]
    rest, chosen = _cut(table.where(train), validation, seed, "validation")
    return {"train": rest, "validation": chosen, "test": table.where(test)}


def _cut(table: Table, share: float, seed: int, name: str) -> tuple[Table, Table]:
    from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

    if not 0 < share < 1:
        raise UsageError(f"config.data.{name}_fraction: {share} is not between 0 and 1")
    groups = table.records.column("identity")[table.rows] if table.records.has("identity") else None
    try:
        if groups is not None and len(np.unique(groups)) > 1:
            cut = GroupShuffleSplit(1, test_size=share, random_state=seed).split(table.rows, groups=groups)
        else:
            cut = StratifiedShuffleSplit(1, test_size=share, random_state=seed).split(table.rows, _strata(table))
        rest, part = next(cut)
    except ValueError as error:
        raise UsageError(
            f"{table.records.name}: no {name} split can be cut from {len(table)} pictures: {error}"
        ) from error
    return table.where(np.sort(rest)), table.where(np.sort(part))


def _strata(table: Table) -> np.ndarray:
    return table.labels.get("expression", np.zeros(len(table), np.int64))


def class_counts(table: Table, field: str) -> Mapping[str, int]:
    """Pictures of each class."""
    counts = np.bincount(table.labels[field], minlength=len(table.classes[field]))
    return {name: int(count) for name, count in zip(table.classes[field], counts, strict=True)}
