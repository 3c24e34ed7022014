"""One run an expression: which, with what config, refused before any starts, and what is made of them at the end."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import per_expression, runs
from fer_jax.core.errors import UsageError
from fer_jax.data.opening import Data
from tests.inference.runs import changed, untrained
from tests.micro import ROOT, micro
from tests.typed import typed


def open_expressions(config, chosen=()):
    return per_expression.open_expressions(typed(config), chosen)


@pytest.fixture
def config(data_dir):
    return micro("dcgan", data_dir)


def test_all_expressions_and_some(config):
    configs = open_expressions(config)
    assert len(configs) == 7 and all(own.data.streams["face"].only == name for name, own in configs.items())
    assert config.data.streams.face.only is None
    assert list(open_expressions(config, ["happy", "anger"])) == ["happiness", "anger"]


def test_the_command(config, data_dir, tmp_path, command, monkeypatch, capsys):
    """Of two; the training itself is `runs.trained`'s."""
    made = []

    def trained(own, folder, title):
        made.append((own.run.min_steps, own.data.streams["face"].only, folder, title))
        untrained(own, folder)
        return {"disc/step": 1.0, "only" + title: 2.0}

    monkeypatch.setattr(runs, "trained", trained)
    flags = [f"--config={ROOT}/tests/micro.py:dcgan", f"--workdir={tmp_path}", "--expressions=fear,sadness"]
    command(per_expression, *flags, "--config.run.min_steps=9", f"--config.data.data_dir={data_dir}")
    assert made == [
        (9, "fear", tmp_path / "fear", "fear, 1 of 2"),
        (9, "sadness", tmp_path / "sadness", "sadness, 2 of 2"),
    ]
    with Image.open(tmp_path / "expressions.png") as sheet:
        shown = np.asarray(sheet.convert("L"))
    assert sheet.width > 16 * 98 and sheet.height == 2 * 98 + 2 + 14  # eight drawn, eight real; a row an expression
    assert len(np.unique(shown[:, -100:])) > 20  # real pictures to the right
    with (tmp_path / "per_expression.csv").open() as stream:
        assert list(csv.reader(stream)) == [["expression", "disc/step"], ["fear", "1.0000"], ["sadness", "1.0000"]]
    assert set(json.loads((tmp_path / "per_expression.json").read_text())["expressions"]) == {"fear", "sadness"}
    assert "sadness" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "chosen", "says"),
    [
        ({}, ["joyless"], "--expressions: 'joyless' is not one of neutral, happiness"),
        ({"model__conditional": True}, [], "model.conditional: one network that draws every expression"),
        ({"data__streams__face__only": "fear"}, [], "only: 'fear' is one expression; leave it out"),
        ({"data__batch_size": 0}, [], "batch_size: 0 is not a multiple of the 8 devices"),
        ({"data__streams__face__labels": ()}, [], "the data set has no expressions"),
    ],
)
def test_refused_before_any_run(config, fields, chosen, says):
    with pytest.raises(UsageError, match=says):
        open_expressions(changed(config, **fields), chosen)


def test_other_systems(data_dir):
    with pytest.raises(UsageError, match="tdgan draws nothing from noise"):
        open_expressions(micro("tdgan", data_dir))


def test_a_batch_that_has_no_statistics(config, monkeypatch):
    monkeypatch.setattr(Data, "check_batch", lambda data, devices: None)  # as with one device
    with pytest.raises(UsageError, match="config.data.batch_size: 1 is too few: the statistics of a batch need 2"):
        open_expressions(changed(config, data__batch_size=1))


def test_an_expression_without_pictures(tmp_path, config):
    """It is named, with the split, and nothing is trained."""
    rng = np.random.default_rng(0)
    for split, kinds in (("train", ("anger", "fear")), ("test", ("anger", "fear")), ("validation", ("anger",))):
        for kind in kinds:
            folder = tmp_path / "pictures" / split / kind
            folder.mkdir(parents=True)
            for i in range(3):
                Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(folder / f"{i}.png")
    own = changed(config, data__data_dir=str(tmp_path / "tfds"))
    face = own.data.streams.face
    face.source, face.path, face.options = "image_folder", str(tmp_path / "pictures"), {}
    assert list(open_expressions(own, ["anger"])) == ["anger"]
    with pytest.raises(UsageError, match="only: image_folder has no picture of 'fear' for validation"):
        open_expressions(own)
