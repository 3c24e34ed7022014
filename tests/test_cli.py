"""Commands as a user runs them: a mistake is one line and exit status 2."""

import subprocess
import sys
import time

import pytest


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "fer_jax.main", *arguments], capture_output=True, text=True, timeout=60
    )


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


def test_help_is_quick():
    start = time.monotonic()
    done = run("--help")
    assert done.returncode == 0 and "--workdir" in done.stdout
    assert time.monotonic() - start < 10  # two seconds on a quiet machine
