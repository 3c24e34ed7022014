"""Files of torchvision's backbones, and of the FER2013 study's networks on them, as PyTorch names them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.interop.torch_file import load_state_dict
from fer_jax.interop.torch_names import Renames, import_tree

ENDINGS = (".pth", ".pt", ".pkl", ".tar")
STATE_DICT = "net"  # where the study's checkpoints have it
PREFIX = "nn_model."  # of the study's names; torchvision's have none


def torch_names(backbone: str, prefix: str = PREFIX) -> Renames:
    """Names here -> PyTorch names (see fer_jax.interop.torch_names)."""
    dense = backbone.startswith("densenet")
    return (
        (r"^(params|batch_stats)(\.|$)", ""),
        (r"^body\.net\.", f"{prefix}features." if dense else prefix),
        (r"^head\.linear$", f"{prefix}classifier" if dense else f"{prefix}fc"),
        (r"\blayer(\d)_(\d+)", r"layer\1.\2"),
        (r"\bdownsample_(\d)", r"downsample.\1"),
    )


def state_dict(path: Path) -> dict[str, np.ndarray]:
    """A file's state dict, bare or in a checkpoint.

    Raises:
      UsageError: it is missing, damaged, refused or holds no tensors.
    """
    content = load_state_dict(path)
    tensors = content.get(STATE_DICT, content)
    if not isinstance(tensors, dict) or not all(isinstance(value, np.ndarray) for value in tensors.values()):
        raise UsageError(f"{path}: no state dict; needed are tensors by name, bare or as {STATE_DICT!r}")
    return tensors


def imagenet_backbone(path: Path, backbone: str, template: Mapping[str, Any] | None, where: str) -> dict[str, Any]:
    """A backbone of torchvision's, trained on ImageNet, without its head.

    Args:
      path: of the file.
      backbone: its name, one of `fer_jax.nn.backbones.BACKBONES`.
      template: {"params": tree, "batch_stats": tree} of `Backbone`; None only looks whether the file fits.
      where: what names the file, for messages.

    Returns:
      As `template`; {} without one.

    Raises:
      UsageError: it is missing, damaged, refused or of another backbone.
    """
    if backbone == "compact":
        raise UsageError(f"{where}: there are no such files for --config.model.backbone={backbone}")
    tensors = {name: value for name, value in state_dict(path).items() if not name.startswith(("fc.", "classifier."))}
    dense = backbone.startswith("densenet")
    if ("features.conv0.weight" if dense else "layer1.0.conv1.weight") not in tensors:
        raise UsageError(f"{where}: is no {backbone} of torchvision's; needed is e.g. {backbone}-….pth of ImageNet")
    if template is None:
        return {}
    inner = {collection: {"body": tree} for collection, tree in template.items()}
    found = import_tree(inner, tensors, torch_names(backbone, ""), where)
    return {collection: tree["body"] for collection, tree in found.items()}
