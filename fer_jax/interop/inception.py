"""Files of Inception-v3 weights -> variables of `fer_jax.nn.inception`; they are read, never written.

Known are torchvision's ``inception_v3_google-*.pth`` and pytorch-fid's ``pt_inception-2015-12-05-6726825d.pth``. Both
are bare state dicts. Which of the two a file is shows in its classifier: 1000 classes, or the 1008 of the TensorFlow
graph; classifiers themselves are left out, since only the features are wanted.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.interop.torch_file import load_state_dict
from fer_jax.interop.torch_names import import_tree
from fer_jax.nn.inception import FORMS, SIZE, Inception

TORCH_NAMES = ((r"^(params|batch_stats)(\.|$)", ""),)
FILES = {"torchvision": "inception_v3_google-0cc3c7bd.pth", "fid": "pt_inception-2015-12-05-6726825d.pth"}
# First digits of the published files' SHA-256; torchvision has published two.
PUBLISHED = {"torchvision": ("0cc3c7bd", "1a9a5a14"), "fid": ("6726825d",)}
_CLASSES = {"torchvision": 1000, "fid": 1008}
_CLASSIFIER = "fc.weight"
_LEFT_OUT = re.compile(r"^(fc|AuxLogits)\.")


def read(path: Path, form: str) -> dict[str, Any]:
    """Variables {"params", "batch_stats"} of ``Inception(form)``, float32.

    Raises:
      UsageError: the file is missing, damaged, refused (nothing in it is run), or another network's or form's.
    """
    if form not in FORMS:
        raise UsageError(f"{path}: no form {form!r} of Inception-v3 is known; give one of {', '.join(FORMS)}")
    tensors = load_state_dict(path)
    if not all(isinstance(value, np.ndarray) for value in tensors.values()):
        raise UsageError(f"{path}: no state dict; needed is {FILES[form]}")
    classifier = tensors.get(_CLASSIFIER, np.zeros(()))
    classes = classifier.shape[0] if classifier.ndim == 2 else 0
    if classes != _CLASSES[form]:
        have = f"a classifier of {classes} classes" if classes else f"no {_CLASSIFIER}"
        raise UsageError(f"{path}: has {have}, not the {_CLASSES[form]} of form {form!r}; needed is {FILES[form]}")
    kept = {name: value for name, value in tensors.items() if not _LEFT_OUT.search(name)}
    picture = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), np.float32)
    template = jax.eval_shape(lambda x: Inception(form).init(jax.random.key(0), x), picture)
    return import_tree(template, kept, TORCH_NAMES, str(path))


def digest(path: Path) -> str:
    """The first eight hex digits of the file's SHA-256.

    Raises:
      UsageError: it cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:8]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
