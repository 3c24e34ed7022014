"""How long a training step of a config takes on this machine, and how long until the first one is done.

python benchmarks/step_time.py --config=configs/tdgan.py:tiny --steps=10

For each phase (combination of networks that a step updates): its share of the run's steps, seconds to trace and to
compile, the median of the step's seconds, examples/s, and what XLA counts as its GFLOP. Other programs distort all of
it, so the load average is printed; a second run finds its programs in the compile cache (--no-cache leaves that out).
"""

import time

BEGIN = time.monotonic()

import argparse  # noqa: E402 - the imports are part of what is timed
import collections  # noqa: E402
import importlib.util  # noqa: E402
import os  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any, NamedTuple  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))
COLUMNS = ("share", "trace s", "compile s", "step s", "examples/s", "GFLOP", "GFLOP/s")


class Timing(NamedTuple):
    """Of one phase; `first_done` counts from the start of this program."""

    trace: float
    compilation: float
    first_done: float
    step: float
    gflop: float


def arguments() -> argparse.Namespace:
    """The flags, with the config loaded."""
    about, style = (__doc__ or "").splitlines()[0], argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=about, formatter_class=style)
    parser.add_argument("--config", default="configs/tdgan.py:tiny", help="config file, with its variant after a colon")
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each phase")
    parser.add_argument("--no-cache", action="store_true", help="compile anew")
    given = parser.parse_args()
    path, _, variant = given.config.partition(":")
    spec = importlib.util.spec_from_file_location("config", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        parser.error(f"--config: there is no config file {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        given.loaded = module.get_config(*filter(None, [variant])).lock()
    except ValueError as error:
        parser.error(str(error))
    return given


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


def main() -> None:
    """Measures every phase and prints one line for it."""
    given = arguments()
    from fer_jax import runtime

    runtime.start()
    import jax

    from fer_jax import systems
    from fer_jax.data import open_data
    from fer_jax.train.shard import Runner

    if given.no_cache:
        jax.config.update("jax_enable_compilation_cache", False)
    data = open_data(given.loaded)
    runner, size = Runner(systems.build(given.loaded, data.spec), given.loaded.seed), given.loaded.data.batch_size
    run = given.loaded.run
    total = min(run.steps or run.epochs * data.plan.steps_per_epoch, 10_000)
    phases = collections.Counter(runner.system.phase(step) for step in range(total))
    batches = data.train(0, len(phases) * (given.steps + 2))
    about = f"{size} examples a step, {jax.device_count()} x {jax.devices()[0].device_kind}, {os.cpu_count()} cores"
    print(f"{given.config}, {about}, load {os.getloadavg()[0]:.1f}")
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
    main()
