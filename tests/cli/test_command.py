"""Commands as a user runs them: a mistake is one line and exit status 2."""

import subprocess
import sys

import pytest

SLOW_IMPORTS = {"flax", "jax", "matplotlib", "orbax", "scipy", "sklearn", "tensorflow", "tensorflow_datasets"}


def run(*arguments, options=()):
    command = [sys.executable, *options, "-m", "fer_jax.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--config: missing"),
        (["--config=configs/none.py"], "configs/none.py"),
        (["--config=configs/tdgan.py:huge"], "no variant 'huge'; have"),
        (["--config=configs/tdgan.py:tiny", "--config.optim.rate=1"], "rate"),
        (["--config=configs/tdgan.py:tiny", "--config.optim.lr=fast"], "fast"),
        (["--config=configs/tdgan.py:tiny", "--mode=dance"], "dance"),
        (["--config=configs/tdgan.py:tiny", "stray"], "stray"),
    ],
)
def test_mistakes_are_one_line(arguments, said, tmp_path):
    done = run(*arguments, *([f"--workdir={tmp_path / 'run'}"] if arguments else []))
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and len(done.stderr.strip().splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / "run").exists()


def test_help():
    done = run("--help")
    assert done.returncode == 0 and not done.stderr
    assert all(f"  --{name}: " in done.stdout for name in ("config", "mode", "split", "step", "workdir"))


@pytest.mark.parametrize("arguments", [["--help"], ["--config=configs/tdgan.py:tiny", "--config.optim.rate=1"]])
def test_help_and_config_errors_wait_for_no_slow_import(arguments):
    report = run(*arguments, options=["-X", "importtime"]).stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in report.splitlines()}
    assert {"fer_jax", "ml_collections"} < imported
    assert not imported & SLOW_IMPORTS
