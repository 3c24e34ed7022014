"""A folder of one's own pictures with a damaged one among them, by the command line."""

import subprocess

import numpy as np
import pytest
from PIL import Image

from fer_jax.rendered.data_set import EXPRESSIONS
from tests import micro

RUN = {"steps": 1, "log_every": 1, "eval_every": 1}


@pytest.fixture
def pictures(tmp_path):
    """Twelve noisy pictures of every expression, one of which ends too early."""
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    for name in EXPRESSIONS:
        (folder / name).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(rng.integers(0, 256, (20, 16, 3), np.uint8)).save(folder / name / f"{number}.png")
    bad = folder / EXPRESSIONS[2] / "4.png"
    bad.write_bytes(bad.read_bytes()[:300])
    return folder


def test_a_damaged_picture_is_named_and_nothing_left_behind(pictures, data_dir, tmp_path):
    command = micro.flags(f"tdgan@{pictures}", tmp_path / "run", **RUN)
    done = subprocess.run(**micro.process(data_dir, command), capture_output=True)
    errors = [line for line in done.stderr.splitlines() if "preparing" not in line]
    assert done.returncode == 2 and len(errors) == 1, done.stderr
    assert errors[0].startswith(f"error: {pictures}: {EXPRESSIONS[2]}/4.png: it cannot be decoded: ")
    assert errors[0].endswith("leave such pictures out by skip_bad")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow  # it trains: the step is traced, and compiled or loaded
def test_the_corrected_command_leaves_it_out_and_trains(pictures, data_dir, tmp_path):
    command = micro.flags(f"tdgan@{pictures}", tmp_path / "run", **RUN)
    assert subprocess.run(**micro.process(data_dir, command), capture_output=True).returncode == 2
    said = micro.succeeds(data_dir, [*command, "--config.data.skip_bad"])
    assert f"image_folder: train: left out 1 bad pictures: ['{EXPRESSIONS[2]}/4.png']" in said
    assert [(row["step"], row["kind"]) for row in micro.rows(tmp_path / "run")] == [(1, "train"), (1, "eval")]
