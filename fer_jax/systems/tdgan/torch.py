"""The files of the TDGAN reference (XsLangley/TDGAN, folder ``par`` or the demo's download) <-> networks here.

Six state dicts without optimiser state. The demo's download lacks ``Dis_FR.pkl``, which only training needs.
"""

import math
import operator
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fer_jax.core.errors import UsageError
from fer_jax.interop.folders import export_folder
from fer_jax.interop.torch_file import load_state_dict, save_state_dict
from fer_jax.interop.torch_names import export_tree, import_tree
from fer_jax.systems.tdgan.config import Config
from fer_jax.systems.tdgan.networks import TORCH_NAMES


class _Place(NamedTuple):
    """Where a file's tensors belong: a network of the state, and the part of it ("" = all)."""

    net: str
    part: str


FILES = {
    "Enc_FR_G.pkl": _Place("gen", "enc_fr"),
    "Enc_ER_G.pkl": _Place("gen", "enc_er"),
    "dec.pkl": _Place("gen", "dec"),
    "fc_ER_G.pkl": _Place("er_head", ""),
    "Dis_FR.pkl": _Place("dis_fr", ""),
    "Dis_ER.pkl": _Place("dis_er", ""),
}
OPTIONAL = ("Dis_FR.pkl",)


def read(folder: Path, config: Config, templates: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of the networks whose files lie in a folder: {"params": ...} each.

    Args:
      folder: with the files of `FILES`; those of `OPTIONAL` may be missing.
      config: of the system; an error names the fields of it that the weights ask for.
      templates: network -> variables, of arrays or shapes.

    Raises:
      UsageError: a file is missing, damaged or refused (nothing in it is run), or the weights do not fit the config.
    """
    absent = [name for name in FILES if not (folder / name).is_file()]
    if missing := [name for name in absent if name not in OPTIONAL]:
        raise UsageError(f"--weights {folder}: has no {', '.join(missing)}; needed are {', '.join(FILES)}")
    found = {name: load_state_dict(folder / name) for name in FILES if name not in absent}
    templates = {net: tree["params"] for net, tree in templates.items()}
    if wrong := dict.fromkeys(_disagreements(found, config, templates)):
        raise UsageError(f"--weights {folder}: made with another configuration; {'; '.join(wrong)}")
    nets: dict[str, Any] = {}
    for name, tensors in found.items():
        net, part = FILES[name]
        template = templates[net][part] if part else templates[net]
        tree = import_tree(template, tensors, TORCH_NAMES, str(folder / name))
        nets[net] = {**nets.get(net, {}), part: tree} if part else tree
    return {net: {"params": tree} for net, tree in nets.items()}


def write(folder: Path, variables: Mapping[str, Any]) -> list[Path]:
    """Writes the six files from variables by network; ``torch.load`` reads them.

    Raises:
      UsageError: the folder cannot be written.
    """
    export_folder(folder)
    for name, (net, part) in FILES.items():
        params = variables[net]["params"]
        save_state_dict(folder / name, export_tree(params[part] if part else params, TORCH_NAMES))
    return [folder / name for name in FILES]


def _disagreements(found: Mapping[str, Mapping], config: Config, templates: Mapping[str, Any]) -> Iterator[str]:
    """What to change in the config so that it fits the weights; sizes that cannot be told are left to the import."""
    for field, size in _sizes(found):
        have = operator.attrgetter(field)(config)
        if have != size:
            yield f"give --config.{field}={size} (it is {have})"
    expressions = templates["er_head"]["fc3"]["linear"]["bias"].shape[0]
    if (classes := _rows(found, "fc_ER_G.pkl", "fc3.weight")) not in (expressions, None):
        yield f"it knows {classes} expressions, the data set of this config has {expressions}: name one with as many"
    elif (judged := _rows(found, "Dis_ER.pkl", "fc.fc3.weight")) is not None:
        if judged != expressions + config.d_er_fake_class:
            yield f"give --config.d_er_fake_class={judged == expressions + 1} (Dis_ER.pkl has {judged} classes)"
    faces = templates["dis_fr"]["fc"]["fc3"]["linear"]["bias"].shape[0]
    if (judged := _rows(found, "Dis_FR.pkl", "fc.fc3.weight")) not in (faces, None):
        yield f"give --config.data.streams.face.identities={judged - 1} (there are {faces - 1})"


def _sizes(found: Mapping[str, Mapping]) -> Iterator[tuple[str, int]]:
    """(config field, value that the tensors' shapes ask for)."""
    if len(first := _shape(found, "Enc_FR_G.pkl", "conv1.0.conv.weight")) == 4 and all(first):
        width = first[0]
        yield "data.channels", first[1]
        yield "model.width", width
        if len(hidden := _shape(found, "fc_ER_G.pkl", "fc1.weight")) == 2:
            yield "model.hidden", hidden[0]
            yield "data.image_size", 16 * math.isqrt(hidden[1] // (4 * width))
        if len(joined := _shape(found, "dec.pkl", "emb1.0.weight")) == 4:
            yield "model.noise", joined[1] - 8 * width
            yield "model.decoder_width", 0 if joined[0] == 4 * width else joined[0] // 4
    blocks = {match[1] for name in found["dec.pkl"] if (match := re.match(r"emb2\.(\d+)\.", str(name)))}
    yield "model.blocks", len(blocks)


def _shape(found: Mapping[str, Mapping], file: str, name: str) -> tuple[int, ...]:
    return tuple(getattr(found.get(file, {}).get(name), "shape", ()))


def _rows(found: Mapping[str, Mapping], file: str, name: str) -> int | None:
    shape = _shape(found, file, name)
    return shape[0] if len(shape) == 2 else None
