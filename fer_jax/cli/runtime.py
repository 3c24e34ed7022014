"""The process: environment of the libraries, devices, other hosts."""

import os
from pathlib import Path

# XLA's own convolution fusion is slower than Eigen's kernels on CPU (28 % of a ResNet18 step).
_CPU_FLAG = "--xla_cpu_experimental_ynn_fusion_type=-individual_convolution"
_ACCELERATORS = ("nvidia0", "accel0", "vfio/0", "kfd")


def start() -> None:
    """Sets the process up; call it before jax is imported for the first time.

    Several hosts: with JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID in the environment, or on a TPU
    pod or under Slurm with FER_JAX_DISTRIBUTED=1 (jax then finds the others itself).
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # it only feeds data; with it, it logs whatever the level
    if _cpu_only() and "xla_cpu_experimental_ynn_fusion_type" not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_CPU_FLAG}".strip()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fer_jax" / "xla"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    import jax

    from fer_jax.report import console

    if address := os.environ.get("JAX_COORDINATOR_ADDRESS"):
        count, index = (int(os.environ[name]) for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"))
        jax.distributed.initialize(address, count, index)
    elif os.environ.get("FER_JAX_DISTRIBUTED") == "1":
        jax.distributed.initialize()
    console.setup(speaks=jax.process_index() == 0)


def _cpu_only() -> bool:
    """Whether jax will run on the CPU, told without importing it."""
    if platforms := os.environ.get("JAX_PLATFORMS"):
        return platforms == "cpu"
    return not any(Path("/dev", name).exists() for name in _ACCELERATORS)
