"""`fer_jax.load`."""

from pathlib import Path

from fer_jax.core.errors import UsageError
from fer_jax.core.protocols import EditingSystem, RecognitionSystem, SamplingSystem
from fer_jax.inference.editor import Editor
from fer_jax.inference.loading import PACKAGED, open_packed, open_run
from fer_jax.inference.recogniser import Recogniser
from fer_jax.inference.sampler import Sampler


def load(name: str | Path, *, step: int | None = None, batch_size: int = 64) -> Recogniser | Editor | Sampler:
    """Opens a trained network for use. What it can be asked depends on its system.

    Args:
      name: packaged weights by name ("fer2013"), the folder of a run, or a file of packed weights (.npz).
      step: of a run's checkpoint; None: the selected one.
      batch_size: pictures that a recogniser takes together.

    Returns:
      A `Recogniser` (tdgan, emotion_gcn, classifier), `Editor` (au_cyclegan, ganmut) or `Sampler` (dcgan).

    Raises:
      UsageError: no such weights, run or checkpoint, or a system that is only trained.
    """
    path = Path(name)
    if str(name) in PACKAGED or path.suffix == ".npz":
        if step is not None:
            raise UsageError(f"step {step}: packed weights ({name}) have one set of weights")
        run = open_packed(name)
    elif path.is_dir():
        run = open_run(path, step=step)
    else:
        raise UsageError(f"{name}: no such folder of a run, nor one of {', '.join(PACKAGED)}")
    if isinstance(run.system, RecognitionSystem):
        return Recogniser(run, batch_size=batch_size)
    if isinstance(run.system, EditingSystem):
        return Editor(run)
    if isinstance(run.system, SamplingSystem):
        return Sampler(run)
    raise UsageError(f"{name}: a run of {run.config.system}, which other systems start from and which predicts nothing")
