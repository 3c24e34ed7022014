"""What several tools share: a trained workdir without its config file, and pictures from files or data sets."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from fer_jax.core.errors import UsageError
from fer_jax.train import workdir

if TYPE_CHECKING:  # they import jax
    from fer_jax.core.protocols import DataSpec
    from fer_jax.core.state import TrainState
    from fer_jax.data import Data
    from fer_jax.train.mesh import Runner

RESIZES = ("bilinear", "bicubic")
PRETRAINED = Path(__file__).parent.parent / "pretrained" / "fer2013.npz"  # the recogniser that the package holds


@dataclasses.dataclass(frozen=True)
class Trained:
    """A workdir, restored.

    Attributes:
      step: of the checkpoint.
      runner: with the system.
    """

    folder: Path
    config: Any
    spec: "DataSpec"
    runner: "Runner"
    state: "TrainState"
    step: int

    @property
    def system(self) -> Any:
        """The system."""
        return self.runner.system


def read_config(folder: Path) -> Any:
    """The config that a workdir was made by, as a locked ConfigDict.

    Raises:
      UsageError: there is none, or it is damaged.
    """
    from ml_collections import ConfigDict

    path = folder / workdir.CONFIG
    if not path.exists():
        raise UsageError(f"--workdir {folder}: no {workdir.CONFIG} there, so no run; train first (fer_jax.main)")
    try:
        config = ConfigDict(json.loads(path.read_text()))
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); restore the file or name another --workdir") from error
    return config.lock()


def open_workdir(folder: Path, *, step: int | None, only: Sequence[str] = ()) -> Trained:
    """Restores a workdir's checkpoint of `step`, without a step the selected one; no data set is opened.

    Args:
      folder: the workdir.
      step: as `Checkpoints.choose` takes it.
      only: the systems that the tool knows; none = any.

    Raises:
      UsageError: no such workdir or checkpoint, or it is another system's.
    """
    config = read_config(folder)
    if only and config.get("system") not in only:
        raise UsageError(f"--workdir {folder}: a run of {config.get('system')}; this tool takes {', '.join(only)}")
    from fer_jax import systems
    from fer_jax.train.checkpoint import FOLDER, Checkpoints
    from fer_jax.train.mesh import Runner

    spec = workdir.read_spec(folder)
    if not (folder / FOLDER).is_dir():
        raise UsageError(f"--workdir {folder}: no {FOLDER} there yet; train first (fer_jax.main)")
    runner = Runner(systems.build(config, spec), config.seed)
    checkpoints = Checkpoints(folder, read_only=True)
    chosen = checkpoints.choose(step)
    return Trained(folder, config, spec, runner, checkpoints.restore(chosen, runner.abstract_state()), chosen)


def open_pretrained(path: Path | None = None) -> Trained:
    """A file of `fer_jax.cli.pack`, None = the package's: weights to use, without an optimiser to train on with.

    Raises:
      UsageError: the file is missing or damaged.
    """
    from ml_collections import ConfigDict

    from fer_jax import systems
    from fer_jax.core.state import NetState, TrainState
    from fer_jax.inference import packed
    from fer_jax.train.mesh import Runner

    path = path or PRETRAINED
    about, variables = packed.read(path)
    config, spec = ConfigDict(about["config"]).lock(), workdir.spec_of(about["spec"])
    runner = Runner(systems.build(config, spec), config.seed)
    nets = {}
    for name, tree in variables.items():
        stats = {collection: value for collection, value in tree.items() if collection != "params"}
        nets[name] = NetState(tree["params"], None, stats or None)  # type: ignore[call-arg]
    return Trained(path, config, spec, runner, runner.to_devices(TrainState.create(**nets), split=False), about["step"])


# ---- pictures -------------------------------------------------------------------------------------------------------


def load_picture(path: str, *, image_size: int, channels: int, resize: str, view: Any = None) -> np.ndarray:
    """A picture file as a network sees it: float32 (image_size, image_size, channels) in [0, 1].

    What `fer_jax.data.ops.view` makes of it, to within one of 255 levels, but for the filter. A view without a crop
    (None too) resizes the whole picture, its aspect not kept; one with a crop cuts the centre out of a picture whose
    shorter side is `load_size`.
    How the camera was held (EXIF) is respected.

    Args:
      path: of the file.
      image_size: in pixels.
      channels: 1 = grey as PIL's mode "L" (0.299 R + 0.587 G + 0.114 B), 3 = colour.
      resize: "bilinear", as the data sets are seen, or "bicubic", as TDGAN's demo sees its pair; both antialiased.
      view: `eval_view` of a stream.

    Raises:
      UsageError: it is missing, damaged or no picture.
    """
    if resize not in RESIZES:
        raise UsageError(f"--resize: {resize!r} is not one of {', '.join(RESIZES)}")
    kernel = Image.Resampling[resize.upper()]
    try:
        with Image.open(path) as opened:
            image = _eight_bits(ImageOps.exif_transpose(opened)).convert("L" if channels == 1 else "RGB")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such picture") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = "is not a picture" if isinstance(error, Image.UnidentifiedImageError) else f"cannot be read: {error}"
        raise UsageError(f"{path}: {reason}") from error
    if view is None or view.crop_kind == "none":
        image = image.resize((image_size, image_size), kernel)
    else:
        shorter = min(image.size)
        width, height = (view.load_size * side // shorter for side in image.size)
        left, top = round((width - image_size) / 2), round((height - image_size) / 2)
        image = image.resize((width, height), kernel).crop((left, top, left + image_size, top + image_size))
    return np.asarray(image, np.float32).reshape(image_size, image_size, channels) / 255


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey values to 8 bits; PIL's own conversion cuts them off at 255."""
    return Image.fromarray((np.asarray(image) // 257).astype(np.uint8)) if image.mode.startswith("I") else image


def table_pictures(table: Any, positions: Sequence[int] | np.ndarray, pixels: Callable[..., Any]) -> np.ndarray:
    """Pictures of a `fer_jax.data.table.Table` seen through `fer_jax.data.ops.view`: (N, S, S, C) in [0, 1]."""
    from fer_jax.data.pipeline import Stream, eval_batches

    stream = Stream(table.where(np.asarray(positions)), pixels)
    return next(iter(eval_batches({"any": stream}, len(positions), count=len(positions))))["any"]["image"]


@dataclasses.dataclass
class Pictures:
    """Finds the pictures that a user names: a file, or a place in the workdir's data such as ``test:17``.

    The data sets are opened at the first picture that needs them.

    Attributes:
      config: of the workdir.
      resize: how files are resized, one of `RESIZES`.
    """

    config: Any
    resize: str
    _data: "Data | None" = None

    def read(self, stream: str, name: str) -> np.ndarray:
        """The picture (S, S, C) in [0, 1] that `name` says, seen as in the evaluation of a stream.

        ``test:17`` is position 17, from 0, of the stream's test pictures; a stream that is not the evaluated one has
        ``train`` only. A name with a colon that is a file is that file.

        Raises:
          UsageError: no such file, split or position, or the data set is missing.
        """
        data, seen = self.config.data, self.config.data.streams[stream].eval_view
        split, colon, position = name.rpartition(":")
        if not (colon and position.isdecimal()) or Path(name).exists():
            size = {"image_size": data.image_size, "channels": data.channels}
            return load_picture(name, **size, resize=self.resize, view=seen)
        from fer_jax.data.ops import view

        tables = self._open(stream).tables[stream]
        if split not in tables:
            raise UsageError(f"{name}: the {stream} stream has no split {split!r}; it has {', '.join(tables)}")
        if int(position) >= len(tables[split]):
            raise UsageError(f"{name}: the {stream} stream has {len(tables[split])} {split} pictures, from 0")
        pixels = view(image_size=data.image_size, channels=data.channels, **seen)
        return table_pictures(tables[split], [int(position)], pixels)[0]

    def first(self, stream: str) -> str:
        """The name of a stream's first picture that training did not use, where it has any."""
        return "test:0" if stream == self.config.data.evaluate else "train:0"

    def _open(self, stream: str) -> "Data":
        from fer_jax.data import open_data

        if self._data is None or stream not in self._data.tables:
            self._data = open_data(self.config, training=stream != self.config.data.evaluate)
        return self._data


def write_picture(image: Image.Image, path: Path) -> None:
    """Saves a picture in the format that the name's ending says.

    Raises:
      UsageError: it cannot be written there, or the ending is no picture format's.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as lines with aligned columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        return "  ".join([f"{row[0]:{widths[0]}}", *(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))])

    return "\n".join(map(line, rows))
