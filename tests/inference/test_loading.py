"""Runs opened without a config file or any data set, and the weights that the package holds."""

import json
import shutil

import jax
import numpy as np
import pytest

from fer_jax.core.config import as_plain
from fer_jax.core.errors import UsageError
from fer_jax.inference import packed, run_folder
from fer_jax.inference.loading import PACKAGED, open_packed, open_run
from fer_jax.inference.variables import variables


def test_a_run_needs_no_data(tiny, loaded, monkeypatch):
    assert loaded.path == tiny.folder and loaded.step == 1 and loaded.spec.classes["identity"] == ("0", "1", "2")
    assert loaded.config == tiny.config and loaded.name == f"tdgan_{tiny.folder.name}"
    run_folder.check(tiny.folder, loaded.config)
    assert loaded.state.nets.keys() == tiny.state.nets.keys()
    jax.tree.map(np.testing.assert_array_equal, variables(loaded.state), variables(tiny.state))
    assert not any(jax.tree.leaves(net.opt_state) for net in loaded.state.nets.values())  # it is not trained on


def test_runs_that_cannot_be_opened(tiny, tmp_path):
    with pytest.raises(UsageError, match="no config.json"):
        open_run(tmp_path)
    with pytest.raises(UsageError, match="a run of tdgan; needed is one of dcgan, ganmut"):
        open_run(tiny.folder, only=("dcgan", "ganmut"))
    with pytest.raises(UsageError, match="no checkpoint of step 9; there are 1"):
        open_run(tiny.folder, step=9)
    shutil.copy(tiny.folder / "config.json", tmp_path)
    with pytest.raises(UsageError, match="no data.json"):
        open_run(tmp_path)
    shutil.copy(tiny.folder / "data.json", tmp_path)
    with pytest.raises(UsageError, match="no checkpoints"):
        open_run(tmp_path)
    (tmp_path / "data.json").write_text('{"image_size": 32}')
    with pytest.raises(UsageError, match="data.json: cannot be read"):
        open_run(tmp_path)
    (tmp_path / "config.json").write_text("[1")
    with pytest.raises(UsageError, match="config.json: cannot be read"):
        open_run(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**as_plain(tiny.config), "old_field": 1}))
    with pytest.raises(UsageError, match="config.old_field: there is no such field.*of another version: train anew"):
        open_run(tmp_path)


def pack(run, path, **about):
    """What scripts/pack.py writes of a workdir."""
    plain = {"config": as_plain(run.config), "spec": run_folder.read_spec(run.folder)._asdict(), "step": 1, **about}
    packed.write(path, plain, jax.device_get(variables(run.state)))
    return path


def test_packed_weights_are_the_runs_to_half_precision(tiny_classifier, tmp_path):
    tiny = tiny_classifier(1)
    opened, run = open_packed(pack(tiny, tmp_path / "mine.npz")), open_run(tiny.folder)
    assert opened.name == "classifier_mine" and opened.step == 1 and opened.spec == run.spec
    assert opened.config == run.config
    for mine, saved in zip(*(jax.tree.leaves(variables(one.state)) for one in (opened, run)), strict=True):
        np.testing.assert_array_equal(mine, np.asarray(saved).astype(np.float16).astype(np.float32))


def test_packed_weights_that_are_damaged(tiny_classifier, tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    for path in (
        tmp_path / "none.npz",
        tmp_path / "text.npz",
        pack(tiny_classifier(1), tmp_path / "spec.npz", spec={"image_size": 16}),
        pack(tiny_classifier(1), tmp_path / "step.npz", step=None),
    ):
        with pytest.raises(UsageError, match=f"{path.name}: cannot be read as packed weights"):
            open_packed(path)


def test_the_packages_own_model():
    """It is there, small, and a network of at most three million parameters for grey pictures of 48 pixels."""
    path = PACKAGED["fer2013"]
    opened = open_packed("fer2013")
    assert opened.path == path and path.stat().st_size < 8e6 and path.with_suffix(".md").exists()
    assert sum(leaf.size for leaf in jax.tree.leaves(opened.state.nets["net"].params)) <= 3_000_000
    assert (opened.spec.image_size, opened.spec.channels) == (48, 1)
    assert opened.spec.classes["expression"] == (
        "anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral",
    )  # fmt: skip
