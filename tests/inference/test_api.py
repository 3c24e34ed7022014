"""`fer_jax.load`, as README shows it: by name or from the folder of a run, for everything that a user has."""

import concurrent.futures
import csv
import json

import numpy as np
import pytest
from PIL import Image

import fer_jax
from fer_jax.core.errors import UsageError


@pytest.fixture(scope="module")
def recogniser():
    return fer_jax.load("fer2013")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(5):
        pixels = rng.integers(0, 256, (6, 5, 3), np.uint8)
        Image.fromarray(pixels).resize((60, 50), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def probabilities(row):
    return [value for name, value in row.items() if name.startswith("p_")]


def same(one, other):
    """Rows of the same pictures, whatever they are called."""
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a["class"] == b["class"]
        np.testing.assert_allclose(probabilities(a), probabilities(b), rtol=1e-3, atol=1e-5)


# ---- what is loaded -------------------------------------------------------------------------------------------------


def test_what_a_run_is_loaded_as(tiny, tiny_emotion, tiny_classifier, tiny_editor, tiny_space, tiny_generator):
    for run, kind in (
        (tiny, fer_jax.Recogniser),
        (tiny_emotion, fer_jax.Recogniser),
        (tiny_classifier(0), fer_jax.Recogniser),
        (tiny_editor, fer_jax.Editor),
        (tiny_space("gaussian", 2), fer_jax.Editor),
        (tiny_generator, fer_jax.Sampler),
    ):
        for name in (run.folder, str(run.folder)):
            assert type(fer_jax.load(name)) is kind
        assert fer_jax.load(run.folder, step=1).run.step == 1


def test_each_kind_does_what_it_is_for(tiny_emotion, tiny_editor, tiny_space, tiny_generator, photos):
    (row,) = fer_jax.load(tiny_emotion.folder, batch_size=8).predict(photos / "0.png")
    assert row["class"] and np.isfinite([row["valence"], row["arousal"]]).all()
    assert sum(probabilities(row)) == pytest.approx(1)
    editor = fer_jax.load(tiny_editor.folder)
    smiling = editor.edit(photos / "0.png", aus={"AU12": 1.0})
    assert smiling.size == (16, 16) and not np.array_equal(smiling, editor.edit(photos / "0.png", emotion="sadness"))
    assert fer_jax.load(tiny_space("gaussian", 2).folder).edit(photos / "0.png", point=(0.6, 0.4)).size == (16, 16)
    assert fer_jax.load(tiny_generator.folder).sample(3, seed=1).shape == (3, 16, 16, 1)


def test_what_cannot_be_loaded(tiny, data_dir, tmp_path):
    from tests.inference.runs import untrained
    from tests.micro import micro

    for name, options, says in (
        ("fer2014", {}, "fer2014: no such folder of a run, nor one of fer2013"),
        (tmp_path / "none", {}, "none: no such folder of a run"),
        (tmp_path / "none.npz", {}, "none.npz: cannot be read as packed weights"),
        (tmp_path, {}, "no config.json there, so no run"),
        ("fer2013", {"step": 3}, r"step 3: packed weights \(fer2013\) have one set of weights"),
        (tiny.folder, {"step": 3}, "no checkpoint of step 3; there are 1"),
        (untrained(micro("byol", data_dir), tmp_path / "byol").folder, {}, "a run of byol, .* predicts nothing"),
    ):
        with pytest.raises(UsageError, match=says) as caught:
            fer_jax.load(name, **options)
        assert "\n" not in str(caught.value)
    assert fer_jax.errors.UsageError is UsageError


# ---- what is predicted ----------------------------------------------------------------------------------------------


def test_the_packages_model(recogniser, photos):
    table = recogniser.predict(photos)
    assert isinstance(recogniser, fer_jax.Recogniser) and isinstance(table, fer_jax.Predictions)
    assert [row["file"] for row in table] == [str(photos / f"{i}.png") for i in range(5)]
    for row in table:
        shares = dict(zip(recogniser.classes, probabilities(row), strict=True))
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5) and row["class"] == max(shares, key=shares.get)
        assert row["valence"] is None and row["error"] is None
    assert repr(table).startswith("5 predictions of classifier_fer2013\n")


def test_files_folders_patterns_pil_and_arrays_give_the_same(recogniser, photos):
    table, files = recogniser.predict(photos), sorted(photos.iterdir())
    pil = [Image.open(file) for file in files]
    colour = np.stack([np.asarray(image) for image in pil])
    for sources in (
        files,
        map(str, files),
        f"{photos}/*.png",
        [photos],
        pil,
        colour,
        list(colour),
        colour.astype(np.float32) / 255,
        (colour / 255).astype(np.float64),
        [files[0], pil[1], colour[2], colour[3] / 255, str(files[4])],
    ):
        same(recogniser.predict(sources), table)
    grey = np.stack([np.asarray(image.convert("L")) for image in pil])
    for sources in (grey[..., None], list(grey), [image.convert("L") for image in pil], list(grey / 255)):
        same(recogniser.predict(sources), table)
    same(recogniser.predict(pil[2]), table[2:3])
    same(recogniser.predict(colour[2]), table[2:3])
    assert recogniser.predict(pil[2])[0]["file"] == "image"


def test_a_bad_picture_among_others_is_a_row(recogniser, photos, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    bad = [np.zeros((4, 4, 2), np.uint8), np.full((4, 4), 7.0), np.zeros(3, np.uint8), np.zeros((4, 4), np.int32)]
    table = recogniser.predict([photos / "0.png", *bad, tmp_path / "text.png", tmp_path / "none.png"])
    assert [row["error"] is None for row in table] == [True] + 6 * [False]
    assert table[1]["error"].startswith("an array of shape (4, 4, 2): needed is ") and table[2]["class"] is None
    assert [row["error"] for row in table[5:]] == ["is not a picture", "no such picture"]
    assert all("\n" not in row["error"] for row in table[1:])
    same(table[:1], recogniser.predict(photos)[:1])


def test_no_pictures_are_a_mistake(recogniser, tmp_path):
    for sources in ([], tmp_path, f"{tmp_path}/*.png", np.zeros((0, 8, 8, 3), np.uint8)):
        with pytest.raises(UsageError, match="no pictures") as caught:
            recogniser.predict(sources)
        assert "\n" not in str(caught.value)


def test_saved(recogniser, photos, tmp_path):
    table = recogniser.predict([photos, tmp_path / "none.png"])
    table.save(tmp_path / "faces.csv")
    table.save(tmp_path / "faces.jsonl")
    with (tmp_path / "faces.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    lines = [json.loads(line) for line in (tmp_path / "faces.jsonl").read_text().splitlines()]
    assert [row["class"] or None for row in rows] == [row["class"] for row in lines] == [row["class"] for row in table]
    assert rows[-1]["error"] == "no such picture" == lines[-1]["error"] and rows[0]["error"] == ""


def test_four_threads_get_the_same_rows(photos):
    """Of one object whose programs are compiled while they wait."""
    expected = fer_jax.load("fer2013").predict([photos] * 3)
    shared = fer_jax.load("fer2013")
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: list(shared.predict([photos] * 3)), range(8)))
    for rows in found:
        assert rows == found[0]
        same(rows, expected)


def test_it_is_compiled_once_for_each_batch_size(recogniser, photos):
    recogniser.predict([photos] * 2)
    recogniser.predict(photos / "0.png")
    size = recogniser._compiled._cache_size()
    for sources in (photos, [photos] * 3, photos / "1.png", [photos] * 30):
        recogniser.predict(sources)
    assert recogniser._compiled._cache_size() == size <= 2
