"""The demo: a picture, a sheet and four lines."""

import jax
import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import common, transfer
from fer_jax.core.errors import UsageError


def pair(config):
    pictures = common.Pictures(config, resize="bicubic")
    return pictures.read("face", "train:0"), pictures.read("expression", "test:1")


def test_repeatable_by_its_seed(trained):
    first, again, other = (transfer.transfer(trained, *pair(trained.config), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (32, 32, 1) and np.abs(first - other).max() > 1e-3


def test_recognised_as_in_the_evaluation(trained):
    """Both recognisers' probabilities are those of the evaluation's logits."""
    face, expression = pair(trained.config)
    seen = transfer.recognise(trained, {"generated": face, "expression": expression})
    assert list(seen) == [(n, r) for n in ("generated", "expression") for r in ("m_er", "d_er")]
    batch = {"expression": {"image": np.stack([face, expression]), "expression": np.zeros(2, np.int32)}}
    logits = jax.jit(trained.system.eval_step)(trained.state, batch)
    for (name, which), shares in seen.items():
        own = np.exp(logits[which][("generated", "expression").index(name)])
        np.testing.assert_allclose(shares, own / own.sum(), rtol=1e-3)


def test_table():
    text = transfer.table(
        {("generated", "m_er"): np.array([0.25, 0.75]), ("expression", "d_er"): np.array([0.9, 0.1])}, ("fear", "joy")
    )
    lines = text.splitlines()
    assert lines[1].startswith("generated, M_ER: joy 75.0 %") and lines[1].endswith("25.0  75.0")
    assert lines[2].startswith("expression, D_ER: fear 90.0 %")


def test_files_are_rounded(tmp_path):
    value = np.full((4, 4, 1), 0.999, np.float32)  # 254.7: cut off it would be 254
    sheet = transfer.write({"face": value, "expression": value, "generated": value}, tmp_path / "a" / "out.png")
    assert sheet.name == "out-sheet.png" and sheet.exists()
    with Image.open(tmp_path / "a" / "out.png") as image:
        assert image.mode == "L" and image.size == (4, 4) and np.all(np.asarray(image) == 255)


def test_command(tiny, tmp_path, capsys, command):
    """Without pictures: one pair of the data; both classes of both pictures on stdout."""
    command(transfer, f"--workdir={tiny.folder}", f"--out={tmp_path}/out.png")
    said = capsys.readouterr().out
    assert said.count("M_ER") == said.count("D_ER") == 2 and "happiness" in said
    assert (tmp_path / "out.png").exists() and (tmp_path / "out-sheet.png").exists()
    with pytest.raises(UsageError, match="--expression: missing"):
        command(transfer, f"--workdir={tiny.folder}", "--face=train:0")
