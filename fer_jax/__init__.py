"""fer_jax: facial-expression recognition, editing and generation in JAX.

>>> import fer_jax
>>> recogniser = fer_jax.load("fer2013")  # doctest: +SKIP
>>> recogniser.predict("faces/").save("faces.csv")  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from fer_jax.core import errors

if TYPE_CHECKING:
    from fer_jax.inference.api import load
    from fer_jax.inference.editor import Editor
    from fer_jax.inference.predictions import Predictions
    from fer_jax.inference.recogniser import Recogniser
    from fer_jax.inference.sampler import Sampler

__version__ = "0.1.0"
__all__ = ["Editor", "Predictions", "Recogniser", "Sampler", "errors", "load"]
_HOMES = {  # they import jax, which takes a second: only when they are asked for
    "Editor": "editor",
    "Predictions": "predictions",
    "Recogniser": "recogniser",
    "Sampler": "sampler",
    "load": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fer_jax' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"fer_jax.inference.{_HOMES[name]}"), name)
