"""The reference's six files in and out: names, bits, what is refused, and the message of it."""

import json
import os
import pickle
import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from fer_jax.cli import import_torch, scoring
from fer_jax.cli.command import call
from fer_jax.core.config import changed
from fer_jax.core.errors import UsageError
from fer_jax.inference.loading import open_run
from fer_jax.inference.variables import variables
from fer_jax.interop.torch_file import load_state_dict, save_state_dict
from fer_jax.systems.tdgan import torch as interop
from tests.typed import typed

FIXTURES = Path(__file__).parents[1] / "parity" / "fixtures" / "tdgan"


@pytest.fixture(scope="module")
def weights(tiny, tmp_path_factory):
    """The six files, exported from the tiny workdir."""
    folder = tmp_path_factory.mktemp("weights")
    assert sorted(path.name for path in import_torch.export_weights(tiny.folder, folder)) == sorted(interop.FILES)
    return folder


def copied(weights, tmp_path, **changes):
    """A copy of the files; `Dis_FR=f` changes that file's state dict by f, None removes it."""
    folder = Path(shutil.copytree(weights, tmp_path / "changed"))
    for name, change in changes.items():
        path = folder / f"{name}.pkl"
        if change is None:
            path.unlink()
        else:
            save_state_dict(path, change(load_state_dict(path)))
    return folder


@pytest.mark.parametrize(
    ("file", "manifest", "prefix"),
    [
        ("Enc_FR_G", "gen", "enc_FR."),
        ("Enc_ER_G", "gen", "enc_ER."),
        ("fc_ER_G", "gen", "fc_ER."),
        ("dec", "gen", "dec."),
        ("Dis_FR", "dis_fr", ""),
        ("Dis_ER", "dis_er", ""),
    ],
)
def test_names_are_the_references(weights, file, manifest, prefix):
    names = [name for name, _ in json.loads((FIXTURES / f"{manifest}.json").read_text())["tensors"]]
    names = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    names = {name for name in names if not re.match(r"emb2\.[1-9]", name)}  # one block here
    assert set(load_state_dict(weights / f"{file}.pkl")) == names


@pytest.fixture(scope="module")
def imported(tiny, weights, tmp_path_factory):
    """(config, workdir) of the files, with a moving average."""
    config, folder = changed(tiny.config, {"ema_decay": 0.9}), tmp_path_factory.mktemp("imported")
    assert import_torch.import_weights(config, weights, folder) == ["dis_er", "dis_fr", "er_head", "gen"]
    return config, folder


def optimisers(config, folder):
    """Their states in the checkpoint, which training starts from."""
    from fer_jax.inference.checkpoints import SavedCheckpoints
    from fer_jax.inference.run_folder import read_spec
    from fer_jax.train.mesh import Trainer
    from tests.typed import build

    template = Trainer(build(config, read_spec(folder)), 0).abstract_state()
    state = SavedCheckpoints(folder).restore(0, template)
    found = {name: net.opt_state for name, net in state.nets.items()}
    assert jax.tree.leaves(found)
    return found


def test_round_trip(tiny, weights, imported, tmp_path):
    """Export, import, export: the same bits."""
    config, folder = imported
    trained = open_run(folder)
    assert trained.step == 0 and int(trained.state.step) == 0
    for name, net in trained.state.nets.items():
        jax.tree.map(np.testing.assert_array_equal, net.params, tiny.state.nets[name].params)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(optimisers(config, folder)))
    gen = trained.state.nets["gen"]
    jax.tree.map(np.testing.assert_array_equal, gen.params, gen.ema)
    for path in interop.write(tmp_path, variables(trained.state)):
        assert path.read_bytes() == (weights / path.name).read_bytes()
    with pytest.raises(UsageError, match="holds checkpoints already"):
        import_torch.import_weights(config, weights, folder)


def test_evaluates(imported):
    """`fer-jax eval` restores it."""
    config, folder = imported
    scoring.evaluate_run(config, folder, step=None, split="test")
    figures = json.loads((folder / "eval" / "test.json").read_text())
    assert figures["step"] == 0 and figures["m_er"]["examples"] == 7


def test_the_demos_download_lacks_one(tiny, weights, tmp_path):
    templates = variables(tiny.state)
    found = interop.read(copied(weights, tmp_path, Dis_FR=None), tiny.config, templates)
    assert sorted(found) == ["dis_er", "er_head", "gen"]


@pytest.mark.slow  # compiling the initialisation of one network takes half a minute
def test_what_is_lacking_starts_from_scratch(tiny, weights, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(import_torch.logging, "warning", lambda text, *values: said.append(text % values))
    folder = copied(weights, tmp_path, Dis_FR=None)
    assert import_torch.import_weights(tiny.config, folder, tmp_path / "w") == ["dis_er", "er_head", "gen"]
    assert said[-1:] == [f"dis_fr: no weights in {folder}; it starts from scratch"]
    # N(0, 0.02) at the published 1024 inputs; of the 16 here the output varies as much.
    fresh = open_run(tmp_path / "w").state.nets["dis_fr"].params
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(fresh))
    assert float(np.std(fresh["fc"]["fc2"]["linear"]["kernel"])) == pytest.approx(0.02 * (1024 / 16) ** 0.5, rel=0.2)


def test_statistics_of_old_torch_are_dropped(tiny, weights, tmp_path):
    def add(tensors):
        return {**tensors, "conv1.0.bn.running_mean": np.zeros(4, np.float32)}

    templates = variables(tiny.state)
    interop.read(copied(weights, tmp_path, Enc_FR_G=add), tiny.config, templates)


def grown(name, axis, count=1):
    return lambda tensors: {**tensors, name: np.repeat(tensors[name], count + 1, axis)}


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        ("Enc_FR_G", grown("conv1.0.conv.weight", 1, 2), r"give --config.data.channels=3 \(it is 1\)"),
        ("Enc_FR_G", grown("conv1.0.conv.weight", 0), r"--config.model.width=8 \(it is 4\)"),
        ("fc_ER_G", grown("fc1.weight", 0), r"--config.model.hidden=32"),
        ("fc_ER_G", grown("fc1.weight", 1, 3), r"--config.data.image_size=64"),
        ("fc_ER_G", grown("fc3.weight", 0), "it knows 14 expressions, the data set of this config has 7"),
        ("dec", grown("emb1.0.weight", 1), r"--config.model.noise=40 \(it is 4\)"),
        ("dec", lambda t: {**t, "emb2.1.infer.0.bias": np.zeros(16)}, "--config.model.blocks=2"),
        ("Dis_FR", grown("fc.fc3.weight", 0), "--config.data.streams.face.identities=7"),
        ("Dis_ER", lambda t: {**t, "fc.fc3.weight": np.zeros((8, 16))}, "--config.d_er_fake_class=True"),
        ("Enc_ER_G", lambda t: {n: v for n, v in t.items() if "conv4" not in n}, "has no tensor 'conv4"),
        ("Enc_ER_G", lambda t: {**t, "extra": np.zeros(1)}, "'extra'"),
        ("Dis_ER", None, "has no Dis_ER.pkl; needed are Enc_FR_G.pkl"),
    ],
)
def test_other_configurations(tiny, weights, tmp_path, file, change, expected):
    templates = variables(tiny.state)
    with pytest.raises(UsageError, match=expected):
        interop.read(copied(weights, tmp_path, **{file: change}), tiny.config, templates)


class Hostile:
    """Makes a folder when a careless reader builds it."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_hostile_file(tiny, weights, tmp_path, capsys):
    """Refused with exit status 2 and one line; nothing is run, no workdir is left."""
    folder = copied(weights, tmp_path)
    (folder / "fc_ER_G.pkl").write_bytes(pickle.dumps({"fc1.weight": Hostile(tmp_path / "run")}))
    with pytest.raises(SystemExit) as end:
        call(lambda: import_torch.import_weights(tiny.config, folder, tmp_path / "w") and None, ["import-torch"])
    error = capsys.readouterr().err
    assert end.value.code == 2 and error.startswith("error: ") and "fc_ER_G.pkl" in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists() and not (tmp_path / "w").exists()


def test_systems_without_files(tiny, tiny_generator, weights, tmp_path):
    with pytest.raises(UsageError, match="weights of 'dcgan' cannot be imported or exported"):
        import_torch.import_weights(tiny_generator.config, weights, tmp_path / "w")
    with pytest.raises(UsageError, match="weights of 'dcgan' cannot be imported or exported"):
        import_torch.export_weights(tiny_generator.folder, tmp_path / "w")
    for system in ("torch_file", ""):
        with pytest.raises(UsageError, match=f"unknown system {system!r}"):
            import_torch.import_weights(changed(tiny.config, {"system": system}), weights, tmp_path / "w")
    assert not (tmp_path / "w").exists()


def test_no_data_set_is_needed():
    """RAF-DB and CASIA-WebFace are not here, yet their classes are known."""
    from configs import tdgan

    spec = import_torch.data_spec(typed(tdgan.get_config("raf_db")))
    assert spec[:3] == (128, 1, 0) and len(spec.classes["identity"]) == 20
    assert spec.classes["expression"][0] == "surprise"


def test_statistics_and_links_come_with_the_weights(tiny_emotion, tmp_path):
    """Emotion-GCN out and in again: evaluation sees the same network."""
    (path,) = import_torch.export_weights(tiny_emotion.folder, tmp_path / "weights")
    assert path.name == "emotion_gcn.pt"
    assert import_torch.import_weights(tiny_emotion.config, path.parent, tmp_path / "w") == ["net"]
    imported = open_run(tmp_path / "w").state
    jax.tree.map(np.testing.assert_array_equal, variables(imported), variables(tiny_emotion.state))
    saved = optimisers(tiny_emotion.config, tmp_path / "w")
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(saved))
