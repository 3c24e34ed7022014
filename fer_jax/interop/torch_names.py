"""Parameters here <-> PyTorch state dicts: names by a system's table, layouts by the kind of each layer.

A table is a sequence of (pattern, replacement) for `re.sub`, applied in order to a dotted path of this library without
its last part, e.g. ``enc_fr.conv1.norm``; the last part is translated here. One direction serves both: a tree is
imported by asking, for each of its leaves, for the tensor of that name. A name with braces, ``branch{0,1,2}.weight``,
stands for several tensors of equal size that lie side by side in one leaf, along its last axis.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from fer_jax.core.errors import UsageError

Renames = Sequence[tuple[str, str]]

_LAST = {
    "kernel": "weight",
    "transposed_kernel": "weight",
    "scale": "weight",
    "embedding": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
    "weight": "weight",  # a matrix that PyTorch keeps as (in, out): graph convolutions
    "adjacency": "A",
    "a": "_a",
    "c": "_c",
}
# leaf name, rank -> permutation from PyTorch's layout to ours
_FROM_TORCH = {
    ("kernel", 4): (2, 3, 1, 0),  # (out, in, kh, kw) -> (kh, kw, in, out)
    ("transposed_kernel", 4): (2, 3, 0, 1),  # (in, out, kh, kw) -> (kh, kw, in, out)
    ("kernel", 2): (1, 0),
}
# Left in state dicts by PyTorch, with nothing here to match: counters, and statistics of instance norms (old versions).
_IGNORED = re.compile(r"(^|\.)(num_batches_tracked|running_mean|running_var)$")


def torch_name(path: str, renames: Renames) -> str:
    """PyTorch's name of the leaf at a dotted path of this library.

    Raises:
      ValueError: the last part of the path is not a parameter name of `fer_jax.nn.layers`.
    """
    parent, _, last = path.rpartition(".")
    if last not in _LAST:
        raise ValueError(f"{path}: no PyTorch name is known for {last!r}")
    for pattern, replacement in renames:
        parent = re.sub(pattern, replacement, parent)
    return f"{parent}.{_LAST[last]}" if parent else _LAST[last]


def import_tree(template: Any, tensors: Mapping[str, np.ndarray], renames: Renames, source: str = "state dict") -> Any:
    """A tree like `template` (arrays or shapes) filled from a PyTorch state dict.

    Raises:
      UsageError: a tensor is missing, has another shape, or has no place in the tree; `source` names the file.
    """
    used = set()

    def fill(path, leaf):
        dotted = _dotted(path)
        names = _expand(torch_name(dotted, renames))
        parts = []
        for name in names:
            if name not in tensors:
                raise UsageError(f"{source}: has no tensor {name!r} for {dotted}; it belongs to another network")
            value = np.asarray(tensors[name])
            permutation = _permutation(dotted, value.ndim)
            parts.append(value.transpose(permutation) if permutation else value)
            expected = (*leaf.shape[:-1], leaf.shape[-1] // len(names)) if leaf.shape else ()
            if parts[-1].shape != expected:
                raise UsageError(f"{source}: {name} has shape {parts[-1].shape} (as {dotted}), expected {expected}")
        used.update(names)
        value = np.concatenate(parts, -1) if len(parts) > 1 else parts[0]
        return value.astype(leaf.dtype)

    tree = jax.tree_util.tree_map_with_path(fill, template)
    left = sorted(name for name in tensors if name not in used and not _IGNORED.search(name))
    if left:
        raise UsageError(f"{source}: {len(left)} tensors have no place here, e.g. {left[0]!r}; it is another network's")
    return tree


def export_tree(tree: Any, renames: Renames) -> dict[str, np.ndarray]:
    """The inverse of `import_tree`: a state dict in PyTorch's names and layouts."""
    tensors = {}
    for dotted, leaf in dotted_leaves(tree):
        permutation = _permutation(dotted, leaf.ndim)
        names = _expand(torch_name(dotted, renames))
        for name, value in zip(names, np.split(np.asarray(leaf), len(names), -1), strict=True):
            tensors[name] = value.transpose(np.argsort(permutation)) if permutation else value
    return tensors


def _expand(name: str) -> list[str]:
    """``a{0,1}.b`` -> ["a0.b", "a1.b"]."""
    before, brace, rest = name.partition("{")
    if not brace:
        return [name]
    choices, _, after = rest.partition("}")
    return [before + choice + after for choice in choices.split(",")]


def dotted_leaves(tree: Any) -> Iterator[tuple[str, Any]]:
    """(dotted path, leaf) of every leaf."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        yield _dotted(path), leaf


def _permutation(dotted: str, rank: int) -> tuple[int, ...] | None:
    return _FROM_TORCH.get((dotted.rpartition(".")[2], rank))


def _dotted(path) -> str:
    return ".".join(str(getattr(key, "key", getattr(key, "name", key))) for key in path)
