"""Eight CPU devices for every test, and the fixtures that several folders use."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count=8 {os.environ.get('XLA_FLAGS', '')}"

FIXTURES = Path(__file__).parent / "parity" / "fixtures"


def pytest_addoption(parser):
    """`--parity-dir DIR`: other fixtures of the same recipe, DIR/<system>/<name>.json; systems may be missing."""
    parser.addoption("--parity-dir", type=Path, default=FIXTURES, help="parity fixtures (default: the copy kept here)")


@pytest.fixture
def parity_fixture(request):
    """(system, name) -> Fixture; a fixture that the folder lacks is skipped, by name."""
    from tests.parity.recipe import Fixture

    folder = request.config.getoption("--parity-dir")

    def load(system, name):
        path = folder / system / f"{name}.json"
        if not path.exists():
            pytest.skip(f"no {system}/{name}.json in {folder}")
        return Fixture(path)

    return load
