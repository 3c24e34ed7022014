"""The files of the Emotion-GCN reference (PanosAntoniadis/emotion-gcn) and torchvision's DenseNet <-> networks here.

The reference saves {"epoch", "model_state_dict", "optimizer_state_dict"}, one file for each of its six models; a bare
state dict will do. Running statistics and the graph's links come with the weights, its word vectors do not.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from fer_jax.core.errors import UsageError
from fer_jax.interop.folders import export_folder, only_file
from fer_jax.interop.torch_file import load_state_dict, save_state_dict
from fer_jax.interop.torch_names import export_tree, import_tree, torch_name
from fer_jax.nn.bregnext import BREGNEXT_50
from fer_jax.nn.densenet import DENSENET_121
from fer_jax.systems.emotion_gcn.config import Config
from fer_jax.systems.emotion_gcn.networks import UNUSED_TENSORS, torch_names

ENDINGS = ("", ".pt", ".pth", ".pkl", ".tar")
EXPORTED = "emotion_gcn.pt"
_STATE_DICT = "model_state_dict"
_TORCHVISION = ("densenet", "single_task")  # whose names are torchvision's own
_LAYERS = {
    "densenet": re.compile(r"\bdenseblock(\d+)\.denselayer(\d+)\."),
    "bregnext": re.compile(r"\b_model\.(\d*[02468])\._layer_stack\.(\d+)\."),  # odd ones widen, with one layer each
}
# Torchvision's first files: denselayer1.norm.1.weight
_OLD_NAME = re.compile(r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\.\w+)$")


def read(folder: Path, config: Config, templates: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of the network whose file lies in a folder.

    Args:
      folder: with one file, of any name that ends in one of `ENDINGS`.
      config: of the system; an error names the fields of it that the weights ask for.
      templates: {"net": variables, of arrays or shapes}.

    Raises:
      UsageError: no file, several, a damaged or refused one (nothing in it is run), or weights that do not fit.
    """
    path = only_file(folder, ENDINGS)
    tensors = _tensors(path)
    if wrong := list(_disagreements(tensors, config, templates["net"])):
        raise UsageError(f"--weights {path}: made with another configuration; {'; '.join(wrong)}")
    template = dict(templates["net"])
    if "graph" in template:
        template["graph"] = {"adjacency": template["graph"]["adjacency"]}
        tensors = {name: value for name, value in tensors.items() if name not in UNUSED_TENSORS}
        if not config.graph.glove:
            logging.warning(
                "config.graph.glove: not set, and the word vectors that these weights were trained with are not in "
                "their file; without them the predictions are worthless"
            )
    return {"net": import_tree(template, tensors, torch_names(config.model.backbone, config.model.kind), str(path))}


def write(folder: Path, variables: Mapping[str, Any]) -> list[Path]:
    """Writes `EXPORTED`, which ``torch.load`` reads and the reference's models take, from variables by network.

    The tensors that no network uses are written as zeros: the reference asks for them.

    Raises:
      UsageError: the folder cannot be written.
    """
    tree = dict(variables["net"])
    params, path = tree["params"], folder / EXPORTED
    backbone = "bregnext" if "stage0" in params["features"] else "densenet"
    kind = "emotion_gcn" if "gc1" in params else "multi_task" if "circumplex" in params else "single_task"
    unused = {}
    if "graph" in tree:
        tree["graph"] = {"adjacency": tree["graph"]["adjacency"]}
        if backbone == "bregnext":
            shape = len(tree["graph"]["adjacency"]) - 2, params["gc2"]["weight"].shape[1]
            unused = {name: np.zeros(shape[: 2 - i], np.float32) for i, name in enumerate(UNUSED_TENSORS)}
    export_folder(folder)
    save_state_dict(path, export_tree(tree, torch_names(backbone, kind)) | unused, under=_STATE_DICT)
    return [path]


def initial(config: Config, templates: Mapping[str, Any] | None) -> dict[str, Any]:
    """The backbone out of the file `config.init_from`, a DenseNet of torchvision's; its classifier is left out.

    Args:
      config: of the system.
      templates: {"net": variables, of arrays or shapes}; None = only look whether the file fits the config.

    Raises:
      UsageError: the file is missing, damaged, refused or no DenseNet, or the config's network has another backbone.
    """
    path, where = Path(str(config.init_from)), f"config.init_from {config.init_from}"
    if config.model.backbone != "densenet":
        raise UsageError(
            f"{where}: is for a DenseNet, and --config.model.backbone is {config.model.backbone}; leave init_from empty"
        )
    tensors = {_OLD_NAME.sub(r"\1\2", name): value for name, value in _tensors(path).items()}
    tensors = {name: value for name, value in tensors.items() if not name.startswith("classifier.")}
    if not any(_LAYERS["densenet"].search(name) for name in tensors):
        raise UsageError(f"{where}: is no DenseNet of torchvision's; needed is e.g. densenet121-a639ec97.pth")
    if wrong := list(_sizes(tensors, config, *_TORCHVISION)):
        raise UsageError(f"{where}: another network; {'; '.join(wrong)}")
    if templates is None:
        return {}
    template = {name: {"features": templates["net"][name]["features"]} for name in ("params", "batch_stats")}
    return {"net": import_tree(template, tensors, torch_names(*_TORCHVISION), where)}


def _tensors(path: Path) -> dict[str, np.ndarray]:
    """A file's state dict, bare or in a checkpoint."""
    content = load_state_dict(path)
    tensors = content.get(_STATE_DICT, content)
    if not isinstance(tensors, dict) or not all(isinstance(value, np.ndarray) for value in tensors.values()):
        raise UsageError(f"{path}: no state dict; needed are tensors by name, bare or as {_STATE_DICT!r}")
    return tensors


def _disagreements(tensors: Mapping[str, np.ndarray], config: Config, template: Mapping[str, Any]) -> Iterator[str]:
    """What to change in the config so that it fits the weights; sizes that cannot be told are left to the import."""
    kind = "single_task"
    if "gc1.weight" in tensors:
        kind = "emotion_gcn"
    elif "lin_cat.weight" in tensors or "fc_cat.weight" in tensors:
        kind = "multi_task"
    dense = any(_LAYERS["densenet"].search(name) for name in tensors)
    backbone = "densenet" if dense else "bregnext"
    for field, value in (("kind", kind), ("backbone", backbone)):
        if (have := getattr(config.model, field)) != value:
            yield f"give --config.model.{field}={value} (it is {have})"
    yield from _sizes(tensors, config, backbone, kind)
    if kind == config.model.kind == "emotion_gcn":
        words, width = _shape(tensors, "gc1.weight", 2)[0], template["graph"]["nodes"].shape[1]
        if words and words != width:
            yield f"give --config.graph.glove with vectors of {words} numbers (they have {width})"
    head = "A" if kind == "emotion_gcn" else torch_name("params.category.linear.kernel", torch_names(backbone, kind))
    know = _shape(tensors, head, 2)[0] - 2 * (kind == "emotion_gcn")
    if kind == config.model.kind and know > 0 and know != (known := _classes(template)):
        yield f"it knows {know} classes, the data set of this config has {known}: name one with as many"


def _sizes(tensors: Mapping[str, np.ndarray], config: Config, backbone: str, kind: str) -> Iterator[str]:
    """Of what does not depend on the data set."""
    model, published = config.model, DENSENET_121 if backbone == "densenet" else BREGNEXT_50
    maps, channels, *_ = _shape(tensors, torch_name("params.features.conv0.kernel", torch_names(backbone, kind)), 4)
    wanted = {
        "data.channels": (channels, config.data.channels),
        "model.width": (maps // 2 if backbone == "densenet" else maps, model.width),
        "model.hidden": (_shape(tensors, "gc1.weight", 2)[1], model.hidden),
        "model.depths": (_depths(tensors, backbone), model.depths or published),
    }
    for field, (value, have) in wanted.items():
        if value and value != have:
            yield f"give --config.{field}={str(value).replace(' ', '')} (it is {have})"


def _depths(tensors: Mapping[str, np.ndarray], backbone: str) -> tuple[int, ...]:
    """Layers of each block."""
    layers = {match.groups() for name in tensors if (match := _LAYERS[backbone].search(name))}
    blocks = [int(block) for block, _ in layers]
    return tuple(blocks.count(block) for block in sorted(set(blocks)))


def _shape(tensors: Mapping[str, np.ndarray], name: str, rank: int) -> tuple[int, ...]:
    """Zeros where there is no such tensor of that rank."""
    value = tensors.get(name)
    return value.shape if value is not None and value.ndim == rank else (0,) * rank


def _classes(template: Mapping[str, Any]) -> int:
    if "graph" in template:
        return template["graph"]["nodes"].shape[0] - 2
    return template["params"]["category"]["linear"]["bias"].shape[0]
