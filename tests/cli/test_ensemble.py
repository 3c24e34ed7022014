"""Ensembles, embeddings and counts of labels as commands."""

import json

import pytest
from PIL import Image

from fer_jax.cli import embed, ensemble, labels
from fer_jax.core.errors import UsageError
from tests.micro import micro


def test_two_runs_alone_and_together(tiny_classifier, command, capsys):
    folders = [tiny_classifier(seed).folder for seed in (0, 1)]
    command(ensemble, f"--workdirs={folders[0]},{folders[1]}", "--split=train", "--out=both", "--tta=ten")
    shown = capsys.readouterr().out
    figures = json.loads((folders[0] / "eval" / "both.json").read_text())
    assert figures["tta"] == "ten" and figures["split"] == "train"
    one, other = (figures[str(folder)] for folder in folders)
    assert one["confusion"] != other["confusion"]
    assert all(f"{run[name]:.4f}" in shown for run in (one, other) for name in ("accuracy", "top2"))
    assert {"max_logit", "mean_probability", "majority"} < set(figures)
    with Image.open(folders[0] / "plots" / "confusion_both.png") as picture:
        assert picture.width > 5 * picture.height / 2


def test_runs_that_do_not_belong_together(tiny_classifier, tiny, command):
    folder = tiny_classifier(0).folder
    for flags, says in (
        ([], "--workdirs: missing"),
        ([f"--workdirs={folder},{tiny.folder}"], "a run of tdgan; needed is one of classifier"),
    ):
        with pytest.raises(UsageError, match=says):
            command(ensemble, *flags)


def test_features_in_two_dimensions(tiny_classifier, command, capsys, monkeypatch):
    tiny = tiny_classifier(0)
    monkeypatch.setattr(embed, "_PERPLEXITY", 3)
    for of in ("features", "logits"):
        command(embed, f"--workdir={tiny.folder}", "--split=train", f"--of={of}")
        assert "var x + var y" in capsys.readouterr().out
        with Image.open(tiny.folder / "plots" / "tsne_train.png") as picture:
            assert picture.size == (800, 700)
    with pytest.raises(UsageError, match="--workdir: missing"):
        command(embed)


def test_counts_of_labels(data_dir, tmp_path, command, capsys):
    out = tmp_path / "labels.png"
    command(labels, "--config=tests/micro.py:classifier", f"--config.data.data_dir={data_dir}", f"--out={out}")
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["class", "test", "train", "validation"] or rows[0].split()[0] == "class"
    total = sum(map(int, rows[-1].split()[1:]))
    options = micro("classifier", data_dir).data.streams.face.options
    assert rows[-1].split()[0] == "all" and total == options.identities * options.pictures
    assert out.exists()
    with pytest.raises(UsageError, match="--config: missing"):
        command(labels)
