"""Makes a workdir of the weights of a reference implementation, or writes a workdir's weights as such files.

fer-jax import-torch --config=configs/tdgan.py:raf_db --weights=DIR --workdir=runs/published
python -m fer_jax.main --config=configs/tdgan.py:raf_db --workdir=runs/published --mode=eval
fer-jax import-torch --workdir=runs/tdgan-tiny --export=DIR

The files are read without torch, and nothing in them is run. No data set is needed where its class names are known.
A system takes part by a module fer_jax/systems/<system>/torch.py with `read` and `write`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.config import DataConfig, SystemConfig, as_plain
from fer_jax.core.errors import UsageError
from fer_jax.core.spec import DataSpec


def import_weights(config: SystemConfig, weights: Path, folder: Path) -> list[str]:
    """Makes a workdir of a folder of weights: config.json, data.json and the checkpoint of step 0.

    Networks whose weights the folder lacks keep their first values; optimisers start anew.

    Args:
      config: the config, which the weights must fit.
      weights: folder with the reference's files.
      folder: the workdir; it must not hold checkpoints.

    Returns:
      The networks that were imported.

    Raises:
      UsageError: files missing, damaged or refused; weights of another configuration; a workdir in use.
    """
    from fer_jax.inference.run_folder import CHECKPOINTS
    from fer_jax.inference.variables import insert, variables
    from fer_jax.systems.building import build
    from fer_jax.train import workdir
    from fer_jax.train.checkpoint import Checkpoints
    from fer_jax.train.mesh import Trainer

    files = _files_of(config.system)
    if not weights.is_dir():
        raise UsageError(f"--weights {weights}: no such folder")
    spec = data_spec(config)
    runner = Trainer(build(config, spec), config.seed)
    templates = variables(runner.abstract_state())
    found = files.read(weights, config, templates)  # before the workdir is touched
    if (folder / CHECKPOINTS).is_dir() and any((folder / CHECKPOINTS).iterdir()):
        raise UsageError(f"--workdir {folder}: holds checkpoints already; name another folder")
    state = insert(_rest(runner, found), found, runner.replicated)
    workdir.claim(folder, config)
    workdir.write_spec(folder, spec)
    checkpoints = Checkpoints(folder)
    checkpoints.save(state, as_plain(config), 0)
    checkpoints.close()
    for name in sorted(set(templates) - set(found)):
        logging.warning("%s: no weights in %s; it starts from scratch", name, weights)
    for field, names in spec.classes.items():
        shown = ", ".join(names) if len(names) <= 10 else f"{len(names)} of them"
        logging.info("%s classes, in this order: %s", field, shown)
    return sorted(found)


def _rest(runner: Any, found: Mapping[str, Any]) -> Any:
    """A new state without the parameters found: they are not drawn, which would take longest to compile."""
    import jax

    def rest(key):
        state = runner.system.init(key)
        # An average is still to be told from none.
        drawn = {
            name: net.replace(params=None, ema=None if net.ema is None else ()) if name in found else net
            for name, net in state.nets.items()
        }
        return state.replace(nets=drawn)

    return jax.jit(rest, out_shardings=runner.replicated)(runner.key)


def export_weights(folder: Path, out: Path, *, step: int | None = None) -> list[Path]:
    """Writes a workdir's networks (their moving average where they have one) as the reference's files.

    Raises:
      UsageError: no such workdir or checkpoint, a system without such files, or `out` cannot be written.
    """
    from fer_jax.inference.loading import open_run
    from fer_jax.inference.run_folder import read_config
    from fer_jax.inference.variables import variables

    files = _files_of(read_config(folder).system)
    return files.write(out, variables(open_run(folder, step=step).state))


def _files_of(system: str) -> Any:
    """The module that knows a reference's files: `read` and `write`.

    Raises:
      UsageError: the system has none.
    """
    from fer_jax import systems

    module = systems.part(system, "torch")
    if not (hasattr(module, "read") and hasattr(module, "write")):
        raise UsageError(f"config.system: weights of {system!r} cannot be imported or exported; no files are known")
    return module


def data_spec(config: SystemConfig) -> DataSpec:
    """A config's DataSpec, without opening the data sets where their class names are known without.

    `steps_per_epoch` is then 0, not known: only training asks for it, and opens the data.

    Raises:
      UsageError: a data set must be opened and is missing.
    """
    classes = _known_classes(config.data)
    if classes is not None:
        return DataSpec(config.data.image_size, config.data.channels, 0, classes)
    from fer_jax.data.opening import open_data

    return open_data(config, training=False).spec._replace(steps_per_epoch=0)


def _known_classes(data: DataConfig) -> dict[str, tuple[str, ...]] | None:
    """Class names by label field: EXPRESSIONS of a source's module, numbers for identities; None if not known."""
    from fer_jax.data import registry

    classes: dict[str, tuple[str, ...]] = {}
    for stream in data.streams.values():
        module = None
        if stream.source in registry.available():
            module = registry.module_of(stream.source)
        for field in stream.labels:
            if field == "identity" and stream.identities:
                classes[field] = tuple(map(str, range(stream.identities)))
            elif field == "expression" and (names := getattr(module, "EXPRESSIONS", None)):
                classes[field] = names
            elif field in ("identity", "expression"):
                return None
    return classes


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_string("workdir", None, "Import: folder to make. Export: folder of the run.")
    flags.DEFINE_string("weights", None, "Import: folder with the reference's files.")
    flags.DEFINE_string("export", None, "Export: folder to write the reference's files to.")
    flags.DEFINE_integer("step", None, "Export: the checkpoint's step; default: the selected one.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    if not given.workdir or bool(given.weights) == bool(given.export):
        raise UsageError("--workdir, and either --weights or --export, are needed; see --help")
    config = common.config("configs/tdgan.py:raf_db") if given.weights else None
    from fer_jax.cli import runtime

    runtime.start()
    if config is not None:
        nets = import_weights(config, Path(given.weights), Path(given.workdir))
        logging.info("imported %s into %s, step 0", ", ".join(nets), given.workdir)
    else:
        for path in export_weights(Path(given.workdir), Path(given.export), step=given.step):
            logging.info("written: %s", path)
