"""The files of the FER2013 classifiers' reference, torchvision's of ImageNet, and runs of ours <-> networks here.

The reference saves {"net", "epoch", "optimizer", ...}; a bare state dict will do. ResNet-18, ResNet-34 and DenseNet-201
with a linear head have a form there; the networks for 48 pixels and the head of two layers have none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.interop.folders import export_folder, only_file
from fer_jax.interop.torch_file import load_state_dict, save_state_dict
from fer_jax.interop.torch_names import Renames, export_tree, import_tree

ENDINGS = (".pth", ".pt", ".pkl", ".tar")
EXPORTED = "classifier.pth"
SHIPPED = "shipped"  # init_from: the model in the package
_STATE_DICT = "net"
_PREFIX = "nn_model."  # of the reference's names; torchvision's have none


def torch_names(backbone: str, prefix: str = _PREFIX) -> Renames:
    """Names here -> PyTorch names (see fer_jax.interop.torch_names)."""
    dense = backbone.startswith("densenet")
    return (
        (r"^(params|batch_stats)(\.|$)", ""),
        (r"^body\.net\.", f"{prefix}features." if dense else prefix),
        (r"^head\.linear$", f"{prefix}classifier" if dense else f"{prefix}fc"),
        (r"\blayer(\d)_(\d+)", r"layer\1.\2"),
        (r"\bdownsample_(\d)", r"downsample.\1"),
    )


def read(folder: Path, config: Any, templates: Mapping[str, Any]) -> dict[str, Any]:
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
    save_state_dict(path, export_tree(dict(tree), torch_names(backbone)), under=_STATE_DICT)
    return [path]


def initial(config: Any, templates: Mapping[str, Any] | None) -> dict[str, Any]:
    """The backbone out of `config.init_from`.

    That is a file of torchvision's, the workdir of a BYOL run, a file of `fer_jax.cli.pack`, or `SHIPPED` for the
    model that the package holds.

    Args:
      config: of the system.
      templates: {"net": variables, of arrays or shapes}; None = only look whether it fits the config.

    Raises:
      UsageError: it is missing, damaged, refused or of another backbone than the config's network.
    """
    path, where = Path(config.init_from), f"config.init_from {config.init_from}"
    if path.is_dir():
        return _of_byol(path, config, where)
    if path.suffix == ".npz" or config.init_from == SHIPPED:
        return _of_packed(path, config, where)
    backbone = _known(config.model, where)
    tensors = {name: value for name, value in state_dict(path).items() if not name.startswith(("fc.", "classifier."))}
    dense = backbone.startswith("densenet")
    if ("features.conv0.weight" if dense else "layer1.0.conv1.weight") not in tensors:
        raise UsageError(f"{where}: is no {backbone} of torchvision's; needed is e.g. {backbone}-….pth of ImageNet")
    if templates is None:
        return {}
    template = {name: {"body": templates["net"][name]["body"]} for name in ("params", "batch_stats")}
    return {"net": import_tree(template, tensors, torch_names(backbone, ""), where)}


def _of_byol(folder: Path, config: Any, where: str) -> dict[str, Any]:
    """The online backbone of a BYOL workdir."""
    from fer_jax.cli.common import open_workdir, read_config  # a workdir is opened in one way only

    other = read_config(folder)
    if other.system != "byol":
        raise UsageError(f"{where}: a run of {other.system}; needed is one of byol, or what fer_jax.cli.pack writes")
    _same_backbone(other, config, where)
    net = open_workdir(folder, step=None).state.nets["net"]
    return {
        "net": {
            "params": {"body": net.params["backbone"]},
            "batch_stats": {"body": net.stats["batch_stats"]["backbone"]},
        }
    }


def _of_packed(path: Path, config: Any, where: str) -> dict[str, Any]:
    """The backbone of a packed classifier. Its head stays behind, as others' do: the new run may have other classes."""
    from fer_jax.cli.common import PRETRAINED, open_pretrained

    other = open_pretrained(PRETRAINED if config.init_from == SHIPPED else path)
    if other.config.system != "classifier":
        raise UsageError(f"{where}: weights of {other.config.system}; needed are a classifier's")
    _same_backbone(other.config, config, where)
    net = other.state.nets["net"]
    return {
        "net": {
            "params": {"body": net.params["body"]},
            "batch_stats": {"body": net.stats["batch_stats"]["body"]},
        }
    }


def _same_backbone(other: Any, config: Any, where: str) -> None:
    """Refuses weights of another run whose backbone, or what it saw, is not that of the config."""
    for field in ("backbone", "depths", "width"):
        have, want = other.model[field], config.model[field]
        if tuple([have] if isinstance(have, str | int) else have) != tuple(
            [want] if isinstance(want, str | int) else want
        ):
            raise UsageError(f"{where}: another network; give --config.model.{field}={have} (it is {want})")
    if (other.data.channels, other.norm) != (config.data.channels, config.norm):
        raise UsageError(f"{where}: saw pictures of {other.data.channels} channels normalised by {other.norm!r}")


def _known(model: Any, where: str) -> str:
    if model.backbone == "compact" or model.head != "linear":
        raise UsageError(
            f"{where}: there are no such files for --config.model.backbone={model.backbone} with this head"
        )
    return model.backbone


def state_dict(path: Path) -> dict[str, np.ndarray]:
    """A file's state dict, bare or in a checkpoint.

    Raises:
      UsageError: it is missing, damaged, refused or holds no tensors.
    """
    content = load_state_dict(path)
    tensors = content.get(_STATE_DICT, content)
    if not isinstance(tensors, dict) or not all(isinstance(value, np.ndarray) for value in tensors.values()):
        raise UsageError(f"{path}: no state dict; needed are tensors by name, bare or as {_STATE_DICT!r}")
    return tensors
