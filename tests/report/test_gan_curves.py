"""What two networks do against each other is drawn together, and sheets hold all pictures."""

import matplotlib.figure
import numpy as np

from fer_jax.report import images, plots, record


def test_losses_in_one_panel_and_outputs_in_another(tmp_path, monkeypatch):
    rows = record.Record(tmp_path, 0)
    for step in (1, 2):
        names = ("disc/real", "disc/fake", "disc/total", "gen/loss", "disc/on_real", "disc/on_fake", "gen/on_fake")
        rows.write(step, "train", {name: float(step) for name in names})
        rows.write(step, "eval", {"disc/on_real": 0.5, "disc/step": float(step), "disc/examples": 7.0})
    rows.close()
    figures = []
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", lambda figure, path, **_: figures.append(figure))
    plots.curves(tmp_path)
    drawn = [{p.get_title(): [line.get_label() for line in p.lines] for p in figure.axes} for figure in figures]
    outputs = "how real the discriminator finds pictures"
    assert drawn[0] == {
        "disc": ["fake", "real"],
        outputs: ["disc/on_fake", "disc/on_real", "gen/on_fake"],
        "losses": ["disc/total", "gen/loss"],
    }
    assert drawn[1] == {outputs: ["disc/on_real"]}  # how far the run is flattens what is beside it


def test_a_grid_and_two_side_by_side():
    pictures = np.linspace(0, 1, 5)[:, None, None, None] * np.ones((5, 4, 3, 1))
    grid = images.grid(pictures, columns=3)
    assert grid.size == (3 * 5 + 2, 2 * 6 + 2)
    assert [grid.getpixel((2 + 5 * (i % 3), 2 + 6 * (i // 3)))[0] for i in range(5)] == [0, 64, 128, 191, 255]
    whole = images.beside({"a": grid, "b": grid})
    for left in (0, whole.width - grid.width):
        part = whole.crop((left, whole.height - grid.height, left + grid.width, whole.height))
        np.testing.assert_array_equal(part, grid)


def test_titles_of_rows_have_room():
    """However long: the first picture begins behind them."""
    column = {"a": np.zeros((1, 100, 100, 1))}
    widths = [images.sheet(column, rows=[name]).width for name in ("1.00", "x" * 20)]
    assert widths[0] == 30 + 104 and widths[1] == 126 + 104
