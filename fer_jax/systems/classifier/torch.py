"""The files of the FER2013 classifiers' reference, torchvision's of ImageNet, and runs of ours <-> networks here.

The reference saves {"net", "epoch", "optimizer", ...}; a bare state dict will do. ResNet-18, ResNet-34 and DenseNet-201
with a linear head have a form there; the networks for 48 pixels and the head of two layers have none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_jax.core.config import SystemConfig
from fer_jax.core.errors import UsageError
from fer_jax.interop.backbones import ENDINGS, STATE_DICT, imagenet_backbone, state_dict, torch_names
from fer_jax.interop.folders import export_folder, only_file
from fer_jax.interop.torch_file import save_state_dict
from fer_jax.interop.torch_names import export_tree, import_tree
from fer_jax.systems.classifier.config import Config, ModelConfig

EXPORTED = "classifier.pth"


def read(folder: Path, config: Config, templates: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of the network whose file lies in a folder.

    Args:
      folder: with one file, whose name ends in one of `ENDINGS`.
      config: of the system.
      templates: {"net": variables, of arrays or shapes}.

    Raises:
      UsageError: no file, several, a damaged or refused one (nothing in it is run), or weights that do not fit.
    """
    backbone = _known(config.model, f"--weights {folder}")
    path = only_file(folder, ENDINGS)
    tensors = state_dict(path)
    dense = any("denseblock" in name for name in tensors)
    if dense != backbone.startswith("densenet"):
        wanted = "densenet201" if dense else "resnet18"
        raise UsageError(
            f"--weights {path}: made with another configuration; give --config.model.backbone={wanted} "
            f"(it is {backbone})"
        )
    return {"net": import_tree(dict(templates["net"]), tensors, torch_names(backbone), str(path))}


def write(folder: Path, variables: Mapping[str, Any]) -> list[Path]:
    """Writes `EXPORTED`, which ``torch.load`` reads and the reference's `EmotionNet` takes.

    Raises:
      UsageError: the folder cannot be written, or the network has no form there.
    """
    tree = variables["net"]
    net = tree["params"]["body"]["net"]
    if "stem1" in net or "hidden" in tree["params"]:
        raise UsageError(f"--export {folder}: the reference has no network like this one")
    path = export_folder(folder) / EXPORTED
    backbone = "densenet201" if "denseblock1" in net else "resnet18"
    save_state_dict(path, export_tree(dict(tree), torch_names(backbone)), under=STATE_DICT)
    return [path]


def initial(config: Config, templates: Mapping[str, Any] | None) -> dict[str, Any]:
    """The backbone out of the file `config.init_from`, one of torchvision's.

    Args:
      config: of the system.
      templates: {"net": variables, of arrays or shapes}; None = only look whether it fits the config.

    Raises:
      UsageError: it is missing, damaged, refused or of another backbone than the config's network.
    """
    path, where = Path(str(config.init_from)), f"config.init_from {config.init_from}"
    template = None
    if templates is not None:
        template = {name: templates["net"][name]["body"] for name in ("params", "batch_stats")}
    found = imagenet_backbone(path, _known(config.model, where), template, where)
    return {"net": {name: {"body": tree} for name, tree in found.items()}} if found else {}


def from_run(config: Config, other: SystemConfig, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The backbone of another run, of BYOL or a classifier. A classifier's head stays behind: classes may differ.

    Args:
      config: of the system.
      other: of the run.
      variables: network -> its variables.

    Raises:
      UsageError: a run of another system, or of another backbone than the config's network.
    """
    where = f"config.init_from {config.init_from}"
    part = {"byol": "backbone", "classifier": "body"}.get(other.system)
    if part is None:
        raise UsageError(f"{where}: a run of {other.system}; needed is one of byol, or a packed classifier")
    theirs: Any = other
    for field in ("backbone", "depths", "width"):
        have, want = getattr(theirs.model, field), getattr(config.model, field)
        if have != want:
            raise UsageError(f"{where}: another network; give --config.model.{field}={have} (it is {want})")
    if (other.data.channels, theirs.norm) != (config.data.channels, config.norm):
        raise UsageError(f"{where}: saw pictures of {other.data.channels} channels normalised by {theirs.norm!r}")
    net = variables["net"]
    return {"net": {name: {"body": net[name][part]} for name in ("params", "batch_stats")}}


def _known(model: ModelConfig, where: str) -> str:
    if model.backbone == "compact" or model.head != "linear":
        raise UsageError(
            f"{where}: there are no such files for --config.model.backbone={model.backbone} with this head"
        )
    return model.backbone
