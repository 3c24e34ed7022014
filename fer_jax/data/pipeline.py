"""From tables to batches: which rows step t sees, and the tf.data pipeline that reads, decodes and batches them.

The rows of a step are a function of (seed, step) alone: any step can be the first one, and any number of hosts sees
the same global batches, of which each reads its own part.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from fer_jax.core.errors import UsageError
from fer_jax.data.generated import PNG, Generated
from fer_jax.data.table import Table

PixelOp = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # (uint8 picture, seed (2,)) -> float32 picture
NumpyBatch = dict[str, dict[str, np.ndarray]]


class Stream(NamedTuple):
    """One picture of each example: where it comes from, how it is seen, and in training, faces made of them."""

    table: Table
    pixels: PixelOp
    generated: Generated | None = None

    @property
    def labels(self) -> Mapping[str, np.ndarray]:
        """Label columns of all examples."""
        made = self.generated
        return self.table.labels if made is None else {f: made.column(f, c) for f, c in self.table.labels.items()}

    def read(self, positions: np.ndarray, counters: np.ndarray, seed: int) -> list[bytes]:
        """Serialised examples, or PNG files that were made, see `Generated.read`."""
        if self.generated is None:
            return self.table.read(positions)
        return self.generated.read(self.table, positions, counters, seed)


class Shard(NamedTuple):
    """This host's part of every global batch."""

    host: int = 0
    hosts: int = 1

    def rows(self, batch_size: int) -> slice:
        """The part of a global batch that is this host's."""
        local = batch_size // self.hosts
        return slice(self.host * local, (self.host + 1) * local)


ALONE = Shard()


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which positions of every stream make up the batch of a step.

    An epoch has as many examples as the longest stream; shorter ones are gone through again. With fixed pairs example
    i always joins position i modulo each stream's length (the reference's habit) and shuffling only permutes pairs;
    otherwise every epoch pairs anew. The last batch of an epoch is topped up with its first examples, so that all
    batches have one shape and every example is seen (the reference's last batch is smaller).
    """

    lengths: Mapping[str, int]
    batch_size: int
    seed: int
    fixed_pairs: bool = True

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-max(self.lengths.values()) // self.batch_size)

    def positions(self, step: int) -> dict[str, np.ndarray]:
        """Stream -> (batch_size,) positions in its table."""
        epoch, within = divmod(step, self.steps_per_epoch)
        chosen = slice(within * self.batch_size, (within + 1) * self.batch_size)
        return {name: order[chosen] for name, order in self._epoch(epoch).items()}

    @functools.lru_cache(maxsize=2)  # noqa: B019 - one plan a run
    def _epoch(self, epoch: int) -> dict[str, np.ndarray]:
        longest = max(self.lengths.values())
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(longest)
        orders = {}
        for name, length in self.lengths.items():
            if self.fixed_pairs or length == longest:
                own = order % length
            else:  # whole permutations of the shorter stream, one after another
                own = np.concatenate([rng.permutation(length) for _ in range(-(-longest // length))])[:longest]
            orders[name] = np.resize(own, self.steps_per_epoch * self.batch_size)
        return orders

    def __hash__(self) -> int:
        return hash((tuple(self.lengths.items()), self.batch_size, self.seed, self.fixed_pairs))


def train_batches(
    streams: Mapping[str, Stream], plan: Plan, *, first_step: int, last_step: int, shard: Shard = ALONE
) -> Iterator[NumpyBatch]:
    """Batches of steps first_step..last_step-1: stream -> {"image": (local, S, S, C), label: (local, ...)}."""
    mine = shard.rows(plan.batch_size)
    local = mine.stop - mine.start

    def choose(step: int):
        positions = {name: order[mine] for name, order in plan.positions(step).items()}
        # What a random operation draws depends on the example's place in the run, not on who reads it.
        counters = step * plan.batch_size + np.arange(mine.start, mine.stop)
        return positions, counters

    return _batches(streams, choose, range(first_step, last_step), local, plan.seed)


def eval_batches(
    streams: Mapping[str, Stream], batch_size: int, *, shard: Shard = ALONE, count: int | None = None
) -> Iterator[NumpyBatch]:
    """Every example once, in order, in batches of one shape; "mask" (local,) is False on padding.

    Shorter streams start again; `count` stops after so many examples.
    """
    mine = shard.rows(batch_size)
    total = max(len(stream.table) for stream in streams.values()) if count is None else count

    def choose(step: int):
        at = step * batch_size + np.arange(mine.start, mine.stop)
        positions = {name: np.where(at < total, at, 0) % len(stream.table) for name, stream in streams.items()}
        return positions, at

    steps = range(-(-total // batch_size))
    for step, batch in zip(steps, _batches(streams, choose, steps, mine.stop - mine.start, 0), strict=True):
        at = step * batch_size + np.arange(mine.start, mine.stop)
        yield {**batch, "mask": {"mask": at < total}}


def _batches(streams, choose, steps: range, local: int, seed: int) -> Iterator[NumpyBatch]:
    """The one pipeline: choose rows -> read own records -> decode and look, one picture at a time -> batch."""
    names = list(streams)
    parse = {name: _image_parser(streams[name]) for name in names}
    labels = [(name, field, column) for name in names for field, column in streams[name].labels.items()]
    problems: list[UsageError] = []

    def records_at(i: int, positions: np.ndarray, counters: np.ndarray) -> np.ndarray:
        try:
            return np.array(streams[names[i]].read(positions, counters, seed * 16 + 2 * i), object)
        except UsageError as error:  # TensorFlow would keep its text only
            problems.append(error)
            raise

    def read(step):
        positions, counters = choose(int(step))
        records = [records_at(i, positions[name], counters) for i, name in enumerate(names)]
        return [*records, *(column[positions[name]] for name, _, column in labels), counters.astype(np.int64)]

    types = [tf.string] * len(names) + [tf.as_dtype(column.dtype) for _, _, column in labels] + [tf.int64]
    shapes = [()] * len(names) + [column.shape[1:] for _, _, column in labels] + [()]

    def read_in_graph(step):
        values = tf.numpy_function(read, [step], types, stateful=False)
        return tuple(tf.ensure_shape(v, (local, *shape)) for v, shape in zip(values, shapes, strict=True))

    def look(*values):
        records, own_labels, counter = values[: len(names)], values[len(names) : -1], values[-1]
        example: dict[str, dict[str, Any]] = {}
        for i, (name, record) in enumerate(zip(names, records, strict=True)):
            draw = tf.stack([tf.constant(seed * 16 + 2 * i, tf.int64), counter])
            example[name] = {"image": streams[name].pixels(parse[name](record), draw)}
        for (name, field, column), value in zip(labels, own_labels, strict=True):
            example[name][field] = tf.cast(value, tf.int32) if np.issubdtype(column.dtype, np.integer) else value
        return example

    data = tf.data.Dataset.range(steps.start, steps.stop).map(read_in_graph, num_parallel_calls=2).unbatch()
    data = data.map(look, num_parallel_calls=tf.data.AUTOTUNE).batch(local, drop_remainder=True).prefetch(4)
    options = tf.data.Options()
    options.deterministic = True
    return _with_problems(data.with_options(options).as_numpy_iterator(), problems)


def _with_problems(batches: Iterator[NumpyBatch], problems: list[UsageError]) -> Iterator[NumpyBatch]:
    """The batches; what was wrong with a file that they need is raised as it was."""
    try:
        yield from batches
    except tf.errors.OpError:
        if problems:
            raise problems[0] from None
        raise


def _image_parser(stream: Stream) -> Callable[[tf.Tensor], tf.Tensor]:
    """Serialised example, or PNG file that was made -> uint8 (H, W, C)."""
    feature = tfds.features.FeaturesDict({"image": stream.table.records.builder.info.features["image"]})
    channels = feature["image"].shape[-1]

    def parse(serialised):
        def own():
            return feature.deserialize_example(serialised, decoders={"image": tfds.decode.SkipDecoding()})["image"]

        made = tf.strings.substr(serialised, 0, len(PNG)) == PNG  # an example never starts so
        encoded = own() if stream.generated is None else tf.cond(made, lambda: serialised, own)
        return tf.io.decode_image(encoded, channels=channels, expand_animations=False)

    return parse
