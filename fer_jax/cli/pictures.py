"""Pictures that a user names: files, or places in a run's data such as ``test:17``."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_jax.core.config import SystemConfig
from fer_jax.core.errors import UsageError
from fer_jax.data.opening import Data, open_data
from fer_jax.data.pipeline import Stream, eval_batches
from fer_jax.data.random_views import view
from fer_jax.data.views import Resample
from fer_jax.inference.images import InputView


def table_pictures(table: Any, positions: Sequence[int] | np.ndarray, pixels: Callable[..., Any]) -> np.ndarray:
    """Pictures of a `fer_jax.data.table.Table` through a view of `random_views`: (N, S, S, C) in [0, 1]."""
    stream = Stream(table.where(np.asarray(positions)), pixels)
    return next(iter(eval_batches({"any": stream}, len(positions), count=len(positions))))["any"]["image"]


@dataclasses.dataclass
class Pictures:
    """Finds the pictures that a user names.

    The data sets are opened at the first picture that needs them.

    Attributes:
      config: of the run.
      resize: how files are resized.
    """

    config: SystemConfig
    resize: Resample = "bilinear"
    _data: Data | None = None

    def read(self, stream: str, name: str) -> np.ndarray:
        """The picture (S, S, C) in [0, 1] of a name, seen as in the evaluation of a stream.

        ``test:17`` is position 17, from 0, of the stream's test pictures; a stream that is not the evaluated one has
        ``train`` only. A name with a colon that is a file is that file.

        Raises:
          UsageError: no such file, split or position, or the data set is missing.
        """
        split, colon, position = name.rpartition(":")
        if not (colon and position.isdecimal()) or Path(name).exists():
            return InputView(self.config, stream, self.resize)(name)
        tables = self._open(stream).tables[stream]
        if split not in tables:
            raise UsageError(f"{name}: the {stream} stream has no split {split!r}; it has {', '.join(tables)}")
        if int(position) >= len(tables[split]):
            raise UsageError(f"{name}: the {stream} stream has {len(tables[split])} {split} pictures, from 0")
        data = self.config.data
        seen = data.streams[stream].eval_view
        pixels = view(seen, image_size=data.image_size, channels=data.channels)
        return table_pictures(tables[split], [int(position)], pixels)[0]

    def first(self, stream: str) -> str:
        """The name of a stream's first picture that training did not use, where it has any."""
        return "test:0" if stream == self.config.data.evaluate else "train:0"

    def _open(self, stream: str) -> Data:
        if self._data is None or stream not in self._data.tables:
            self._data = open_data(self.config, training=stream != self.config.data.evaluate)
        return self._data
