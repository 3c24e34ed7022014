"""Weights that training starts from: `config.init_from`, of systems whose config has it.

A file of another framework is known by the system's module `torch`, which then has

  * ``initial(config, templates)``: network -> variables, some of which may be missing; without templates the file is
    only checked, as far as the config tells;
  * ``from_run(config, other, variables)``, if it can start from another run, a folder or packed weights.
"""

from pathlib import Path
from typing import Any

from absl import logging

from fer_jax import systems
from fer_jax.core.config import SystemConfig
from fer_jax.core.errors import UsageError
from fer_jax.core.state import TrainState
from fer_jax.inference import loading
from fer_jax.inference.variables import insert, variables
from fer_jax.train.mesh import Trainer


def check(config: SystemConfig) -> None:
    """Looks at the weights that `config.init_from` names, if it names any, before anything that takes long.

    Raises:
      UsageError: they are missing, damaged, refused or of another network than the config's.
    """
    if getattr(config, "init_from", None):
        _found(config, None)


def start_from(config: SystemConfig, trainer: Trainer) -> TrainState:
    """A new run's state, with the weights of `config.init_from` where the config has the field and it is set.

    Raises:
      UsageError: as `check` does.
    """
    state = trainer.init()
    if not hasattr(config, "init_from"):
        return state
    if not config.init_from:
        logging.info("config.init_from: not set; training starts from random weights")
        return state
    found = _found(config, variables(state))
    logging.info("training starts from the weights of %s", config.init_from)
    return insert(state, found, trainer.replicated)


def _found(config: Any, templates: Any) -> dict[str, Any]:
    files: Any = systems.part(config.system, "torch")
    path = Path(config.init_from)
    named = config.init_from in loading.PACKAGED or path.suffix == ".npz"
    if not (named or path.is_dir()):
        return files.initial(config, templates)
    if not hasattr(files, "from_run"):
        raise UsageError(f"config.init_from {path}: needed is a file of torchvision's, for a backbone of torchvision's")
    other = loading.open_packed(path) if named else loading.open_run(path)
    return files.from_run(config, other.config, variables(other.state))
