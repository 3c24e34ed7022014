"""A trained network, opened: the folder of a run, or packed weights such as the package holds."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_jax import systems
from fer_jax.core.config import SystemConfig
from fer_jax.core.errors import UsageError
from fer_jax.core.spec import DataSpec
from fer_jax.core.state import NetState, TrainState
from fer_jax.inference import packed
from fer_jax.inference.checkpoints import SavedCheckpoints
from fer_jax.inference.run_folder import CHECKPOINTS, read_config, read_spec
from fer_jax.inference.runner import Runner
from fer_jax.systems.building import build

PACKAGED = {"fer2013": Path(__file__).parents[1] / "pretrained" / "fer2013.npz"}  # name -> weights in the package


@dataclasses.dataclass(frozen=True)
class LoadedRun:
    """A trained system and its state, without optimisers.

    Attributes:
      path: the run's folder, or the file of packed weights.
      config: that it was made by.
      spec: what its system was built from.
      runner: with the system.
      state: of the networks.
      step: of the checkpoint.
    """

    path: Path
    config: SystemConfig
    spec: DataSpec
    runner: Runner
    state: TrainState
    step: int

    @property
    def system(self) -> Any:
        """The system."""
        return self.runner.system

    @property
    def name(self) -> str:
        """The system and the folder's or file's name, without its ending: what figures are named after."""
        return f"{self.config.system}_{self.path.resolve().name.removesuffix('.npz')}"


def open_run(folder: Path, *, step: int | None = None, only: Sequence[str] = ()) -> LoadedRun:
    """Restores a run's checkpoint; no data set is opened.

    Args:
      folder: the workdir.
      step: of the checkpoint; None: the selected one.
      only: systems that the caller takes; () = any.

    Raises:
      UsageError: no such workdir or checkpoint, or it is another system's.
    """
    config = read_config(folder)
    if only and config.system not in only:
        raise UsageError(f"--workdir {folder}: a run of {config.system}; needed is one of {', '.join(only)}")
    spec = read_spec(folder)
    if not (folder / CHECKPOINTS).is_dir():
        raise UsageError(f"--workdir {folder}: no {CHECKPOINTS} there yet; train first (fer-jax train)")
    runner = Runner(build(config, spec, training=False), config.seed)
    saved = SavedCheckpoints(folder)
    chosen = saved.choose(step)
    return LoadedRun(folder, config, spec, runner, saved.restore(chosen, runner.abstract_state()), chosen)


def open_packed(path: Path | str) -> LoadedRun:
    """Opens packed weights: a file that `fer_jax.inference.packed` wrote, or a name of `PACKAGED`.

    Raises:
      UsageError: the file is missing or damaged.
    """
    path = PACKAGED.get(str(path), Path(path))
    about, trees = packed.read(path)
    try:
        config, spec, step = systems.parse_config(about["config"]), DataSpec.of(about["spec"]), int(about["step"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path}: cannot be read as packed weights: {error!r}") from error
    runner = Runner(build(config, spec, training=False), config.seed)
    nets = {}
    for name, tree in trees.items():
        stats = {collection: value for collection, value in tree.items() if collection != "params"}
        nets[name] = NetState(params=tree["params"], opt_state=(), stats=stats or None)
    return LoadedRun(path, config, spec, runner, runner.to_devices(TrainState.create(**nets), split=False), step)
