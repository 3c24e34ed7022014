"""A row for every picture, with the numbers of the evaluation."""

import csv
import math
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image

from fer_jax.core.errors import UsageError
from fer_jax.core.protocols import RecognitionSystem
from fer_jax.inference.loading import open_run
from fer_jax.inference.recogniser import Recogniser
from fer_jax.report import images
from tests.typed import open_data


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


@pytest.fixture(scope="module")
def recogniser(tiny_emotion):
    return Recogniser(open_run(tiny_emotion.folder), batch_size=8)


def evaluated(run, batch):
    """Outputs of an evaluation."""
    opened = open_run(run.folder)
    return jax.device_get(opened.runner.eval_step(opened.state, batch, opened.runner.constant_key))


def shares(row):
    return [value for name, value in row.items() if name.startswith("p_")]


def check_shares(rows, logits):
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose([shares(row) for row in rows], expected, rtol=1e-4, atol=1e-6)
    assert [list(row)[2:][int(np.argmax(shares(row)))] for row in rows] == [f"p_{row['class']}" for row in rows]
    assert (expected.max(0) / expected.min(0)).max() > 1.2  # they differ from picture to picture


def test_the_same_as_in_the_evaluation(tiny_emotion, recogniser, faces):
    folder, batch, count = faces["face"]
    table = recogniser.predict(folder)
    outputs = evaluated(tiny_emotion, batch)
    assert [row["file"] for row in table] == [str(folder / f"{i:02d}.png") for i in range(count)]
    check_shares(table, outputs["logits"][:count])
    va = [[row["valence"], row["arousal"]] for row in table]
    np.testing.assert_allclose(va, outputs["va"][:count], rtol=1e-4, atol=1e-6)
    assert all(row["error"] is None for row in table) and recogniser.predicts_valence_arousal
    assert list(table[0]) == table.columns and table.about == recogniser.name


def test_batches_of_any_size_give_the_same(recogniser, tiny_emotion, faces):
    folder = faces["face"][0]
    few, many = (Recogniser(open_run(tiny_emotion.folder), batch_size=size) for size in (3, 40))
    assert (few.batch_size, many.batch_size) == (8, 40)  # a multiple of the devices
    names = [str(folder)] * 5
    for one, other in zip(recogniser.predict(names), many.predict(names), strict=True):
        np.testing.assert_allclose(shares(one), shares(other), rtol=1e-5)
    alone = recogniser.predict(folder / "01.png")
    np.testing.assert_allclose(shares(alone[0]), shares(recogniser.predict(names)[1]), rtol=1e-5)


@pytest.mark.slow
def test_m_er_predicts_for_tdgan(tiny, faces):
    folder, batch, count = faces["expression"]
    recogniser = Recogniser(open_run(tiny.folder, step=1), batch_size=3)
    table = recogniser.predict([folder])
    check_shares(table, evaluated(tiny, batch)["m_er"][:count])
    assert all(row["valence"] is None and row["arousal"] is None for row in table)
    assert not recogniser.predicts_valence_arousal


def test_every_input_has_its_row(recogniser, faces, tmp_path):
    """Order and duplicates are kept; what cannot be read stops nothing, though each batch has some of it."""
    folder, _, count = faces["face"]
    (tmp_path / "broken.png").write_bytes((folder / "00.png").read_bytes()[:60])
    (tmp_path / "text.png").write_text("no picture")
    names = [tmp_path / "broken.png", folder / "01.png", str(folder / "*.png"), tmp_path, tmp_path / "none.jpg"]
    names += [folder / "01.png"] * 10
    table = recogniser.predict(names)
    below = [str(folder / f"{i:02d}.png") for i in range(count)]
    bad = [str(tmp_path / name) for name in ("broken.png", "text.png", "none.jpg")]
    assert [row["file"] for row in table] == [bad[0], below[1], *below, *bad, *[below[1]] * 10]
    reasons = {row["file"]: row["error"] for row in table if row["error"]}
    assert list(reasons) == bad and reasons[bad[0]].startswith("cannot be read: ")
    assert [reasons[name] for name in bad[1:]] == ["is not a picture", "no such picture"]
    for row in table:
        empty = [row["class"], row["valence"], row["p_anger"]] == [None] * 3
        assert empty == (row["error"] is not None)
    good = [row for row in table if row["file"] == below[1]]
    assert len(good) == 12
    for row in good:
        assert row["class"] == good[0]["class"] and math.isclose(row["valence"], good[0]["valence"], rel_tol=1e-5)
    table.save(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as stream:
        assert [row["file"] for row in csv.DictReader(stream)] == [row["file"] for row in table]


def test_features(tiny_classifier, recogniser):
    """Images of any size and colour; a system without features says so."""
    classifier = Recogniser(open_run(tiny_classifier(0).folder))
    rng = np.random.default_rng(0)
    grey = rng.uniform(0, 1, (9, 16, 16, 1)).astype(np.float32)
    found = classifier.features(grey)
    assert classifier.has_features and found.ndim == 2 and len(found) == 9
    np.testing.assert_allclose(classifier.features(np.repeat(grey, 3, -1)), found, rtol=1e-3, atol=1e-4)
    assert classifier.features(rng.uniform(0, 1, (2, 40, 40, 3))).shape == (2, found.shape[1])
    np.testing.assert_allclose(classifier.evaluate(grey).probabilities.sum(1), 1, rtol=1e-5)
    assert not recogniser.has_features
    with pytest.raises(UsageError, match="a run of emotion_gcn, whose features cannot be had"):
        recogniser.features(grey)


def test_systems_that_do_not_recognise(loaded):
    system = SimpleNamespace(recognition_stream="face")  # and nothing else
    assert not isinstance(system, RecognitionSystem)
    other = SimpleNamespace(system=system, path=loaded.path, config=loaded.config)
    with pytest.raises(UsageError, match="a run of tdgan, which recognises no expressions"):
        Recogniser.__init__.__wrapped__(object.__new__(Recogniser), other)
