"""A run's data: every stream prepared on first use, opened, split, and cut into batches."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import tensorflow as tf

from fer_jax.core.config import DataConfig, StreamConfig, SystemConfig
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name
from fer_jax.core.spec import DataSpec
from fer_jax.data import generated as made_faces
from fer_jax.data.pipeline import Plan, Shard, Stream, eval_batches, train_batches
from fer_jax.data.random_views import view
from fer_jax.data.registry import open_source
from fer_jax.data.splits import fold_splits, own_splits
from fer_jax.data.table import Records, Table


@dataclasses.dataclass(frozen=True)
class Data:
    """The streams of a run, opened: tables by split, and how their pictures are seen.

    Attributes:
      config: `config.data`.
      tables: stream -> split -> Table.
      generated: stream -> Generated, faces made of its training pictures, which only `train` uses.
    """

    config: DataConfig
    seed: int
    tables: Mapping[str, Mapping[str, Table]]
    generated: Mapping[str, made_faces.Generated] = dataclasses.field(default_factory=dict)

    @property
    def spec(self) -> DataSpec:
        """What a system is built from."""
        classes: dict[str, tuple[str, ...]] = {}
        scales: dict[str, tuple[float, ...]] = {}
        absent: dict[str, tuple[str, ...]] = {}
        for name, stream in self.config.streams.items():
            if name in self.tables:
                table = self.tables[name]["train"]
                classes |= table.classes
                vectors = {f: v for f, v in table.labels.items() if v.ndim == 2 and v.dtype.kind == "f"}
                scales |= {field: tuple(map(float, values.max(0))) for field, values in vectors.items()}
                for field, names in table.classes.items():
                    shown = set(np.unique(table.labels[field]).tolist())
                    if missing := tuple(own for number, own in enumerate(names) if number not in shown):
                        absent[field] = missing
            else:  # not opened, see open_data
                classes["identity"] = tuple(map(str, range(stream.identities or 0)))
        return DataSpec(
            self.config.image_size, self.config.channels, self.plan.steps_per_epoch, classes, scales, absent
        )

    @property
    def plan(self) -> Plan:
        """The order of training."""
        added = {name: len(made.added) for name, made in self.generated.items()}
        lengths = {name: len(tables["train"]) + added.get(name, 0) for name, tables in self.tables.items()}
        return Plan(lengths, self.config.batch_size, self.seed, self.config.fixed_pairs)

    def train(self, first_step: int, last_step: int) -> Iterator[Any]:
        """This host's batches of the training steps."""
        streams = self._streams("train", training=True)
        return train_batches(streams, self.plan, first_step=first_step, last_step=last_step, shard=_this_host())

    def evaluate(self, split: str) -> Iterator[Any]:
        """This host's batches of a split of the evaluated stream, every example once."""
        streams = self._streams(split, training=False, only=self.config.evaluate)
        return eval_batches(streams, self.config.eval_batch_size, shard=_this_host())

    def some(self, split: str, count: int) -> Any:
        """One batch of `count` examples with all streams, spread over the split, for sample sheets."""
        streams = {}
        for name, stream in self._streams(split, training=False).items():
            table = stream.table
            step = max(len(table) // count, 1)
            spread = np.arange(0, min(step * count, len(table)), step)
            streams[name] = stream._replace(table=table.where(spread))
        return next(iter(eval_batches(streams, count, count=count)))

    def at(self, split: str, positions: np.ndarray) -> Any:
        """Examples of the evaluated stream at these positions of a split: field -> (N, ...), pictures in [0, 1]."""
        (name, stream), *_ = self._streams(split, training=False, only=self.config.evaluate).items()
        chosen = {name: stream._replace(table=stream.table.where(positions))}
        return next(iter(eval_batches(chosen, len(positions), count=len(positions))))[name]

    def _streams(self, split: str, *, training: bool, only: str | None = None) -> dict[str, Stream]:
        streams = {}
        for name, tables in self.tables.items():
            if only and name != only:
                continue
            config = self.config.streams[name]
            seen = config.train_view if training else config.eval_view
            pixels = view(seen, image_size=self.config.image_size, channels=self.config.channels)
            # Only the evaluated stream is split: the others are the same pictures throughout.
            table = tables[split if name == self.config.evaluate else "train"]
            streams[name] = Stream(table, pixels, self.generated.get(name) if training else None)
        return streams

    def check_batch(self, devices: int) -> None:
        """Batches must divide evenly among the devices.

        Raises:
          UsageError: they do not.
        """
        for field in ("batch_size", "eval_batch_size"):
            size = getattr(self.config, field)
            if size < 1 or size % devices:
                raise UsageError(f"config.data.{field}: {size} is not a multiple of the {devices} devices")


def _keep_tensorflow_off_accelerators() -> None:
    """TensorFlow only feeds data; it must not take the accelerators' memory."""
    for kind in ("GPU", "TPU"):
        tf.config.set_visible_devices([], kind)


def _this_host() -> Shard:
    return Shard(jax.process_index(), jax.process_count())


def open_data(config: SystemConfig, *, training: bool = True) -> Data:
    """Prepares (on first use) and opens every stream of `config.data`.

    When not `training`, streams whose number of identities the config gives are left out: what evaluation needs to
    know of them is that number.

    Raises:
      UsageError: what is missing or wrong, and what to do.
    """
    _keep_tensorflow_off_accelerators()
    data = config.data
    opened: dict[Any, Records] = {}
    if data.evaluate not in data.streams:
        raise UsageError(f"config.data.evaluate: {data.evaluate!r} is not one of {', '.join(data.streams)}")
    found = {}
    for name, stream in data.streams.items() if training else ():
        if one := made_faces.find(stream.generated, f"config.data.streams.{name}.generated"):
            found[name] = one

    def records_of(stream: StreamConfig) -> Records:
        request = (stream.source, stream.path, repr(sorted(stream.options.items())))
        if request not in opened:
            builder = open_source(
                stream.source, data_dir=data.data_dir, skip_bad=data.skip_bad, path=stream.path, options=stream.options
            )
            opened[request] = Records(builder)
        return opened[request]

    evaluated = data.streams[data.evaluate]
    records, fields = records_of(evaluated), tuple(evaluated.labels)
    if data.folds is not None:
        splits = fold_splits(
            records,
            fields,
            folds=data.folds,
            fold=data.fold,
            validation=data.validation_fraction,
            seed=data.split_seed,
        )
    else:
        splits = own_splits(
            records, fields, test=data.test_fraction, validation=data.validation_fraction, seed=data.split_seed
        )
    tables = {data.evaluate: splits}
    for name, stream in data.streams.items():
        if name != data.evaluate and (training or stream.identities is None):
            other = records_of(stream)
            # Where both streams read one set, no person of its test pictures may come in through the other stream.
            rows = splits["train"].rows if other is records else other.splits["train"]
            fields = tuple(stream.labels)
            table = Table.of(other, rows, fields)
            tables[name] = {"train": table.first_identities(stream.identities) if "identity" in fields else table}
    for name, splits in tables.items():
        if only := data.streams[name].only:
            tables[name] = {split: _only(table, only, f"{name}.only", split) for split, table in splits.items()}
    return Data(data, config.seed, tables, made_faces.attach(found, tables))


def _only(table: Table, wanted: str, field: str, split: str) -> Any:
    """The rows of a table that show one expression; its classes and their numbers stay.

    Raises:
      UsageError: there is no such class, or no picture of it.
    """
    names = table.classes.get("expression", ())
    if (expression := expression_name(wanted)) not in names:
        have = f"has {', '.join(names)}" if names else "needs the label expression"
        raise UsageError(f"config.data.streams.{field}: {wanted!r} is no class of {table.records.name}, which {have}")
    chosen = table.where(table.labels["expression"] == names.index(expression))
    if not len(chosen):
        raise UsageError(f"config.data.streams.{field}: {table.records.name} has no picture of {wanted!r} for {split}")
    return chosen
