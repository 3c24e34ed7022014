"""Made faces take their pictures' places in training, or join them, and nowhere else."""

import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from fer_jax.core.errors import UsageError
from fer_jax.data import generated
from tests.micro import micro
from tests.typed import open_data

SIDE = 16


@pytest.fixture
def make(data_dir, tmp_path):
    """(kind, files with their grey level, ...) -> a config of the classifier with a folder of such faces."""

    def made(kind, faces, *, probability=1.0, system="classifier", stream="face", finished=True, size=SIDE, **data):
        config = micro(system, data_dir)
        table = open_data(config, training=False).tables["face"]["train"]
        folder = tmp_path / "made"
        entries = []
        for (index, number), level in faces.items():
            label = number if kind == "expand" else "neutral"
            name = (generated.expanded_file if kind == "expand" else generated.augmented_file)(index, number)
            generated.put(folder / name, png(level))
            entries.append(generated.Entry(name, index, label, "ok"))
        entries.append(generated.Entry("1/1_9.png", 1, "neutral", "failed", "no face found"))
        generated.put(folder / generated.PICTURES, generated.lines_of(entries))
        manifest = generated.Manifest(kind, finished, size, {**table.fingerprint(), **data}, {"neutral": 2})
        generated.put(folder / generated.MANIFEST, json.dumps(dataclasses.asdict(manifest)).encode())
        with config.unlocked():
            config.data.streams[stream].generated.update(folder=str(folder), probability=probability)
            for view in (config.data.streams[stream].train_view, config.data.streams[stream].eval_view):
                view.augment = None  # the picture as it is
        return config

    return made


def png(level, size=SIDE):
    buffer = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), level, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def seen(config, epochs, stream="face"):
    """Position -> what training saw of it, epoch by epoch: the level of a made face, None for any other picture."""
    data = open_data(config)
    per_epoch, shown = data.plan.steps_per_epoch, {}
    for step, batch in enumerate(data.train(0, epochs * per_epoch)):
        positions = data.plan.positions(step)[stream]
        for position, image in zip(positions, batch[stream]["image"], strict=True):
            level = None if image.std() > 1e-3 else round(float(image.mean()) * 255)
            shown.setdefault(int(position), []).append(level)
    return shown


FACES = {(0, 0): 10, (0, 1): 20, (0, 2): 30, (7, 0): 40}


def test_a_made_face_takes_the_place_of_its_picture(make):
    shown = seen(make("augment", FACES), epochs=12)
    assert set(shown[0]) == {10, 20, 30} and set(shown[7]) == {40}  # each of them in some epoch, never the picture
    assert {level for position, levels in shown.items() if position not in (0, 7) for level in levels} == {None}


def test_probability(make):
    shown = seen(make("augment", FACES, probability=0.5), epochs=40)
    replaced = [level is not None for position in (0, 7) for level in shown[position]]
    assert 0.25 < np.mean(replaced) < 0.75
    assert {None} == set(seen(make("augment", FACES, probability=0.0), epochs=5)[0])


def test_chance_is_the_runs_and_the_examples(make):
    config = make("augment", FACES, probability=0.5)
    data = open_data(config)
    whole = [batch["face"]["image"] for batch in data.train(0, 20)]
    for first in (7, 15):  # resumed
        for step, batch in enumerate(data.train(first, 20), first):
            np.testing.assert_array_equal(batch["face"]["image"], whole[step])
    drawn = [[data.generated["face"].chosen(0, counter, seed) for counter in range(60)] for seed in (0, 1)]
    assert set(drawn[0]) == set(drawn[1]) == {None, "0/0_0.png", "0/0_1.png", "0/0_2.png"} and drawn[0] != drawn[1]


def test_hosts_see_the_same(make):
    from fer_jax.data import pipeline

    data = open_data(make("augment", FACES, probability=0.5))
    streams = data._streams("train", training=True)

    def images(shard):
        batches = pipeline.train_batches(streams, data.plan, first_step=0, last_step=8, shard=shard)
        return np.stack([batch["face"]["image"] for batch in batches])

    halves = [images(pipeline.Shard(host, 2)) for host in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(halves, 1), images(pipeline.ALONE))


def test_evaluation_never_sees_them(make):
    whole = {(index, 0): 99 for index in range(20)}
    data = open_data(make("augment", whole))
    for split in ("train", "validation", "test"):
        assert all(image.std() > 1e-3 for batch in data.evaluate(split) for image in batch["face"]["image"])
    assert open_data(make("augment", whole), training=False).generated == {}


def test_further_examples(make):
    table = open_data(make("augment", {})).tables["face"]["train"]
    names, alone = table.classes["expression"], len(table)
    data = open_data(make("expand", {(0, names[2]): 10, (3, names[2]): 20, (3, names[1]): 30}))
    assert data.plan.lengths == {"face": alone + 3} and data.spec.steps_per_epoch == -(-(alone + 3) // 8)
    labels = {}
    for batch in data.train(0, data.plan.steps_per_epoch):
        for image, label in zip(batch["face"]["image"], batch["face"]["expression"], strict=True):
            if image.std() < 1e-3:
                labels[round(float(image.mean()) * 255)] = int(label)
    assert labels == {10: 2, 20: 2, 30: 1}
    assert sum(batch["mask"]["mask"].sum() for batch in data.evaluate("train")) == alone


def test_views_of_byol(make):
    config = make("augment", FACES, system="byol", stream="view")
    assert set(seen(config, 8, stream="view")[0]) == {10, 20, 30}
    assert set(seen(config, 2, stream="face")[0]) == {None}
    names = open_data(config).tables["face"]["train"].classes["expression"]
    with pytest.raises(UsageError, match="expression only; the stream has none"):
        open_data(make("expand", {(0, names[0]): 10}, system="byol", stream="view"))
    with pytest.raises(UsageError, match="face and view hold the same pictures side by side"):
        open_data(make("expand", {(0, names[0]): 10}, system="byol", stream="face"))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"finished": False}, "is incomplete; run the command"),
        ({"name": "celeba"}, r"made for another data set .*name: celeba there, rendered_faces now"),
        ({"hash": "0"}, "another data set or training split .*hash: 0 there"),
        ({"rows": 5}, "rows: 5 there"),
        ({"probability": 1.5}, r"face\.generated\.probability: 1.5 is not between 0 and 1"),
    ],
)
def test_folders_that_do_not_fit(make, changed, says):
    with pytest.raises(UsageError, match=says):
        open_data(make("augment", FACES, **changed))


def test_other_folders_that_do_not_fit(make, tmp_path):
    config = make("augment", FACES)
    field = config.data.streams.face.generated
    for change, says in (
        ({"kind": "expand"}, "is of the kind 'augment', this config needs 'expand'"),
        ({"kind": "more"}, "kind: 'more' is not one of augment, expand"),
        ({"folder": str(tmp_path / "none")}, "no manifest.json in"),
        ({"folder": "", "kind": "expand"}, "folder: missing, and this config needs one; .* with --expand"),
    ):
        before = field.to_dict()
        field.update(change)
        with pytest.raises(UsageError, match=says):
            open_data(config)
        field.update(before)
    with pytest.raises(UsageError, match="'smile' is no class; rendered_faces has"):
        open_data(make("expand", {(0, "smile"): 10}))
    with pytest.raises(UsageError, match=r"0/100000_0.png is of no picture of the"):
        open_data(make("augment", {(100000, 0): 10}))
    (tmp_path / "made" / generated.MANIFEST).write_text("{}")
    with pytest.raises(UsageError, match=r"manifest.json: cannot be read"):
        open_data(config)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "cannot be read: No such file"),
        (png(1, 20), "has 20 x 20 pixels; manifest.json says 16 x 16"),
        (png(1)[:-5], "is not a whole PNG file"),
    ],
)
def test_bad_pictures_are_one_line(make, tmp_path, data, says):
    config = make("augment", {(index, 0): 10 for index in range(8)})
    for index in range(8):
        file = tmp_path / "made" / f"{index}/{index}_0.png"
        file.unlink() if data is None else file.write_bytes(data)
    opened = open_data(config)
    with pytest.raises(UsageError, match=says):
        list(opened.train(0, opened.plan.steps_per_epoch))


def test_the_log_says_the_rate(make, caplog):
    caplog.set_level("INFO")
    rows = len(open_data(make("augment", FACES, probability=0.8)).tables["face"]["train"])
    share = 2 / rows
    assert f"{100 * share:.1f} % of the {rows} pictures have any, with probability 0.8" in caplog.text
    assert f": {80 * share:.1f} % of what training sees" in caplog.text


@pytest.mark.parametrize("variant", ["augmented", "expanded", "study_augmented", "study_expanded"])
def test_variants_say_what_is_missing(variant):
    from configs import classifier

    with pytest.raises(UsageError, match=r"streams\.face\.generated\.folder: missing"):
        open_data(classifier.get_config(variant))
