"""Checkpoints of a run in training.

Two are kept: the last one, to go on from, and the best one by the metric that the run selects by. Saving is
asynchronous and atomic: a checkpoint that could not be written whole does not exist.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

from fer_jax.core.errors import RunFailed
from fer_jax.core.state import TrainState
from fer_jax.inference.checkpoints import SavedCheckpoints, rank


class Checkpoints(SavedCheckpoints):
    """The checkpoints below a workdir, and new ones."""

    def __init__(self, workdir: Path):
        super().__init__(workdir, read_only=False)

    def save(self, state: TrainState, config: Mapping[str, Any], step: int, selected: float | None = None) -> None:
        """Starts saving; `selected` is the selection metric at this step where it was measured (higher is better).

        Raises:
          RunFailed: this or the previous save failed, e.g. on a full disk; earlier checkpoints stay valid.
        """
        metrics = None if selected is None else {"selected": float(selected), "step": step}
        items = ocp.args.Composite(state=ocp.args.PyTreeSave(state), config=ocp.args.JsonSave(dict(config)))
        with self._failures():
            self._manager.wait_until_finished()
            if step in self._manager.all_steps():
                return
            self._manager.save(step, args=items, metrics=metrics, force=True)
        if metrics:
            self._ranks[step] = rank(metrics)

    def check(self) -> None:
        """Without waiting.

        Raises:
          RunFailed: the last save failed.
        """
        if not self._manager.is_saving_in_progress():
            self.wait()

    def wait(self) -> None:
        """Returns once everything is on disk.

        Raises:
          RunFailed: a save failed.
        """
        with self._failures():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits and lets go."""
        self.wait()
        self._manager.close()

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            self._manager.reload()  # it counts the failed one in
            kept = self.latest
            raise RunFailed(
                f"{self.folder}: a checkpoint could not be saved: {_reason(error)}; make room and run the same command "
                f"again, which {'starts anew' if kept is None else f'goes on from step {kept}'}"
            ) from error


def _reason(error: Exception) -> str:
    """What the operating system said, where Orbax wraps it, else the error's last line."""
    text = str(error).strip().splitlines()[-1]
    code = re.search(r"os_error_code='(\d+)'", text)
    number = int(code[1]) if code else getattr(error, "errno", None)
    return os.strerror(number) if number else text[:300]
