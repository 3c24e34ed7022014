"""Checkpoints of a workdir. The only module that touches Orbax.

Two are kept: the last one, to go on from, and the best one by the metric that the run selects by. Saving is
asynchronous and atomic: a checkpoint that could not be written whole does not exist.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from fer_jax.core.errors import RunFailed, UsageError
from fer_jax.core.state import TrainState

FOLDER = "checkpoints"


class Checkpoints:
    """The checkpoints below a workdir.

    Attributes:
      folder: where they lie.
    """

    def __init__(self, workdir: Path, *, read_only: bool = False):
        self.folder = workdir / FOLDER
        policies = [
            ocp.checkpoint_managers.LatestN(1),
            ocp.checkpoint_managers.BestN(get_metric_fn=_rank, n=1, keep_checkpoints_without_metrics=False),
        ]
        options = ocp.CheckpointManagerOptions(
            best_fn=_rank,  # without it metrics are not written
            preservation_policy=ocp.checkpoint_managers.AnyPreservationPolicy(policies),
            create=not read_only,
            read_only=read_only,
            cleanup_tmp_directories=not read_only,
        )
        self._manager = ocp.CheckpointManager(self.folder.absolute(), options=options, item_names=("state", "config"))
        metrics = {step: self._manager.metrics(step) for step in self._manager.all_steps()}
        self._ranks = {step: _rank(found) for step, found in metrics.items() if found}

    @property
    def latest(self) -> int | None:
        """Step of the newest checkpoint."""
        return self._manager.latest_step()

    @property
    def best(self) -> int | None:
        """Step of the checkpoint with the best selection metric, the earlier one of equals; None if none has one."""
        return max(self._ranks, key=self._ranks.__getitem__) if self._ranks else None

    def choose(self, step: int | None = None) -> int:
        """The step asked for; without one the best, or where nothing was selected the newest.

        Raises:
          UsageError: there is no such checkpoint.
        """
        steps = sorted(self._manager.all_steps())
        if not steps:
            raise UsageError(f"{self.folder}: no checkpoint there yet; train first (--mode=train)")
        if step is not None and step not in steps:
            raise UsageError(f"{self.folder}: no checkpoint of step {step}; there are {', '.join(map(str, steps))}")
        if step is None:
            step = self.best
        return steps[-1] if step is None else step

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
            self._ranks[step] = _rank(metrics)

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

    def restore(self, step: int, template: TrainState) -> TrainState:
        """The state saved at `step`, laid out like `template` (shapes, dtypes, shardings).

        Raises:
          UsageError: it cannot be read, or holds other networks.
        """
        self._check_shapes(step, template)
        arguments = ocp.args.PyTreeRestore(
            item=template, restore_args=ocp.checkpoint_utils.construct_restore_args(template)
        )
        try:
            state = self._manager.restore(step, args=ocp.args.Composite(state=arguments))["state"]
        except (ValueError, KeyError, FileNotFoundError, TypeError) as error:
            reason = str(error).strip().splitlines()[0][:300]
            raise UsageError(f"{self.folder / str(step)}: cannot be restored: {reason}") from error
        left = [leaf for leaf in jax.tree.leaves(state) if not isinstance(leaf, jax.Array)]
        if left:
            raise UsageError(f"{self.folder / str(step)}: {len(left)} values are missing; it is of another network")
        return state

    def _check_shapes(self, step: int, template: TrainState) -> None:
        """Compares with what was saved before anything is read."""
        folder = self.folder / str(step) / "state"
        try:
            saved = ocp.PyTreeCheckpointer().metadata(folder.absolute()).item_metadata.tree
        except (OSError, ValueError, AttributeError) as error:
            raise UsageError(f"{folder}: cannot be restored: {str(error).strip().splitlines()[0][:300]}") from error
        there, here = (
            {jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape) for path, leaf in leaves}
            for leaves, _ in map(jax.tree_util.tree_flatten_with_path, (saved, template))
        )
        for name in sorted(there.keys() | here.keys()):
            if there.get(name) != here.get(name):
                raise UsageError(
                    f"{folder}: cannot be restored: {name} has shape {there.get(name, 'none')} there, "
                    f"{here.get(name, 'none')} in this config's network"
                )

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


def _rank(metrics: Mapping[str, float]) -> tuple[float, int]:
    return metrics["selected"], -int(metrics["step"])
