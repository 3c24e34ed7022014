"""What is reported of a config's data, and the contact sheet."""

import numpy as np

from fer_jax.cli import prepare
from fer_jax.data import manual
from tests.typed import open_data


def test_report(tiny):
    text = "\n".join(prepare.report(open_data(tiny.config)))
    assert text.startswith("expression: rendered_faces, in ") and tiny.config.data.data_dir in text
    assert "  train: 28 pictures\n    expression: neutral 4, happiness 4" in text
    assert "  test: 7 pictures" in text and "identity: 3 different, 7 to 7 pictures each" in text
    assert "left out" not in text


def test_left_out_pictures_are_named(tiny, monkeypatch):
    data = open_data(tiny.config)
    monkeypatch.setattr(manual, "skipped", lambda builder: [f"bad{i}.png" for i in range(7)])
    left_out = [line for line in prepare.report(data) if "left out" in line]
    assert left_out == len(data.tables) * [
        "  left out, since they cannot be decoded: 7: bad0.png, bad1.png, bad2.png, bad3.png, bad4.png and 2 more"
    ]


def test_dropped_rows_are_counted(tiny, monkeypatch):
    data = open_data(tiny.config)
    monkeypatch.setattr(
        manual, "dropped", lambda builder: {"train": {"contempt": 2, "uncertain": 12}, "test": {"a": 1}}
    )
    lines = [line for line in prepare.report(data) if "dropped" in line]
    assert lines == len(data.tables) * [
        "  dropped from train by the data set's rules: 12 uncertain, 2 contempt",
        "  dropped from test by the data set's rules: 1 a",
    ]


def test_sheet(tiny):
    """Seven classes above three identities, each with its pictures and no others."""
    image = prepare.sheet(open_data(tiny.config), rows=5)
    row, title = 98, 16
    assert image.size == (7 * 98 + 2, 2 * (5 * row + title))
    white = np.asarray(image) == 255
    assert white[title + 4 * row + 2 : title + 5 * row - 2, :98].all()  # four pictures of each class
    assert not white[title + 3 * row : title + 4 * row - 2, 2:98].all()
