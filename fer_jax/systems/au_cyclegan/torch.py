"""The files of the face editor's reference <-> networks here, for its PyTorch experiments e5 to e9.

The reference (gtesei/facial_unpaired_i2i_translation_SA_C_CC_GAN) saves ``weights.pth``, a dictionary of "G", "D",
"optim_G" and "optim_D". State dicts of the two networks are read, running statistics included; the optimisers' are not,
so that training goes on with new ones. A state dict may be missing, as there. Files of one state dict, G.pth and D.pth,
are read as well.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from fer_jax.core.errors import UsageError
from fer_jax.interop.folders import export_folder
from fer_jax.interop.torch_file import load_state_dict, save_state_dict
from fer_jax.interop.torch_names import Renames, export_tree, import_tree
from fer_jax.systems.au_cyclegan import networks as au_cyclegan
from fer_jax.systems.au_cyclegan.config import Config
from fer_jax.systems.au_cyclegan.legacy import early as au_cyclegan_early

TOGETHER = "weights.pth"
FILES = {"gen": "G", "critic": "D"}  # key in the dictionary, and stem of a file of its own
_HEAD = {"general": "fc_adv.0.layers.0.weight", "early": "gan_task.0.weight"}


def torch_names(family: str) -> Renames:
    """Names here -> PyTorch names of a family's networks.

    Raises:
      UsageError: the family has no files: e1 to e4 are Keras's, and none were published.
    """
    names = {"general": au_cyclegan.TORCH_NAMES, "early": au_cyclegan_early.TORCH_NAMES}
    if family not in names:
        raise UsageError(f"config.model.family: networks of {family!r} have no files; {', '.join(names)} have")
    return names[family]


def read(folder: Path, config: Config, templates: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of the networks whose file lies in a folder: `TOGETHER`, or those of `FILES` with the ending .pth.

    Args:
      folder: with the generator at least.
      config: of the system; an error names the fields of it that the weights ask for.
      templates: {"gen": variables, "critic": variables}, of arrays or shapes.

    Raises:
      UsageError: no file, a damaged or refused one (nothing in it is run), or weights that do not fit.
    """
    names, found = torch_names(config.model.family), _state_dicts(folder)
    if wrong := list(_disagreements(found, config)):
        raise UsageError(f"--weights {folder}: made with another configuration; {'; '.join(wrong)}")
    if config.data.image_size != 112:
        logging.warning(
            "config.data.image_size: the published weights are for 112 pixels, not %d", config.data.image_size
        )
    return {
        net: import_tree(dict(templates[net]), tensors, names, f"{folder} {FILES[net]}")
        for net, tensors in found.items()
    }


def write(folder: Path, variables: Mapping[str, Any]) -> list[Path]:
    """Writes `TOGETHER` without optimisers, which ``torch.load`` reads and the reference's networks take.

    Raises:
      UsageError: networks that the reference does not have, or the folder cannot be written.
    """
    gen = variables["gen"]["params"]
    names = torch_names("early" if "conv_1_1" in gen else "keras" if "transform" in gen else "general")
    if "attend" in gen:
        raise UsageError("--export: the reference's networks have no self-attention (config.model.attention)")
    export_folder(folder)
    trees = {key: export_tree(dict(variables[net]), names) for net, key in FILES.items()}
    save_state_dict(folder / TOGETHER, trees)
    return [folder / TOGETHER]


def _state_dicts(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Network -> tensors, of those that the folder has."""
    if (path := folder / TOGETHER).is_file():
        content = load_state_dict(path)
        found = {net: content[key] for net, key in FILES.items() if key in content}
    else:
        paths = {net: folder / f"{stem}.pth" for net, stem in FILES.items()}
        found = {net: load_state_dict(path) for net, path in paths.items() if path.is_file()}
    if "gen" not in found:
        raise UsageError(f"--weights {folder}: needed is {TOGETHER} with a state dict G in it, or G.pth")
    for net, tensors in found.items():
        if not isinstance(tensors, dict) or not all(isinstance(value, np.ndarray) for value in tensors.values()):
            raise UsageError(f"--weights {folder}: {FILES[net]} is no state dict; needed are tensors by name")
    return found


def _disagreements(found: Mapping[str, Mapping[str, np.ndarray]], config: Config) -> Iterator[str]:
    """What to change in the config so that it fits the weights; what cannot be told is left to the import."""
    model, gen = config.model, found["gen"]
    family = "early" if "conv_1_1.weight" in gen else "general"
    kernels: list[tuple[int, ...]] = []
    while len(shape := _shape(gen, f"enc_layers.{len(kernels)}.layers.0.weight")) == 4:
        kernels.append(shape)
    if not kernels:
        yield "it is no generator of e5 to e9"
        return
    wanted: dict[str, Any] = {"family": family, "width": kernels[0][0]}
    if family == "early":
        wanted["kernels"] = tuple(shape[2] for shape in kernels)
    else:
        wanted["layers"] = len(kernels)
        joined, before = _shape(gen, "dec_layers.1.layers.0.weight"), _shape(gen, "dec_layers.0.layers.0.weight")
        if len(joined) == len(before) == 4 and len(kernels) > 1 and model.shortcut_layers:
            wanted["inject_layers"] = int(joined[0] > before[1] + kernels[-2][0])
    if len(head := _shape(found.get("critic", {}), _HEAD[family])) == 2:
        wanted["hidden"] = head[0]
    for field, value in wanted.items():
        have = getattr(model, field)
        if field == "inject_layers" and value and have:
            continue  # how many there are the import tells
        if have != value:
            yield f"give --config.model.{field}={str(value).replace(' ', '')} (it is {have})"
    if len(colours := _shape(gen, "enc_layers.0.layers.0.weight")) == 4 and colours[1] != config.data.channels:
        yield f"give --config.data.channels={colours[1]} (it is {config.data.channels})"


def _shape(tensors: Mapping[str, np.ndarray], name: str) -> tuple[int, ...]:
    return tuple(getattr(tensors.get(name), "shape", ()))
