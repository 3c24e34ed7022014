import errno
import json
import os

import pytest

from fer_jax.core.config import changed
from fer_jax.core.errors import RunFailed, UsageError
from fer_jax.inference.run_folder import check
from fer_jax.systems.tdgan.config import Config
from fer_jax.train import workdir


def config(**changes):
    return changed(Config(), {"run.steps": 5, **changes})


def test_the_same_config_goes_on_and_another_is_refused_by_field(tmp_path):
    workdir.claim(tmp_path / "run", config())
    workdir.claim(tmp_path / "run", config(**{"run.steps": 9, "data.data_dir": "elsewhere"}))
    with pytest.raises(UsageError, match=r"optim\.lr \(0\.0001 there, 0\.01 now\)"):
        workdir.claim(tmp_path / "run", config(**{"optim.lr": 1e-2}))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["optim"]["lr"] == 1e-4


def test_only_a_run_that_begins_claims_the_folder(tmp_path):
    with workdir.admitted(tmp_path / "run", config(**{"optim.lr": 0.0})):
        assert not list((tmp_path / "run").iterdir())
    workdir.claim(tmp_path / "run", config())
    with (
        pytest.raises(UsageError, match="is a run of another config"),
        workdir.admitted(tmp_path / "run", config(**{"optim.lr": 0.0})),
    ):
        pytest.fail("admitted")


def test_a_run_that_is_refused_leaves_no_folder_of_its_own(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for folder in (tmp_path / "new", mine):
        with pytest.raises(UsageError, match="no such data"), workdir.admitted(folder, config()):
            raise UsageError("no such data")
    assert not (tmp_path / "new").exists() and mine.exists()


def test_a_full_disk_is_one_line_and_other_errors_are_bugs(tmp_path):
    with pytest.raises(RunFailed, match="No space left on device; make room"), workdir.writing(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(FileNotFoundError), workdir.writing(tmp_path):
        (tmp_path / "none").read_text()


def test_unwritable_and_missing_workdirs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        workdir.claim(tmp_path / "file" / "run", config())
    with pytest.raises(UsageError, match="train first"):
        check(tmp_path / "none", config())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        check(tmp_path, config())
