"""Checkpoints of a workdir, read; `fer_jax.train.checkpoint` writes them. These two alone touch Orbax."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from fer_jax.core.errors import UsageError
from fer_jax.core.state import NetState, TrainState
from fer_jax.inference.run_folder import CHECKPOINTS


class SavedCheckpoints:
    """The checkpoints below a workdir.

    Attributes:
      folder: where they lie.
    """

    def __init__(self, workdir: Path, *, read_only: bool = True):
        self.folder = workdir / CHECKPOINTS
        policies = [
            ocp.checkpoint_managers.LatestN(1),
            ocp.checkpoint_managers.BestN(get_metric_fn=rank, n=1, keep_checkpoints_without_metrics=False),
        ]
        options = ocp.CheckpointManagerOptions(
            best_fn=rank,  # without it metrics are not written
            preservation_policy=ocp.checkpoint_managers.AnyPreservationPolicy(policies),
            create=not read_only,
            read_only=read_only,
            cleanup_tmp_directories=not read_only,
        )
        self._manager = ocp.CheckpointManager(self.folder.absolute(), options=options, item_names=("state", "config"))
        metrics = {step: self._manager.metrics(step) for step in self._manager.all_steps()}
        self._ranks = {step: rank(found) for step, found in metrics.items() if found}

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

    def restore(self, step: int, template: TrainState) -> TrainState:
        """The state saved at `step`, laid out like `template` (shapes, dtypes, shardings).

        A template of a system without optimisers gets a state without theirs, which are not read.

        Raises:
          UsageError: it cannot be read, or holds other networks.
        """
        self._check_shapes(step, template)
        item = template if _has_optimisers(template) else _without_optimisers(template)
        arguments = ocp.args.PyTreeRestore(
            item=item, restore_args=ocp.checkpoint_utils.construct_restore_args(item), partial_restore=True
        )
        try:
            found = self._manager.restore(step, args=ocp.args.Composite(state=arguments))["state"]
        except (ValueError, KeyError, FileNotFoundError, TypeError) as error:
            reason = str(error).strip().splitlines()[0][:300]
            raise UsageError(f"{self.folder / str(step)}: cannot be restored: {reason}") from error
        left = [leaf for leaf in jax.tree.leaves(found) if not isinstance(leaf, jax.Array)]
        if left:
            raise UsageError(f"{self.folder / str(step)}: {len(left)} values are missing; it is of another network")
        if item is template:
            return found
        nets = {name: NetState(opt_state=(), **trees) for name, trees in found["nets"].items()}
        return TrainState(step=found["step"], nets=nets, extra=found["extra"])

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
        if not _has_optimisers(template):
            there = {name: shape for name, shape in there.items() if "/opt_state" not in name}
        for name in sorted(there.keys() | here.keys()):
            if there.get(name) != here.get(name):
                raise UsageError(
                    f"{folder}: cannot be restored: {name} has shape {there.get(name, 'none')} there, "
                    f"{here.get(name, 'none')} in this config's network"
                )


def _has_optimisers(state: TrainState) -> bool:
    return any(jax.tree.leaves(net.opt_state) for net in state.nets.values())


def _without_optimisers(state: TrainState) -> dict[str, Any]:
    """A state as plain trees, but for what its optimisers hold: Orbax leaves out what they do not name."""
    nets = {name: {"params": net.params, "stats": net.stats, "ema": net.ema} for name, net in state.nets.items()}
    return {"step": state.step, "nets": nets, "extra": state.extra}


def rank(metrics: Mapping[str, float]) -> tuple[float, int]:
    """What checkpoints are compared by: the selection metric, the earlier one of equals."""
    return metrics["selected"], -int(metrics["step"])
