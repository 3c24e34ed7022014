"""fer_jax: facial-expression recognition, editing and generation in JAX."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def predict(
    pictures: str | Path | Iterable[str | Path],
    workdir: str | Path | None = None,
    *,
    step: int | None = None,
    batch_size: int = 64,
) -> list[dict[str, Any]]:
    """Names the expression in pictures of faces, as ``python -m fer_jax.cli.predict`` does.

    Args:
      pictures: names of files, folders (every picture below, sorted) and patterns, or one such name.
      workdir: folder of a run that recognises expressions; None = the model that the package holds, which is trained on
        FER2013 (fer_jax/pretrained/fer2013.md).
      step: of the workdir's checkpoint; None = the selected one.
      batch_size: pictures that go through the network together.

    Returns:
      A row for each picture, in order: "file", "class", "p_<class>" for each class, "valence", "arousal" and "error".
      Valence and arousal are None where the network has none; where a picture cannot be read, all are but "error".

    Raises:
      UsageError: no such pictures, workdir or checkpoint, or a system that recognises no expressions.
    """
    from fer_jax.cli import predict as tool  # it imports jax

    return tool.predict(pictures, Path(workdir) if workdir else None, step=step, batch_size=batch_size)
