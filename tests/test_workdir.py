import json

import pytest
from ml_collections import ConfigDict

from fer_jax import workdir
from fer_jax.errors import UsageError


def config(**changes):
    return ConfigDict({"system": "x", "optim": {"lr": 1e-4}, "run": {"steps": 5}, "data": {"data_dir": ""}} | changes)


def test_the_same_config_goes_on_and_another_is_refused_by_field(tmp_path):
    workdir.claim(tmp_path / "run", config())
    workdir.claim(tmp_path / "run", config(run={"steps": 9}, data={"data_dir": "elsewhere"}))
    with pytest.raises(UsageError, match=r"optim\.lr \(0\.0001 there, 0\.01 now\)"):
        workdir.claim(tmp_path / "run", config(optim={"lr": 1e-2}))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["optim"]["lr"] == 1e-4


def test_unwritable_and_missing_workdirs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        workdir.claim(tmp_path / "file" / "run", config())
    with pytest.raises(UsageError, match="train first"):
        workdir.check(tmp_path / "none", config())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        workdir.check(tmp_path, config())
