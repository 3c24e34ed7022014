"""Trains one generator for each expression of a data set, as the published DCGAN was for FER2013, and compares them.

fer-jax per-expression --config=configs/dcgan.py:tiny --workdir=runs/dcgan_all
fer-jax per-expression --config=configs/dcgan.py:fer2013 --config.run.min_steps=10000

Each is trained in <workdir>/<expression> as fer_jax.main would with --config.data.streams.face.only=<expression>. Rare
ones have few steps in an epoch: config.run.min_steps is the least that each run has. Run again, finished runs are not
repeated and the others go on. At the end <workdir> gets expressions.png, a row for each expression with samples and
beside them real pictures that were not trained on, and the test figures as per_expression.json and .csv; those of all
networks together compare with a network that draws by class (configs/dcgan.py:conditional).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging
from PIL import Image

from fer_jax.cli import common, runs
from fer_jax.core.config import SystemConfig, changed
from fer_jax.core.errors import UsageError
from fer_jax.core.labels import expression_name

_COLUMNS = 8  # of samples, and of real pictures
_ALL = "together"


def open_expressions(config: SystemConfig, chosen: Sequence[str] = ()) -> dict[str, Any]:
    """Expression -> its config; prepares the data, and refuses what cannot be trained before anything is.

    Args:
      config: without an expression.
      chosen: expressions by name; () = all of the data set.

    Raises:
      UsageError: no generator, or one that draws by class; an unknown expression (those that there are get listed), or
        one without pictures; whatever the system refuses, such as too small a batch.
    """
    import jax

    from fer_jax.core.protocols import SamplingSystem
    from fer_jax.data.opening import open_data
    from fer_jax.systems.building import build

    data = open_data(config)
    data.check_batch(jax.device_count())
    system = build(config, data.spec)
    if not isinstance(system, SamplingSystem):
        raise UsageError(f"--config: {config.system} draws nothing from noise")
    stream = system.sampling_stream
    if system.classes:
        raise UsageError("config.model.conditional: one network that draws every expression; set it False, or use main")
    if only := config.data.streams[stream].only:
        raise UsageError(f"config.data.streams.{stream}.only: {only!r} is one expression; leave it out")
    names = data.spec.classes.get("expression", ())
    if not names:
        raise UsageError("--config: the data set has no expressions; name one that has")
    wanted = [expression_name(name) for name in chosen] or list(names)
    if unknown := [name for name in wanted if name not in names]:
        raise UsageError(f"--expressions: {unknown[0]!r} is not one of {', '.join(names)}")
    configs = {}
    for name in wanted:
        own = changed(config, {f"data.streams.{stream}.only": name})
        build(own, open_data(own).spec)
        configs[name] = own
    return configs


def per_expression(configs: Mapping[str, Any], root: Path) -> dict[str, dict[str, float]]:
    """Trains what is not finished -> expression -> test figures.

    Raises:
      UsageError: bad data, config or workdir.
      RunFailed: a loss became NaN or infinite.
    """
    return {
        name: runs.trained(config, root / name, f"{name}, {i} of {len(configs)}")
        for i, (name, config) in enumerate(configs.items(), 1)
    }


def together(config: SystemConfig, root: Path, expressions: Sequence[str]) -> dict[str, float]:
    """Test figures of samples of all networks, each class as often as real pictures have it.

    They compare with those of one network that draws by class, as each network's own do not.
    """
    from fer_jax.core.metrics import flatten
    from fer_jax.data.opening import open_data
    from fer_jax.evaluation import sampling
    from fer_jax.inference.loading import open_run

    networks = {}
    measures: Any = getattr(config, "measures", None)  # every generator's config has it
    for name in expressions:
        loaded = open_run(root / name)
        networks[name] = (loaded.runner, loaded.state)
    return flatten(sampling.pooled(networks, open_data(config, training=False), "test", measures))


def lines(figures: Mapping[str, Mapping[str, float]], pooled: Mapping[str, float]) -> list[list[str]]:
    """Rows of text: a header, a row an expression with the figures that all have, and what `pooled` has of these."""
    first, *others = figures.values()
    names = [name for name in first if all(name in other for other in others)]
    rows = {**figures, _ALL: pooled} if pooled else figures
    values = [[title, *(f"{own[n]:.4f}" if n in own else "" for n in names)] for title, own in rows.items()]
    return [["expression", *names], *values]


def sheet(root: Path, expressions: Sequence[str]) -> Image.Image:
    """A row for each expression: samples of the same vectors, and real pictures that were not trained on."""
    from fer_jax.data.opening import open_data
    from fer_jax.inference.loading import open_run
    from fer_jax.inference.sampler import draw
    from fer_jax.report import images

    drawn, real = [], []
    for name in expressions:
        loaded = open_run(root / name)
        drawn.append(draw(loaded.runner, loaded.state, np.zeros(_COLUMNS, int)))
        data = open_data(loaded.config)
        total = len(data.tables[loaded.system.sampling_stream]["test"])
        real.append(data.at("test", np.resize(np.arange(total), _COLUMNS))["image"])
    columns: dict[str, np.ndarray] = {}
    for title, rows in (("drawn", drawn), ("real", real)):
        columns |= {f"{title} {i + 1}": column for i, column in enumerate(np.stack(rows, 1))}
    return images.sheet(columns, rows=expressions)


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_string("workdir", None, "Folder of all runs; default: runs/<config>[-<variant>]-expressions.")
    flags.DEFINE_list("expressions", [], "Only these, by name; default: all of the data set.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    config = common.config("configs/dcgan.py:fer2013")
    root = Path(given.workdir) if given.workdir else common.default_workdir("-expressions")
    from fer_jax.cli import runtime

    runtime.start()
    import jax

    from fer_jax.inference.images import write_picture

    figures = per_expression(open_expressions(config, given.expressions), root)
    pooled = {} if given.expressions else together(config, root, list(figures))
    picture = sheet(root, list(figures))
    if jax.process_index() == 0:
        path = root / "expressions.png"
        write_picture(picture, path)
        rows = lines(figures, pooled)
        print(common.aligned(rows))
        written = runs.write(root, "per_expression", {"expressions": figures, _ALL: pooled}, rows)
        logging.info("written: %s and %s", written, path)
