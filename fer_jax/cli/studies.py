"""An Optuna study in a folder: opened or gone on with, searched by one process at a time or by its workers."""

import collections
import contextlib
import fcntl
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_jax.core.errors import UsageError

FINGERPRINT = "fingerprint"  # attribute of a study: what its trials have in common
STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING")
_WORKDIR = "workdir"  # attribute of a trial: where it runs
_LOCK, _DATABASE, _JOURNAL = "tune.lock", "study.db", ".log"


def import_optuna() -> Any:
    """Optuna, an extra of this package.

    Raises:
      UsageError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UsageError("tune: needs Optuna, which is not installed: pip install fer_jax[tune]") from error
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[int]:
    """Holds the folder for this command and its workers; yields the file descriptor that they inherit.

    The system lets go of it when all of them have ended, however they did.

    Raises:
      UsageError: another one holds it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(f"--workdir {folder}: cannot be written: {error.strerror or error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError:
        raise UsageError(f"--workdir {folder}: is being tuned in by another process; wait for it, or end it") from None
    finally:
        os.close(descriptor)


def open_storage(name: str, folder: Path) -> Any:
    """Where the study is kept: a URL of a database, or a file, a journal if it ends in .log; "" = in the folder.

    Raises:
      UsageError: it cannot be opened.
    """
    optuna = import_optuna()
    name = name or str(folder / _DATABASE)
    try:
        if name.endswith(_JOURNAL):  # for folders on the network, where SQLite's locks do not work
            return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(name))
        if "://" not in name:
            # Other workers' writes take milliseconds, but several may be waited for.
            return optuna.storages.RDBStorage(f"sqlite:///{name}", engine_kwargs={"connect_args": {"timeout": 60}})
        return optuna.storages.RDBStorage(name)
    except Exception as error:  # SQLAlchemy's, drivers' and files' are of many kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"--storage {name}: cannot be opened: {reason}") from error


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields by their dotted names."""
    values: dict[str, Any] = {}
    for name, value in tree.items():
        values |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return values


def open_study(
    storage: Any, name: str, fingerprint: Mapping[str, Any], *, direction: str, seed: int = 0, worker: int = 0
) -> Any:
    """The study of that name, a new one or one to go on with.

    Args:
      storage: as `open_storage` opens it.
      name: of the study.
      fingerprint: what its trials have in common.
      direction: "minimize" or "maximize".
      seed: of what the sampler draws.
      worker: number of this process; each draws its own.

    Raises:
      UsageError: it is one of another fingerprint; the differing fields are named.
    """
    optuna = import_optuna()
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction=direction,
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
    )
    mine, theirs = flat(fingerprint), study.user_attrs.get(FINGERPRINT)
    if theirs is None:
        study.set_user_attr(FINGERPRINT, mine)
    elif differing := sorted(n for n in mine.keys() | theirs.keys() if mine.get(n, "-") != theirs.get(n, "-")):
        shown = ", ".join(f"{n} ({theirs.get(n, '-')} there, {mine.get(n, '-')} now)" for n in differing[:5])
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise UsageError(f"study {name}: is one of another space or config: {shown}{more}; name another --workdir")
    # Anew for each start: a study that goes on must not draw its first trials again.
    drawn = np.random.SeedSequence([seed, worker, len(study.trials)]).generate_state(1)[0]
    study.sampler = optuna.samplers.TPESampler(seed=int(drawn))
    return study


def fail_interrupted(study: Any, here: str) -> int:
    """Counts trials of this folder as failed that still run: none of its processes does. Returns how many."""
    optuna = import_optuna()
    running = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    interrupted = [trial for trial in running if trial.user_attrs.get(_WORKDIR, here) == here]
    for trial in interrupted:
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return len(interrupted)


def counts(study: Any) -> dict[str, int]:
    """Trials by state."""
    found = collections.Counter(trial.state.name for trial in study.get_trials(deepcopy=False))
    return {state: found[state] for state in STATES}


def search(study: Any, objective: Callable[[Any], float], trials: int, timeout: float | None, here: str) -> None:
    """Runs trials until the study has so many finished ones, or the seconds are over (the last one is ended)."""
    optuna = import_optuna()
    finished = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    if len(study.get_trials(deepcopy=False, states=finished)) >= trials:
        return

    def one(trial: Any) -> float:
        trial.set_user_attr(_WORKDIR, here)
        return objective(trial)

    enough = optuna.study.MaxTrialsCallback(trials, states=finished)
    study.optimize(one, timeout=timeout, callbacks=[enough], gc_after_trial=True)
