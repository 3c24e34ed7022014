"""The demo: a picture, a sheet and four lines."""

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import transfer
from fer_jax.core.errors import UsageError


def test_table():
    text = transfer.table(
        {("generated", "m_er"): np.array([0.25, 0.75]), ("expression", "d_er"): np.array([0.9, 0.1])},
        ("fear", "happiness"),
    )
    lines = text.splitlines()
    assert lines[1].startswith("generated, M_ER: happiness 75.0 %") and lines[1].split()[-2:] == ["25.0", "75.0"]
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
    printed = capsys.readouterr().out
    assert printed.count("M_ER") == printed.count("D_ER") == 2 and "happiness" in printed
    assert (tmp_path / "out.png").exists() and (tmp_path / "out-sheet.png").exists()
    with pytest.raises(UsageError, match="--expression: missing"):
        command(transfer, f"--workdir={tiny.folder}", "--face=train:0")
