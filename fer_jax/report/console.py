"""What a run prints: plain lines on stderr, ours and other libraries' warnings only."""

import logging as python_logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from absl import logging


class _Ours:
    """Lets through what this library says, and others' errors; but not Orbax's, which logs all that it raises."""

    def filter(self, record) -> bool:
        ours = "fer_jax" in record.pathname
        return ours or (record.levelno >= python_logging.ERROR and "orbax" not in record.pathname)


def setup(*, speaks: bool = True) -> None:
    """Plain log lines; only host 0 `speaks`, the others report errors."""
    handler = logging.get_absl_handler()
    handler.setFormatter(python_logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    handler.addFilter(_Ours())
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO if speaks else logging.ERROR)
    sys.unraisablehook = _unraisable


def _unraisable(what) -> None:
    """Prints it, but not a failed save's: tensorstore goes on talking to an event loop that Orbax has closed."""
    if str(what.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(what)


class Clock:
    """Speed since the last report, time waited for data, and what is left of the run."""

    def __init__(self, step: int, total: int, batch_size: int):
        self._total, self._batch = total, batch_size
        self._started_at = self._step = step
        self._waited = 0.0
        self._since = self._start = time.monotonic()

    def waited(self, seconds: float) -> None:
        """Adds time spent waiting for the input pipeline."""
        self._waited += seconds

    def pause(self, seconds: float) -> None:
        """Takes time out of the speed: an evaluation, a sample sheet."""
        self._since += seconds

    def report(self, step: int) -> dict[str, float]:
        """examples_per_second and data_wait (share of the time) since the last report, eta_seconds.

        The last goes by the slower of all steps so far, pauses included, and of those since the last report: most
        systems start with steps that cost less than the others.
        """
        now = time.monotonic()
        seconds, steps = max(now - self._since, 1e-9), step - self._step
        whole = (now - self._start) / max(step - self._started_at, 1)
        slower = max(whole, seconds / max(steps, 1))
        figures = {
            "examples_per_second": steps * self._batch / seconds,
            "data_wait": min(self._waited / seconds, 1.0),
            "eta_seconds": slower * (self._total - step),
        }
        self._since, self._step, self._waited = now, step, 0.0
        return figures


def line(step: int, total: int, values: Mapping[str, float], speed: Mapping[str, float]) -> str:
    """One console line of training."""
    terms = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
    rate = f"{speed['examples_per_second']:.0f} examples/s, data wait {100 * speed['data_wait']:.0f} %"
    return f"step {step}/{total}  {terms}  [{rate}, ETA {duration(speed['eta_seconds'])}]"


def duration(seconds: float) -> str:
    """1:05:09, or 5:09 below an hour."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def log_figures(title: str, figures: dict[str, Any]) -> None:
    """Logs a line for each group of figures."""
    for name, values in figures.items():
        numbers = ", ".join(f"{k} {v:.4f}" for k, v in values.items() if isinstance(v, float))
        logging.info("%s: %s: %s (%d pictures)", title, name, numbers, values.get("examples", 0))
