"""How long a training step of a config takes on this machine, and how long until the first one is done.

python -m benchmarks.step_time --config=configs/tdgan.py:tiny --steps=10

For each phase (combination of networks that a step updates): its share of the run's steps, seconds to trace and to
compile, the median of the step's seconds, examples/s, and what XLA counts as its GFLOP. Other programs distort all of
it, so the load average is printed; a second run finds its programs in the compile cache (--nocache compiles them anew).
"""

import time

BEGIN = time.monotonic()

import collections  # noqa: E402 - the imports are part of what is timed
import os  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

from absl import flags  # noqa: E402
from ml_collections import config_flags  # noqa: E402

from fer_jax.cli import common  # noqa: E402
from fer_jax.cli.command import call  # noqa: E402

COLUMNS = ("share", "trace s", "compile s", "step s", "examples/s", "GFLOP", "GFLOP/s")


class Timing(NamedTuple):
    """Times of one phase, in seconds; `first_done` counts from the start of this program."""

    trace: float
    compilation: float
    first_done: float
    step: float
    gflop: float


def define_flags() -> None:
    """The flags."""
    config_flags.DEFINE_config_file("config", None, "Config file, with its variant after a colon.", lock_config=True)
    flags.DEFINE_integer("steps", 10, "Timed steps of each phase.", lower_bound=1)
    flags.DEFINE_bool("cache", True, "Take programs from the compile cache.")


def measure(runner: Any, phase: Any, state: Any, batches: Any, steps: int) -> tuple[Any, Timing]:
    """The state after one step and `steps` timed ones, and how long all took."""
    import jax

    batch = runner.to_devices(next(batches))
    begin = time.monotonic()
    lowered = runner.train_step(phase).lower(state, batch, runner.key)
    traced = time.monotonic()
    program = lowered.compile()
    compiled = time.monotonic()
    seconds, ends = [], []
    for _ in range(steps + 1):
        start = time.monotonic()
        state = jax.block_until_ready(program(state, batch, runner.key))[0]
        ends.append(time.monotonic())
        seconds.append(ends[-1] - start)
        batch = runner.to_devices(next(batches))
    gflop = (program.cost_analysis() or {}).get("flops", 0) / 1e9
    step = statistics.median(seconds[1:])
    return state, Timing(traced - begin, compiled - traced, ends[0] - BEGIN, step, gflop)


def run() -> None:
    """Measures every phase and prints one line for it."""
    given = flags.FLAGS
    config = common.config()
    from fer_jax.cli import runtime

    runtime.start()
    import jax

    from fer_jax.core.schedules import total_steps
    from fer_jax.data.opening import open_data
    from fer_jax.systems.building import build
    from fer_jax.train.mesh import Trainer

    if not given.cache:
        jax.config.update("jax_enable_compilation_cache", False)
    data = open_data(config)
    runner, size = Trainer(build(config, data.spec), config.seed), config.data.batch_size
    total = min(total_steps(config.run, data.plan.steps_per_epoch), 10_000)
    phases = collections.Counter(runner.system.phase(step) for step in range(total))
    batches = data.train(0, len(phases) * (given.steps + 2))
    about = f"{size} examples a step, {jax.device_count()} x {jax.devices()[0].device_kind}, {os.cpu_count()} cores"
    print(f"{config_flags.get_config_filename(given['config'])}, {about}, load {os.getloadavg()[0]:.1f}")
    print("".join(f"{column:>12}" for column in COLUMNS), " phase")
    state, first, mean = runner.init(), 0.0, 0.0
    for phase, count in phases.items():
        state, took = measure(runner, phase, state, batches, given.steps)
        first, mean = first or took.first_done, mean + count / total * took.step
        speeds = (size / took.step, took.gflop, took.gflop / took.step)
        figures = (count / total, took.trace, took.compilation, took.step, *speeds)
        print("".join(f"{figure:>12.3g}" for figure in figures), f" {phase}", flush=True)
    print(f"all phases: {mean:.3g} s a step, {size / mean:.3g} examples/s", end="; ")
    print(f"the first step was done {first:.1f} s after the start; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    define_flags()
    call(run, sys.argv)
