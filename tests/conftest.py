"""Eight CPU devices for every test, and the fixtures that several folders use."""

import functools
import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
_cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fer_jax" / "tests"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_cache))  # several tests compile the same programs
# Compiling is most of what the tests do, so programs are compiled quickly, not well.
_FLAGS = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{_FLAGS} {os.environ.get('XLA_FLAGS', '')}"

FIXTURES = Path(__file__).parent / "parity" / "fixtures"


def pytest_addoption(parser):
    """`--parity-dir DIR`: other fixtures of the same recipe, DIR/<system>/<name>.json; systems may be missing."""
    parser.addoption("--parity-dir", type=Path, default=None, help="parity fixtures (default: the copy kept here)")
    parser.addoption("--slow", action="store_true", help="also run the tests of minutes each")
    parser.addoption(
        "--slow-part", type=part, default=None, metavar="K/N", help="run part K (from 1) of N of the slow tests alone"
    )


def part(text):
    """K/N as (K, N)."""
    number, total = map(int, text.split("/"))
    if not 1 <= number <= total:
        raise ValueError(text)
    return number, total


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "slow: takes minutes; run with --slow or --slow-part, and for fixtures given by --parity-dir"
    )


def pytest_collection_modifyitems(config, items):
    if chosen_part := config.getoption("--slow-part"):
        chosen = slow_part(items, *chosen_part)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
    elif not config.getoption("--slow"):
        given = config.getoption("--parity-dir")
        for item in items:
            if "slow" in item.keywords and not (given and "parity_fixture" in getattr(item, "fixturenames", ())):
                item.add_marker(pytest.mark.skip(reason="takes minutes: --slow runs it"))


def slow_part(items, number, total):
    """The slow tests of every `total`-th file that has any, from the `number`-th on, files in the order of names."""
    slow = [item for item in items if "slow" in item.keywords]
    files = sorted({str(item.path) for item in slow})
    chosen = set(files[number - 1 :: total])
    return [item for item in slow if str(item.path) in chosen]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """The TFDS folder of all micro runs."""
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(scope="session")
def uninterrupted(data_dir, tmp_path_factory):
    """(workdir, fields of config.run) of a config's micro run by the command line, from its start to its end."""
    from tests import micro

    run = {"steps": 6, "log_every": 1, "checkpoint_every": 1, "eval_every": 3, "sample_every": 6}

    @functools.cache
    def of(name):
        workdir = tmp_path_factory.mktemp("runs") / name
        micro.succeeds(data_dir, micro.flags(name, workdir, **run))
        return workdir, run

    return of


@pytest.fixture
def parity_fixture(request):
    """(system, name) -> Fixture; a fixture that the folder lacks is skipped, by name."""
    from tests.parity.recipe import Fixture

    folder = request.config.getoption("--parity-dir") or FIXTURES

    def load(system, name):
        path = folder / system / f"{name}.json"
        if not path.exists():
            pytest.skip(f"no {system}/{name}.json in {folder}")
        return Fixture(path)

    return load
