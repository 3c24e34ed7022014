"""Random access to a prepared data set: any rows, in any order, by number.

An epoch is a permutation of row numbers, a fold is a set of them, and resuming is arithmetic; no shuffle buffer is
held and nothing is read twice. Each host reads the records of its own rows only.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from array_record.python.array_record_data_source import ArrayRecordDataSource

from fer_jax.core.errors import UsageError


def spread(total: int, count: int) -> np.ndarray:
    """At most `count` of the positions 0 to total - 1, ascending, equally far apart; the first and the last are in.

    A part of a table that is taken so has of all its files and, unlike every n-th picture, is not in step with classes
    that take turns.
    """
    return np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))


class Records:
    """All records of a prepared TFDS builder, its splits one after another in a fixed order."""

    def __init__(self, builder: Any):
        self.builder = builder
        self.name = builder.name
        self._splits: dict[str, np.ndarray] = {}
        files, start = [], 0
        for split, info in sorted(builder.info.splits.items()):
            if info.num_examples:
                files += [str(path) for path in info.filepaths]
                self._splits[split] = np.arange(start, start + info.num_examples)
                start += info.num_examples
        if not files:
            raise UsageError(f"{self.name}: the prepared set in {builder.data_dir} has no pictures")
        self._reader = ArrayRecordDataSource(files)

    @property
    def splits(self) -> Mapping[str, np.ndarray]:
        """Row numbers of every split that has any."""
        return self._splits

    def read(self, rows: Sequence[int] | np.ndarray) -> list[bytes]:
        """Serialised examples of the rows, in their order."""
        return self._reader.__getitems__([int(row) for row in rows])

    def has(self, field: str) -> bool:
        """Whether the examples carry a field."""
        return field in self.builder.info.features

    def names(self, field: str) -> tuple[str, ...] | None:
        """Class names of a label, None where it is a plain number."""
        return tuple(names) if (names := getattr(self.builder.info.features[field], "names", None)) else None

    @functools.cache  # noqa: B019 - lives as long as the run
    def column(self, field: str) -> np.ndarray:
        """One field of all rows, without decoding pictures.

        Raises:
          UsageError: the set has no such field.
        """
        import tensorflow as tf
        import tensorflow_datasets as tfds

        if not self.has(field):
            raise UsageError(f"{self.name} has no {field!r}; it has {', '.join(self.builder.info.features)}")
        feature = tfds.features.FeaturesDict({field: self.builder.info.features[field]})
        serialised = self.read(range(sum(map(len, self._splits.values()))))
        parsed = tf.data.Dataset.from_tensor_slices(serialised).map(
            lambda one: feature.deserialize_example(one)[field], num_parallel_calls=tf.data.AUTOTUNE
        )
        return np.concatenate(list(parsed.batch(4096).as_numpy_iterator()))


@dataclasses.dataclass(frozen=True)
class Table:
    """Some rows of some records, with labels possibly renumbered.

    Attributes:
      records: what they are rows of.
      rows: their numbers, (N,) int64; a position in a table is an index into this.
      labels: label columns by name, each (N, ...), already in this table's numbering.
      classes: class names of the labels that are classes.
    """

    records: Records
    rows: np.ndarray
    labels: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, records: Records, rows: np.ndarray, fields: Sequence[str]) -> "Table":
        """The rows with the label fields named."""
        labels = {field: records.column(field)[rows] for field in fields}
        classes = {field: names for field in fields if (names := records.names(field))}
        return cls(records, rows, labels, classes)

    def where(self, keep: np.ndarray) -> "Table":
        """The rows at the positions (or under the mask) `keep`."""
        labels = {name: column[keep] for name, column in self.labels.items()}
        return dataclasses.replace(self, rows=self.rows[keep], labels=labels)

    def first_identities(self, count: int | None) -> "Table":
        """The pictures of the first `count` identities (None: of all), renumbered from 0.

        Raises:
          UsageError: there are fewer.
        """
        present = np.unique(self.labels["identity"])
        if (count or 0) > len(present):
            raise UsageError(f"{self.records.name} has {len(present)} identities, {count} are asked for; lower it")
        kept = present[: count or len(present)]
        table = self.where(np.isin(self.labels["identity"], kept))
        labels = {**table.labels, "identity": np.searchsorted(kept, table.labels["identity"])}
        classes = {**table.classes, "identity": tuple(map(str, kept))}
        return dataclasses.replace(table, labels=labels, classes=classes)

    def read(self, positions: np.ndarray) -> list[bytes]:
        """Serialised examples at these positions."""
        return self.records.read(self.rows[positions])

    def files(self, positions: np.ndarray) -> list[str]:
        """What a user recognises the pictures by."""
        return [name.decode() for name in self.records.column("file")[self.rows[positions]]]

    def fingerprint(self) -> dict[str, Any]:
        """What tells these pictures, in this order, from any others: the set's name, their number, and a hash.

        The hash is of their files, and of their expressions where the set has any.
        """
        everything = self.files(np.arange(len(self)))
        if self.records.has("expression"):
            names = self.records.names("expression")
            labels = self.records.column("expression")[self.rows].tolist()
            shown = [names[label] for label in labels] if names else labels
            everything = [f"{file}\t{label}" for file, label in zip(everything, shown, strict=True)]
        digest = hashlib.sha256("\n".join(everything).encode()).hexdigest()
        return {"name": self.records.name, "rows": len(self), "hash": digest[:16]}
