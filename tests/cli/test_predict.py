"""One row for every input, the numbers of the evaluation, and no half tables."""

import csv
import json
import subprocess
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

import fer_jax
from fer_jax.cli import common, pack, predict
from fer_jax.core.errors import RunFailed, UsageError
from fer_jax.core.protocols import Recogniser
from fer_jax.data import open_data
from fer_jax.report import images


@pytest.fixture(scope="module")
def faces(tiny_emotion, tiny, tmp_path_factory):
    """stream -> (folder of a workdir's test pictures as files, named in their order, the same as a batch)."""
    made = {}
    for run, stream in ((tiny_emotion, "face"), (tiny, "expression")):
        folder = tmp_path_factory.mktemp(stream)
        batch = next(iter(open_data(run.config).evaluate("test")))
        count = int(batch.pop("mask")["mask"].sum())
        for i, picture in enumerate(images.to_bytes(batch[stream]["image"][:count])):
            Image.fromarray(picture.squeeze()).save(folder / f"{i:02d}.png")
        made[stream] = folder, batch, count
    return made


def evaluated(run, batch, count, name):
    """Logits of `--mode=eval`."""
    trained = common.open_workdir(run.folder, step=None)
    outputs = jax.device_get(jax.jit(trained.system.eval_step)(trained.state, batch))
    return outputs[name][:count], outputs


def shares(row):
    return [value for name, value in row.items() if name.startswith("p_")]


def check_shares(rows, logits):
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose([shares(row) for row in rows], expected, rtol=1e-4, atol=1e-6)
    assert [list(row)[2:][int(np.argmax(shares(row)))] for row in rows] == [f"p_{row['class']}" for row in rows]
    assert (expected.max(0) / expected.min(0)).max() > 1.2  # they differ from picture to picture


def test_the_same_as_in_the_evaluation(tiny_emotion, faces):
    folder, batch, count = faces["face"]
    rows = fer_jax.predict(folder, tiny_emotion.folder)
    logits, outputs = evaluated(tiny_emotion, batch, count, "logits")
    assert [row["file"] for row in rows] == [str(folder / f"{i:02d}.png") for i in range(count)]
    check_shares(rows, logits)
    va = [[row["valence"], row["arousal"]] for row in rows]
    np.testing.assert_allclose(va, outputs["va"][:count], rtol=1e-4, atol=1e-6)
    assert all(row["error"] is None for row in rows)


@pytest.mark.slow
def test_m_er_answers_for_tdgan(tiny, faces):
    folder, batch, count = faces["expression"]
    rows = fer_jax.predict([folder], str(tiny.folder), step=1, batch_size=3)
    check_shares(rows, evaluated(tiny, batch, count, "m_er")[0])
    assert all(row["valence"] is None and row["arousal"] is None for row in rows)


def test_every_input_has_its_row(tiny_emotion, faces, tmp_path, command, monkeypatch):
    """Order and duplicates are kept; what cannot be read stops nothing, though each batch has some of it."""
    folder, _, count = faces["face"]
    (tmp_path / "broken.png").write_bytes((folder / "00.png").read_bytes()[:60])
    (tmp_path / "text.png").write_text("no picture")
    names = [tmp_path / "broken.png", folder / "01.png", folder / "*.png", tmp_path, tmp_path / "none.jpg"]
    names += [folder / "01.png"] * 10
    said = []
    log = SimpleNamespace(warning=lambda text, *values: said.append(text % values), info=lambda *values: None)
    monkeypatch.setattr(predict, "logging", log)
    out = tmp_path / "new" / "table.csv"
    command(predict, f"--workdir={tiny_emotion.folder}", f"--out={out}", "--batch_size=4", names=map(str, names))
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    below = [str(folder / f"{i:02d}.png") for i in range(count)]
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
    assert said[-1] == f'4 of {len(rows)} pictures have no prediction; the column "error" says why'
    assert sorted(file.name for file in out.parent.iterdir()) == ["table.csv"]


def test_lines_of_json(tiny_emotion, faces, tmp_path, command):
    folder, _, count = faces["face"]
    out = tmp_path / "table.jsonl"
    command(predict, f"--workdir={tiny_emotion.folder}", f"--out={out}", names=[str(folder), "none.png"])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == count + 1
    assert list(rows[0]) == predict.fields(open_data(tiny_emotion.config).spec.classes["expression"])
    assert isinstance(rows[0]["valence"], float) and rows[0]["error"] is None and 0 <= rows[0]["p_fear"] <= 1
    assert rows[-1]["error"] == "no such picture" and rows[-1]["class"] is None


def test_rows_to_stdout(tiny_emotion, faces, command, capsys):
    folder, _, count = faces["face"]
    command(predict, f"--workdir={tiny_emotion.folder}", names=[str(folder)])
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == count and rows[0]["file"] == str(folder / "00.png")


def test_a_decoder_may_fail_in_any_way():
    def load(file):
        if file == "bad":
            raise KeyError("tile")
        return file

    pairs = list(predict._decoded(["a", "bad", *"bcdef"], load, ahead=2))
    assert pairs == [("a", "a"), ("bad", "cannot be read: KeyError: 'tile'"), *((f, f) for f in "bcdef")]


def test_decoding_is_only_so_far_ahead():
    asked = []

    def load(file):
        asked.append(file)
        return file

    next(predict._decoded(map(str, range(100)), load, ahead=5))
    assert len(asked) <= 6


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
    command(predict, *flags, names=[str(faces["face"][0]), "none.png"])
    with Image.open(picture) as image:
        assert image.size == (1000, 900)
    with pytest.raises(UsageError, match="--plot: .* has no valence and arousal"):
        command(predict, f"--workdir={tiny.folder}", f"--plot={picture}", names=[str(faces["expression"][0])])


def test_mistakes(tiny, faces, tmp_path, command):
    folder = str(faces["expression"][0])
    for flags, names, says in (
        (["--step=3"], [folder], "--step=3: is of a --workdir"),
        ([f"--workdir={tiny.folder}"], [str(tmp_path)], "no pictures there"),
        ([f"--workdir={tiny.folder}"], [f"{folder}/*.jpg"], "no pictures there"),
        ([f"--workdir={tiny.folder}", "--out=a.txt"], [folder], "--out a.txt: the ending must be .csv or .jsonl"),
        ([f"--workdir={tmp_path}"], [folder], "no config.json"),
    ):
        with pytest.raises(UsageError, match=says):
            command(predict, *flags, names=names)
    with pytest.raises(UsageError, match="no pictures given"):
        predict.find([])


def test_systems_that_do_not_recognise(trained):
    class Generator:
        recognises = "face"

    assert not isinstance(Generator(), Recogniser)
    runner = type("", (), {"system": Generator(), "mesh": None})()
    other = common.Trained(trained.folder, trained.config, trained.spec, runner, trained.state, 1)
    with pytest.raises(UsageError, match="a run of tdgan, which recognises no expressions"):
        predict.Predictor(other, 8)


def test_names_stand_among_the_flags():
    """As a command: names before and behind a flag are taken, a mistake is one line."""
    command = [sys.executable, "-m", "fer_jax.cli.predict", "a.png", "--workdir=/no/such", "b.png"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: --workdir /no/such: no config.json")
    assert done.stderr.count("\n") == 1


def test_importing_the_package_is_light():
    code = "import sys, fer_jax; print(sorted({'jax', 'numpy', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_without_a_workdir_the_packages_model_answers(tmp_path, command, monkeypatch, tiny_classifier, faces):
    """And says which it is; a damaged file is said too."""
    tiny = tiny_classifier(1)
    (tiny.folder / "eval").mkdir(exist_ok=True)
    (tiny.folder / "eval" / "test.json").write_text("{}")
    packed = tmp_path / "fer2013.npz"
    command(pack, f"--workdir={tiny.folder}", f"--out={packed}")
    monkeypatch.setattr(common, "PRETRAINED", packed)
    names = [str(faces["expression"][0]), str(tmp_path / "none.png")]
    out = tmp_path / "t.csv"
    command(predict, f"--out={out}", names=names)
    rows = list(csv.DictReader(out.open()))
    other = list(predict.predict(names, tiny.folder, step=None, batch_size=2))
    assert rows[0]["class"] == other[0]["class"] and rows[-1]["error"] == "no such picture"
    probabilities = {name: float(value) for name, value in rows[0].items() if name.startswith("p_")}
    for name, value in probabilities.items():  # to half precision
        assert abs(value - other[0][name]) < 0.02, name
    packed.write_text("not an archive")
    with pytest.raises(UsageError, match="cannot be read as packed weights"):
        command(predict, names=names)


@pytest.mark.skipif(not common.PRETRAINED.exists(), reason="the package holds no model yet")
def test_the_packages_own_model():
    """It is there, small, and a network of at most three million parameters for grey pictures of 48 pixels."""
    import jax

    trained = common.open_pretrained()
    assert common.PRETRAINED.stat().st_size < 8e6
    assert sum(leaf.size for leaf in jax.tree.leaves(trained.state.nets["net"].params)) <= 3_000_000
    assert (trained.spec.image_size, trained.spec.channels) == (48, 1)
    assert trained.spec.classes["expression"] == (
        "anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral",
    )  # fmt: skip
    assert common.PRETRAINED.with_suffix(".md").exists()
