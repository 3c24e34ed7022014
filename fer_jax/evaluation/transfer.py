"""How well TDGAN transfers expressions, by a recogniser that had no part in its training: another run's."""

from typing import Any

import jax
import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.core.protocols import RecognitionSystem
from fer_jax.data.opening import Data
from fer_jax.inference.loading import LoadedRun

PICTURES = ("expression", "generated", "face")


def check(run: LoadedRun, evaluator: LoadedRun) -> None:
    """Refuses an evaluator that cannot score the images that a run makes.

    Raises:
      UsageError: it recognises no expressions, is the run itself, or has other images or classes.
    """
    where = f"--evaluator {evaluator.path}"
    if not isinstance(evaluator.system, RecognitionSystem):
        raise UsageError(f"{where}: a run of {evaluator.config.system}, which recognises no expressions")
    if evaluator.path.resolve() == run.path.resolve():
        raise UsageError(f"{where}: is the run to be scored; train another one, with another --config.seed")
    for what, mine, theirs in (
        ("images of size", run.spec.image_size, evaluator.spec.image_size),
        ("images with channels", run.spec.channels, evaluator.spec.channels),
        ("the classes", run.spec.classes["expression"], evaluator.spec.classes["expression"]),
    ):
        if mine != theirs:
            raise UsageError(f"{where}: takes {what} {theirs}, the run to be scored makes {mine}")


def logits(run: LoadedRun, evaluator: LoadedRun, data: Data, *, seed: int = 0) -> dict[str, np.ndarray]:
    """The evaluator's logits (N, K) by kind of image, and the "label" (N,), over the test split.

    Every test image of the expression stream is put on a face of the other stream, one after another.
    """
    system, gen = run.system, run.state.nets["gen"].averaged
    ready = evaluator.runner.replicate(evaluator.system.prepare)(evaluator.state)

    @run.runner.replicate
    def predict(face: Any, expression: Any, key: Any) -> dict[str, Any]:
        noise = system.draw_noise(key, face.shape[0]).generate
        images = {"face": face, "expression": expression}
        images["generated"], _ = system.generate(gen, face, expression, noise)
        return {kind: evaluator.system.predict(ready, image).logits for kind, image in images.items()}

    faces = data.some("test", len(data.tables["face"]["train"]))["face"]["image"]
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*PICTURES, "label")}
    for step, batch in enumerate(data.evaluate("test")):
        expression, mask = batch["expression"], batch["mask"]["mask"]
        count = len(mask)
        face = faces[(step * count + np.arange(count)) % len(faces)]
        key = jax.random.fold_in(jax.random.key(seed), step)
        predicted = jax.device_get(predict(face, expression["image"], key))
        for name, values in {**predicted, "label": expression["expression"]}.items():
            found[name].append(values[mask])
    return {name: np.concatenate(parts) for name, parts in found.items()}
