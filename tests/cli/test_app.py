"""`fer-jax`, the console command: its sub-commands as a user runs them."""

import importlib
import inspect
import re
import subprocess
import sys

import pytest

import fer_jax
from fer_jax.cli.app import COMMANDS

SLOW_IMPORTS = {"flax", "jax", "matplotlib", "orbax", "scipy", "sklearn", "tensorflow", "tensorflow_datasets"}
WITHOUT_WORKDIR = ("adjacency", "download-images", "labels", "prepare")
WITH_CONFIG = (
    "adjacency", "augment", "compare", "cross-validate", "import-torch", "labels", "per-expression", "prepare", "train",
    "tune",
)  # fmt: skip
ASKED = ("adjacency", "cross-validate", "import-torch", "interpolate", "predict", "prepare", "transfer")


def call(*arguments, cwd=None, options=()):
    command = [sys.executable, *options, "-m", "fer_jax", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


def refused(done):
    """The one line of a user's mistake."""
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("error: ").strip()


def test_help_lists_the_commands():
    done = call("--help")
    assert done.returncode == 0 and not done.stderr
    assert re.findall(r"^  ([a-z-]+)  ", done.stdout, re.M) == list(COMMANDS)
    assert call().stdout == done.stdout == call("help").stdout


def test_version():
    assert call("--version").stdout == f"{fer_jax.__version__}\n" == call("version").stdout


def test_a_command_that_there_is_not():
    text = refused(call("dance"))
    assert text.startswith("dance: no such command; there are train, eval, ") and "import-torch" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name):
    done = call(name, "--help")
    assert done.returncode == 0 and not done.stderr
    assert ("--workdir" in done.stdout) == (name not in WITHOUT_WORKDIR)
    assert ("--config: " in done.stdout) == (name in WITH_CONFIG)
    assert f"fer-jax {name}" in done.stdout and done.stdout.count("efault: ") >= 1


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_that_are_given_names_take_them(name):
    module = importlib.import_module(f"fer_jax.cli.{name.replace('-', '_')}")
    takes = bool(inspect.signature(module.run).parameters)
    assert takes == getattr(module, "TAKES_NAMES", False) and callable(module.define_flags)


@pytest.mark.parametrize("name", ASKED)
def test_bad_usage(name):
    assert "nonsense" in refused(call(name, "--nonsense=1"))
    refused(call(name))


def test_an_unknown_field_names_the_nearest():
    done = call("train", "--config=tdgan.py:tiny", "--config.optim.learning_rate=1")
    assert refused(done) == "--config.optim.learning_rate: there is no such field; did you mean lr?"
    assert "did you mean batch_size?" in refused(call("train", "--config=tdgan.py:tiny", "--config.data.batchsize=1"))


def test_a_config_is_found_by_its_name_from_anywhere(tmp_path):
    """What comes after it is wrong: nothing is trained."""
    for name in ("tdgan.py:tiny", "configs/tdgan.py:tiny"):
        done = call("train", f"--config={name}", "--config.precision=float16", cwd=tmp_path)
        assert "float16" in refused(done) and "no file" not in done.stderr
    assert "no variant 'huge'" in refused(call("train", "--config=tdgan.py:huge", cwd=tmp_path))
    assert not list(tmp_path.iterdir())


def test_ones_own_config_comes_before_the_librarys(tmp_path):
    (tmp_path / "tdgan.py").write_text("def get_config():\n    raise ValueError('mine')\n")
    assert refused(call("train", "--config=tdgan.py", cwd=tmp_path)) == "--config: mine"


def test_a_config_that_there_is_not_lists_those_that_there_are(tmp_path):
    for name in ("none.py", "configs/none.py:tiny", "elsewhere/tdgan.py"):
        text = refused(call("train", f"--config={name}", cwd=tmp_path))
        assert f"there is no file {name.partition(':')[0]}; this library has " in text and "tdgan.py" in text


def test_names_stand_among_the_flags():
    """Names before and behind a flag are taken; a command that takes none refuses them."""
    assert refused(call("predict", "a.png", "--workdir=/no/such", "b.png")).startswith(
        "--workdir /no/such: no config.json"
    )
    assert "unexpected argument 'a.png'" in refused(call("generate", "a.png"))


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["train", "--config=tdgan.py", "--config.a=1"]])
def test_help_and_config_errors_wait_for_no_slow_import(arguments):
    report = call(*arguments, options=["-X", "importtime"]).stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in report.splitlines()}
    assert "fer_jax" in imported and not imported & SLOW_IMPORTS


def test_importing_the_package_is_light():
    code = "import sys, fer_jax; print(sorted({'jax', 'numpy', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
