"""A run of two processes and the same run of one: the same parameters to float32 rounding."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fer_jax.report import record

ROOT = Path(__file__).parent.parent
FLAGS = [
    "--config=configs/tdgan.py:tiny",
    *(f"--config.model.{name}={value}" for name, value in {"width": 4, "noise": 2, "blocks": 1, "hidden": 8}.items()),
    *(f"--config.data.{name}={value}" for name, value in {"batch_size": 8, "image_size": 16}.items()),
    "--config.data.streams.expression.train_view.load_size=18",
    *(f"--config.run.{name}=2" for name in ("steps", "log_every", "eval_every", "sample_every", "sample_rows")),
]


def metrics(folder):
    return [{k: v for k, v in row.items() if not k.startswith("speed")} for row in record.read(folder)]


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path):
    environment = {**os.environ, "XLA_FLAGS": "", "TFDS_DATA_DIR": str(tmp_path / "tfds"), "PYTHON": sys.executable}
    one = [sys.executable, "-m", "fer_jax.main", *FLAGS, f"--workdir={tmp_path / 'one'}"]
    two = ["bash", "launch/local.sh", "2", *FLAGS, f"--workdir={tmp_path / 'two'}"]
    for command in (one, two):
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr[-3000:]
    alone, together = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert len(alone) == len(together) and len(alone) >= 2  # host 0 alone writes
    for a, b in zip(alone, together, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            if name != "kind":
                np.testing.assert_allclose(a[name], b[name], rtol=2e-3, err_msg=name)
