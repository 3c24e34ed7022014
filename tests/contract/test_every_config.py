"""Every config is under contract: new systems join by a file here."""

import importlib

import pytest

from tests.contract.cases import Contract
from tests.micro import config_names


@pytest.mark.parametrize("name", config_names())
def test_has_its_contract(name):
    module = importlib.import_module(f"tests.contract.test_{name}")
    contracts = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Contract)]
    assert name in [getattr(contract, "config", None) for contract in contracts]
