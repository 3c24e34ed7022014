"""Predictions as a command: one row for every input, and no half tables."""

import csv
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import predict
from fer_jax.core.errors import RunFailed, UsageError
from fer_jax.inference import loading
from fer_jax.inference.loading import open_run
from fer_jax.inference.predictions import columns
from fer_jax.inference.recogniser import Recogniser


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder of seven pictures, named in their order."""
    folder, rng = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    for i in range(7):
        Image.fromarray(rng.integers(0, 256, (20, 16, 3), np.uint8)).save(folder / f"{i:02d}.png")
    return folder


def test_every_input_has_its_row(tiny_emotion, faces, tmp_path, command, monkeypatch):
    """Order and duplicates are kept; what cannot be read stops nothing, though each batch has some of it."""
    (tmp_path / "broken.png").write_bytes((faces / "00.png").read_bytes()[:60])
    (tmp_path / "text.png").write_text("no picture")
    names = [tmp_path / "broken.png", faces / "01.png", faces / "*.png", tmp_path, tmp_path / "none.jpg"]
    names += [faces / "01.png"] * 10
    logged = []
    log = SimpleNamespace(warning=lambda text, *values: logged.append(text % values), info=lambda *values: None)
    monkeypatch.setattr(predict, "logging", log)
    out = tmp_path / "new" / "table.csv"
    command(predict, f"--workdir={tiny_emotion.folder}", f"--out={out}", "--batch_size=4", *names)
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    below = [str(faces / f"{i:02d}.png") for i in range(7)]
    bad = [str(tmp_path / name) for name in ("broken.png", "text.png")]
    assert [row["file"] for row in rows] == [bad[0], below[1], *below, *bad, str(names[4]), *[below[1]] * 10]
    reasons = {row["file"]: row["error"] for row in rows if row["error"]}
    assert list(reasons) == [*bad, str(names[4])]
    assert reasons[bad[0]].startswith("cannot be read: ") and reasons[bad[1]] == "is not a picture"
    assert reasons[str(names[4])] == "no such picture"
    for row in rows:
        assert (row["class"] == row["valence"] == row["p_anger"] == "") == bool(row["error"])
    good = [row for row in rows if row["file"] == below[1]]
    assert len(good) == 12 and all(row == good[0] for row in good)
    assert logged[-1] == f'4 of {len(rows)} pictures have no prediction; the column "error" says why'
    assert sorted(file.name for file in out.parent.iterdir()) == ["table.csv"]


def test_it_is_the_table_of_the_api(tiny_emotion, faces, tmp_path, command):
    import fer_jax

    for ending in (".csv", ".jsonl"):
        command(predict, f"--workdir={tiny_emotion.folder}", f"--out={tmp_path / 'command'}{ending}", faces, "none.png")
        table = fer_jax.load(tiny_emotion.folder, batch_size=8).predict([str(faces), "none.png"])
        table.save(tmp_path / f"api{ending}")
        assert (tmp_path / f"command{ending}").read_bytes() == (tmp_path / f"api{ending}").read_bytes()


def test_lines_of_json(tiny_emotion, faces, tmp_path, command):
    out = tmp_path / "table.jsonl"
    command(predict, f"--workdir={tiny_emotion.folder}", f"--out={out}", faces, "none.png")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 8
    assert list(rows[0]) == columns(open_run(tiny_emotion.folder).spec.classes["expression"])
    assert isinstance(rows[0]["valence"], float) and rows[0]["error"] is None and 0 <= rows[0]["p_fear"] <= 1
    assert rows[-1]["error"] == "no such picture" and rows[-1]["class"] is None


def test_rows_to_stdout(tiny_emotion, faces, command, capsys):
    command(predict, f"--workdir={tiny_emotion.folder}", faces)
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 7 and rows[0]["file"] == str(faces / "00.png")


def test_a_broken_run_leaves_no_table(tmp_path):
    out = tmp_path / "table.csv"
    out.write_text("of an earlier run")
    for error, raised in ((KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space left"), RunFailed)):
        with pytest.raises(raised), predict.table(out, ["file"]) as write:
            write({"file": "a"})
            raise error
        assert out.read_text() == "of an earlier run" and list(tmp_path.iterdir()) == [out]
    with pytest.raises(UsageError, match="--out .*: cannot be written"), predict.table(out / "t.csv", ["file"]):
        pass


def test_faces_on_the_plane(tiny_emotion, tiny, faces, tmp_path, command):
    picture = tmp_path / "plane.png"
    flags = [f"--workdir={tiny_emotion.folder}", f"--out={tmp_path / 't.csv'}", f"--plot={picture}", "--faces=3"]
    command(predict, *flags, faces, "none.png")
    with Image.open(picture) as image:
        assert image.size == (1000, 900)
    with pytest.raises(UsageError, match="--plot: .* has no valence and arousal"):
        command(predict, f"--workdir={tiny.folder}", f"--plot={picture}", faces)


def test_mistakes(tiny, tiny_editor, faces, tmp_path, command):
    workdir = f"--workdir={tiny.folder}"
    for flags, names, says in (
        ([], [], "no pictures given"),
        (["--step=3"], [faces], "--step=3: is of a --workdir"),
        ([workdir, "--step=3"], [faces], "no checkpoint of step 3; there are 1"),
        ([workdir], [tmp_path], "no pictures there"),
        ([workdir], [f"{faces}/*.jpg"], "no pictures there"),
        ([workdir, "--out=a.txt"], [faces], "--out a.txt: the ending must be .csv or .jsonl"),
        ([f"--workdir={tmp_path}"], [faces], "no config.json"),
        ([f"--workdir={tiny_editor.folder}"], [faces], "a run of au_cyclegan, which recognises no expressions"),
    ):
        with pytest.raises(UsageError, match=says):
            command(predict, *flags, *names)


def test_without_a_workdir_the_packages_model_is_used(tmp_path, command, monkeypatch, tiny_classifier, faces):
    """And named; a damaged file is an error."""
    import sys
    from pathlib import Path

    scripts = Path(__file__).parents[2] / "scripts"
    monkeypatch.syspath_prepend(str(scripts))
    import pack

    tiny = tiny_classifier(1)
    (tiny.folder / "eval").mkdir(exist_ok=True)
    (tiny.folder / "eval" / "test.json").write_text("{}")
    packed = tmp_path / "fer2013.npz"
    command(pack, f"--workdir={tiny.folder}", f"--out={packed}")
    del sys.modules["pack"]
    monkeypatch.setitem(loading.PACKAGED, "fer2013", packed)
    logged = []
    log = SimpleNamespace(info=lambda text, *values: logged.append(text % values), warning=lambda *values: None)
    monkeypatch.setattr(predict, "logging", log)
    names = [faces / "00.png", tmp_path / "none.png"]
    out = tmp_path / "t.csv"
    command(predict, f"--out={out}", *names)
    assert logged[0] == f"model: fer2013 of the package; see {tmp_path / 'fer2013.md'}"
    rows = list(csv.DictReader(out.open()))
    other = Recogniser(open_run(tiny.folder), batch_size=2).predict(names)
    assert rows[0]["class"] == other[0]["class"] and rows[-1]["error"] == "no such picture"
    for name in (name for name in rows[0] if name.startswith("p_")):  # to half precision
        assert math.isclose(float(rows[0][name]), other[0][name], abs_tol=0.02), name
    packed.write_text("not an archive")
    with pytest.raises(UsageError, match="cannot be read as packed weights"):
        command(predict, *names)
