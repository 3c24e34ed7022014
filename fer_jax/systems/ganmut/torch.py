"""The files of GANmut's reference <-> networks here: ``<iteration>-G.ckpt`` and ``<iteration>-D.ckpt``, state dicts.

All four variants, running statistics and the linear space's unused bias included. Of several iterations the latest is
read. Published are generators alone; a discriminator, which only training and finding a picture's own point need, may
be missing. Optimisers start anew, as they do in the reference.
"""

import operator
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from fer_jax.core.errors import UsageError
from fer_jax.interop.folders import export_folder
from fer_jax.interop.torch_file import load_state_dict, save_state_dict
from fer_jax.interop.torch_names import export_tree, import_tree
from fer_jax.systems.ganmut.config import Config
from fer_jax.systems.ganmut.networks import TORCH_NAMES

FILES = {"gen": "G", "disc": "D"}  # last letter of a file's name
EXPORTED = 1  # the iteration that exported files are named after: the reference takes 0 for none
_FILE = re.compile(r"(\d+)-G\.ckpt")


def read(folder: Path, config: Config, templates: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of the networks whose files lie in a folder.

    Args:
      folder: with the generator's file at least.
      config: of the system; an error names the fields of it that the weights ask for.
      templates: {"gen": variables, "disc": variables}, of arrays or shapes.

    Raises:
      UsageError: no file, a damaged or refused one (nothing in it is run), or weights that do not fit.
    """
    iterations = [int(match[1]) for path in folder.iterdir() if (match := _FILE.fullmatch(path.name))]
    if not iterations:
        raise UsageError(f"--weights {folder}: needed is a generator's file such as 1000000-G.ckpt")
    paths = {net: folder / f"{max(iterations)}-{letter}.ckpt" for net, letter in FILES.items()}
    found = {net: _state_dict(path) for net, path in paths.items() if path.is_file()}
    if wrong := list(_disagreements(found, config, templates)):
        raise UsageError(f"--weights {paths['gen']}: made with another configuration; {'; '.join(wrong)}")
    if config.data.image_size != 128:
        logging.warning(
            "config.data.image_size: the published weights are for 128 pixels, not %d", config.data.image_size
        )
    return {
        net: import_tree(dict(templates[net]), tensors, TORCH_NAMES, str(paths[net])) for net, tensors in found.items()
    }


def write(folder: Path, variables: Mapping[str, Any]) -> list[Path]:
    """Writes both files, which ``torch.load`` reads and the reference's networks take.

    Raises:
      UsageError: the folder cannot be written.
    """
    export_folder(folder)
    paths = {net: folder / f"{EXPORTED}-{letter}.ckpt" for net, letter in FILES.items()}
    for net, path in paths.items():
        save_state_dict(path, export_tree(dict(variables[net]), TORCH_NAMES))
    return list(paths.values())


def _state_dict(path: Path) -> dict[str, np.ndarray]:
    tensors = load_state_dict(path)
    if not isinstance(tensors, dict) or not all(isinstance(value, np.ndarray) for value in tensors.values()):
        raise UsageError(f"{path}: no state dict; needed are tensors by name")
    return tensors


def _disagreements(found: Mapping[str, Mapping[str, np.ndarray]], config: Config, templates: Any) -> Iterator[str]:
    """What to change in the config so that it fits the weights; what cannot be told is left to the import."""
    gen, disc = found["gen"], found.get("disc", {})
    space = "linear" if "axes.weight" in gen else "gaussian"
    classes, dimensions = _shape(gen, "axes.weight" if space == "linear" else "mu.weight", 2)
    first, judge = _shape(gen, "main.0.weight", 4), _shape(disc, "main.0.weight", 4)
    wanted = {
        "model.space": space,
        "model.dimensions": dimensions,
        "model.width": first[0],
        "data.channels": first[1] - dimensions,
        "model.blocks": _count(gen, r"main\.\d+\.main\.0\.weight"),
        "model.stages": _count(disc, r"main\.\d+\.weight"),
    }
    if judge[0] and judge[0] != (config.model.disc_width or config.model.width):
        wanted["model.disc_width"] = judge[0]
    if "covariances_list.weight" in gen:
        wanted["as_coded.covariance"] = True
    for field, value in wanted.items():
        have = operator.attrgetter(field)(config)
        if value and have != value:
            yield f"give --config.{field}={value} (it is {have})"
    know, known = classes + (space == "linear"), _classes(templates["disc"], config)
    if classes and space == config.model.space and know != known:
        yield f"it knows {know} classes, the data set of this config has {known}: name one with as many"


def _classes(template: Mapping[str, Any], config: Config) -> int:
    heads = template["params"]["conv2"]["kernel"].shape[-1]
    return heads - (config.model.dimensions if config.model.space == "gaussian" else 0)


def _count(tensors: Mapping[str, np.ndarray], pattern: str) -> int:
    return sum(bool(re.fullmatch(pattern, str(name))) for name in tensors)


def _shape(tensors: Mapping[str, np.ndarray], name: str, rank: int) -> tuple[int, ...]:
    """Zeros where there is no such tensor of that rank."""
    value = tensors.get(name)
    return value.shape if value is not None and value.ndim == rank else (0,) * rank
