"""The file of the BYOL run of the FER2013 classifiers' reference <-> the network here and its moving copy.

Written is what the reference loads into its classifier; its heads and the copy come along. Torchvision's weights of
ImageNet, from which the reference starts, are read by `initial`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_jax.core.errors import UsageError
from fer_jax.interop.backbones import ENDINGS, imagenet_backbone, state_dict
from fer_jax.interop.folders import export_folder, only_file
from fer_jax.interop.torch_file import save_state_dict
from fer_jax.interop.torch_names import Renames, export_tree, import_tree
from fer_jax.systems.byol.config import Config, ModelConfig

EXPORTED = "byol.pth"
_COPY = "_momentum"  # in the names of the copy's parts
_PLACES = {"conv1": "0", "bn1": "1"}  # the reference numbers ResNet's children: stage n is n + 3


def torch_names() -> Renames:
    """Names here -> PyTorch names of the online network with a ResNet (see fer_jax.interop.torch_names)."""
    return (
        (r"^(params|batch_stats)(\.|$)", ""),
        *((rf"^(backbone)\.net\.{ours}$", rf"\1.{theirs}") for ours, theirs in _PLACES.items()),
        *((rf"^(backbone)\.net\.layer{n}_(\d+)", rf"\1.{n + 3}.\2") for n in range(1, 5)),
        (r"\bdownsample_(\d)", r"downsample.\1"),
        (r"\blayers_(\d)(\.linear)?$", r"layers.\1"),
    )


def read(folder: Path, config: Config, templates: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of the online network whose file lies in a folder; the copy starts as it is, as a deep copy does.

    Raises:
      UsageError: no file, several, a damaged or refused one (nothing in it is run), or weights that do not fit.
    """
    _check(config.model, f"--weights {folder}")
    path = only_file(folder, ENDINGS)
    online = {name: value for name, value in state_dict(path).items() if _COPY not in name}
    return {"net": import_tree(dict(templates["net"]), online, torch_names(), str(path))}


def write(folder: Path, variables: Mapping[str, Any]) -> list[Path]:
    """Writes `EXPORTED`; the copy's parts are the online network's.

    Raises:
      UsageError: the folder cannot be written, or the reference has no network like this one.
    """
    tree = dict(variables["net"])
    if "layer1_0" not in tree["params"]["backbone"]["net"]:
        raise UsageError(f"--export {folder}: the reference has no network like this one")
    tensors = export_tree(tree, torch_names())
    copy = {_copied(name): value for name, value in tensors.items() if not name.startswith("prediction_head")}
    path = export_folder(folder) / EXPORTED
    save_state_dict(path, tensors | copy, under="net")
    return [path]


def initial(config: Config, templates: Mapping[str, Any] | None) -> dict[str, Any]:
    """The backbone out of the file `config.init_from`, a ResNet or DenseNet of torchvision's.

    Raises:
      UsageError: as `fer_jax.interop.backbones.imagenet_backbone` does.
    """
    path, where = Path(str(config.init_from)), f"config.init_from {config.init_from}"
    template = None
    if templates is not None:
        template = {name: templates["net"][name]["backbone"] for name in ("params", "batch_stats")}
    found = imagenet_backbone(path, config.model.backbone, template, where)
    return {"net": {name: {"backbone": tree} for name, tree in found.items()}} if found else {}


def _copied(name: str) -> str:
    part, _, rest = name.partition(".")
    return f"{part}{_COPY}.{rest}"


def _check(model: ModelConfig, where: str) -> None:
    if not model.backbone.startswith("resnet"):
        raise UsageError(
            f"{where}: the reference's file is for a ResNet, and config.model.backbone is {model.backbone}"
        )
