"""Trains a config under several settings and seeds, and makes one table of the test figures.

fer-jax compare --config=configs/emotion_gcn.py:tiny --seeds=3 --workdir=runs/compare \
    --vary=variant=tiny,tiny_bregnext --vary=model.kind=single_task,multi_task,emotion_gcn

Fields are those of the config, or `variant`. Every combination of the values is trained from seeds 0, 1, ..., each run
in a folder of its own below the workdir, as fer_jax.main would. Run again, finished runs are not repeated and the
others go on.
"""

import contextlib
import importlib.util
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags, logging

from fer_jax import systems
from fer_jax.cli import common, runs
from fer_jax.core.config import SystemConfig, changed
from fer_jax.core.errors import UsageError

Setting = Mapping[str, Any]  # field of the config -> value
_VARIANT = "variant"  # not a field, but which config it is


def parse(vary: Sequence[str], config: SystemConfig) -> list[dict[str, Any]]:
    """["model.kind=a,b", "optim.lr=0.1,0.2"] -> every combination, values of the types that the config has.

    Raises:
      UsageError: not of that form, no such field, or a value of another type.
    """
    fields: dict[str, list[Any]] = {}
    for text in vary:
        name, equals, values = text.partition("=")
        if not (name and equals and values):
            raise UsageError(f"--vary={text}: write --vary=field=value,value, e.g. --vary=optim.lr=0.01,0.1")
        fields[name] = [_value(name, value, config, text) for value in values.split(",")]
    return [dict(zip(fields, chosen, strict=True)) for chosen in itertools.product(*fields.values())]


def _value(name: str, text: str, config: SystemConfig, where: str) -> Any:
    """A value of a field: a number, True or False, or text, whichever the config takes."""
    if name == _VARIANT:
        return text
    problem: UsageError | None = None
    for value in _readings(text):
        try:
            changed(config, {name: value})
            return value
        except UsageError as error:
            problem = error
    raise UsageError(f"--vary={where}: {problem}")


def _readings(text: str) -> Iterator[Any]:
    if text.lower() in ("true", "false"):
        yield text.lower() == "true"
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            yield kind(text)
    yield text


def name_of(setting: Setting) -> str:
    """A folder's name, e.g. "kind-emotion_gcn_lr-0.1"; "run" without fields."""
    parts = [f"{field.rpartition('.')[2]}-{value}".replace("/", "-") for field, value in setting.items()]
    return "_".join(parts) or "run"


def compare(
    config_of: Callable[[str], SystemConfig], settings: Sequence[Setting], seeds: int, root: Path
) -> list[dict[str, Any]]:
    """Trains what is not finished.

    Args:
      config_of: the config of a variant; that of the command line for "".
      settings: as `parse` makes them.
      seeds: runs of each setting.
      root: folder of all runs.

    Returns:
      For each setting {"setting": ..., "seeds": [figures of each seed], "mean": figures, "std": figures}.

    Raises:
      UsageError: bad data, config or workdir; a setting that the system refuses.
      RunFailed: a loss became NaN or infinite.
    """
    table = []
    for setting in settings:
        figures = []
        for seed in range(seeds):
            fields = {name: value for name, value in setting.items() if name != _VARIANT}
            own = changed(config_of(setting.get(_VARIANT, "")), {**fields, "seed": seed})
            title = f"{name_of(setting)}, seed {seed} of {seeds}"
            figures.append(runs.trained(own, root / f"{name_of(setting)}_seed-{seed}", title))
        mean, std = runs.mean_and_deviation(figures)
        table.append({"setting": dict(setting), "seeds": figures, "mean": mean, "std": std})
    return table


def lines(table: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The table as rows of text: a header, then a row a setting, "mean +- std" of each figure over the seeds."""
    names = list(dict.fromkeys(name for row in table for name in row["mean"]))

    def cell(row: Mapping[str, Any], name: str) -> str:
        if name not in row["mean"]:
            return ""
        deviation = f" +- {row['std'][name]:.3f}" if len(row["seeds"]) > 1 else ""
        return f"{row['mean'][name]:.3f}{deviation}"

    rows = [[", ".join(map(str, row["setting"].values())), *(cell(row, name) for name in names)] for row in table]
    return [["setting", *names], *rows]


def _config_of(flag: Any) -> Callable[[str], SystemConfig]:
    """The config of a flag, and of the same file's other variants with the same fields overridden."""
    from ml_collections import config_flags

    file = config_flags.get_config_filename(flag).partition(":")[0]

    def load(variant: str) -> SystemConfig:
        if not variant:
            return common.config()
        spec = importlib.util.spec_from_file_location("compared_config", file)
        if spec is None or spec.loader is None:
            raise UsageError(f"--config: {file} is no Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        try:
            config = module.get_config(variant)
        except ValueError as error:
            raise UsageError(f"--vary: {error}") from error
        config.update_from_flattened_dict(config_flags.get_override_values(flag))
        return systems.parse_config(config)

    return load


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_multi_string("vary", [], "field=value,value: a field of the config and its values; may be repeated.")
    flags.DEFINE_integer("seeds", 1, "Runs of each setting, with seeds 0, 1, ...", lower_bound=1)
    flags.DEFINE_string("workdir", None, "Folder of all runs; default: runs/<config>[-<variant>]-compare.")
    flags.DEFINE_list("figures", [], "Figures to print, e.g. expression/accuracy,mean/ccc; default: all.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    settings = parse(given.vary, common.config("configs/emotion_gcn.py:tiny"))
    root = Path(given.workdir) if given.workdir else common.default_workdir("-compare")
    from fer_jax.cli import runtime

    runtime.start()
    import jax

    table = compare(_config_of(given["config"]), settings, given.seeds, root)
    if jax.process_index() == 0:
        rows = lines(table)
        logging.info("written: %s", runs.write(root, "comparison", {"settings": table}, rows))
        if unknown := [name for name in given.figures if name not in rows[0]]:
            raise UsageError(f"--figures: there is no {', '.join(unknown)}; there are {', '.join(rows[0][1:])}")
        chosen = [0, *(i for i, name in enumerate(rows[0]) if i and (name in given.figures or not given.figures))]
        print(common.aligned([[row[i] for i in chosen] for row in rows]))
