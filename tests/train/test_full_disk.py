"""A disk that is full when a checkpoint is written, by a process of its own."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from fer_jax.train.checkpoint import Checkpoints
from tests import disks
from tests.train.test_checkpoint import template

ROOT = Path(__file__).parents[2]
SAVE = """
import sys
from pathlib import Path

import jax

from fer_jax.cli.command import call
from fer_jax.report import console
from fer_jax.train.checkpoint import Checkpoints
from tests.train.test_checkpoint import state


def main():
    console.setup()
    checkpoints = Checkpoints(Path(sys.argv[1]))
    checkpoints.save(state(1.0), {}, 1)
    checkpoints.save(state(jax.random.normal(jax.random.key(0), (2, 500_000)), 500_000), {}, 2)  # 4 MB, random
    checkpoints.wait()


call(main, ["save"])
"""


def save(before, folder):
    return subprocess.run([*before, sys.executable, "-c", SAVE, folder], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("kind", "reason"), [("disk", "No space left on device"), ("file size limit", "File too large")]
)
def test_one_line_and_the_earlier_checkpoint_goes_on(kind, reason, tmp_path):
    if kind == "disk":
        before, place, folder = disks.small(tmp_path, "2m")
    else:
        before, place, folder = ["prlimit", "--fsize=1000000"], tmp_path, tmp_path
    done = save(before, place)
    assert done.returncode == 1
    said = f"a checkpoint could not be saved: {reason}; make room and run the same command again, which goes on from"
    assert done.stderr == f"error: {place / 'checkpoints'}: {said} step 1\n"
    checkpoints = Checkpoints(folder)
    assert checkpoints.latest == 1
    restored = checkpoints.restore(1, template())
    np.testing.assert_array_equal(restored.nets["net"].params["kernel"], 1.0)
    checkpoints.save(jax.tree.map(lambda x: x + 1, restored), {}, 2)
    checkpoints.close()
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["2"]  # nothing of the failed one is left
