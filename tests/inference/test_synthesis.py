"""Faces made by an editor with random weights: where, of what, and the same after any interruption."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli.augment import summary
from fer_jax.core.errors import UsageError
from fer_jax.data import generated
from fer_jax.inference import synthesis
from fer_jax.inference.editor import Editor
from fer_jax.inference.loading import open_run
from fer_jax.inference.synthesis import Settings, synthesise
from tests.inference.runs import changed, untrained
from tests.micro import micro
from tests.typed import open_data, typed


@pytest.fixture(scope="module")
def editor(data_dir, tmp_path_factory):
    return Editor(open_run(untrained(micro("ganmut", data_dir), tmp_path_factory.mktemp("ganmut")).folder))


@pytest.fixture
def make(editor, data_dir, tmp_path):
    """(out, settings): the faces of a classifier's pictures; returns the folder."""

    def made(out, editor=editor, **settings):
        config = typed(micro("classifier", data_dir))
        synthesise(editor, config, tmp_path / out, Settings(size=16, **settings))
        return tmp_path / out

    return made


def table(data_dir):
    return open_data(micro("classifier", data_dir), training=False).tables["face"]["train"]


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


def test_faces_of_the_own_expression(make, data_dir):
    out = make("a", count=2, batch_size=5)
    rows = table(data_dir)
    made, manifest = files(out), generated.read_manifest(out)
    assert sorted(made) == sorted(generated.augmented_file(i, k) for i in range(len(rows)) for k in (0, 1))
    assert manifest.finished and sum(manifest.made.values()) == len(made) and not manifest.failed
    names = rows.classes["expression"]
    assert manifest.made == {names[i]: 2 * n for i, n in enumerate(np.bincount(rows.labels["expression"])) if n}
    with Image.open(out / "0/0_0.png") as one, Image.open(out / "0/0_1.png") as other:
        assert one.size == (16, 16) and one.mode == "RGB"
        assert np.abs(np.asarray(one, int) - np.asarray(other, int)).max() > 0  # at another point
    config = changed(micro("classifier", data_dir))
    config.data.streams.face.generated.update(folder=str(out), kind="augment")
    assert len(open_data(config).generated["face"].own) == len(rows)


def test_it_goes_on_where_it_stopped(make, monkeypatch):
    whole = make("whole", count=2, batch_size=4)
    write, count = synthesis.Maker._write, []

    def breaks(self, job, picture):
        count.append(job)
        if len(count) > 13:
            raise KeyboardInterrupt
        return write(self, job, picture)

    monkeypatch.setattr(synthesis.Maker, "_write", breaks)
    with pytest.raises(KeyboardInterrupt):
        make("part", count=2, batch_size=4)
    monkeypatch.setattr(synthesis.Maker, "_write", write)
    part = whole.parent / "part"
    assert not generated.read_manifest(part).finished and 0 < len(generated.read_entries(part)) < len(files(whole))
    with open(part / generated.PICTURES, "ab") as lines:
        lines.write(b'{"file": "0/0_')  # as a crash leaves it
    first = sorted(generated.read_entries(part))[0]
    before = (part / first).stat().st_mtime_ns
    make("part", count=2, batch_size=4)
    assert files(part) == files(whole) and generated.read_manifest(part) == generated.read_manifest(whole)
    assert (part / first).stat().st_mtime_ns == before  # not made again
    make("part", count=3, batch_size=4)  # more of each
    assert files(part).items() > files(whole).items() and len(files(part)) == len(files(whole)) * 3 // 2


def test_further_examples(make, data_dir):
    out, rows = make("more", kind="expand", limit=20), table(data_dir)
    names, shown = rows.classes["expression"], rows.labels["expression"]
    made, manifest = files(out), generated.read_manifest(out)
    places = {(name.split("/")[0], int(name.split("/")[1].removesuffix(".png"))) for name in made}
    assert all(names[shown[index]] != label for label, index in places)  # never its own
    assert len(made) + manifest.skipped == 20 * (len(names) - 1) and manifest.skipped > 0
    assert {label for label, _ in places} == set(names) and max(index for _, index in places) == 19


def test_rare_classes_gain_the_most():
    around = {name: (np.zeros(2), np.ones(2)) for name in ("happiness", "fear", "neutral")}
    shown = ["happiness"] * 700 + ["neutral"] * 200 + ["fear"] * 100
    shares = {"happiness": 0.7, "fear": 0.1, "neutral": 0.2}
    jobs = list(synthesis.expand_jobs(shown, around, shares, seed=0))
    assert len(jobs) == 2 * len(shown)
    made = {name: sum(job is not None and job.label == name for job in jobs) for name in around}
    for name, share in shares.items():
        others = len(shown) * (1 - share)
        assert made[name] == pytest.approx(others * (1 - share), abs=4 * (others * share * (1 - share)) ** 0.5)


def test_points_lie_in_the_boxes():
    own = {"Happy": np.array([0.95, 0.0]), "sadness": np.array([-0.5, -0.5])}
    around = synthesis.boxes(("sadness", "happiness"), own, 0.2, (-1.0, 1.0))
    np.testing.assert_allclose(around["happiness"], [[0.75, -0.2], [1.0, 0.2]])  # cut; found by its other name
    points = np.array([job.point for job in synthesis.augment_jobs(["sadness"] * 200, around, 5, seed=0)])
    assert points.min() >= -0.7 and points.max() <= -0.3
    np.testing.assert_allclose(points.mean(0), -0.5, atol=0.02)
    assert len(np.unique(points, axis=0)) == 1000  # new each time
    again = [job.point for job in synthesis.augment_jobs(["sadness"] * 200, around, 2, seed=0)]
    np.testing.assert_array_equal(again, points.reshape(200, 5, 2)[:, :2].reshape(-1, 2))
    with pytest.raises(UsageError, match="has no point of fear; it has Happy, sadness"):
        synthesis.boxes(("fear",), own, 0.2, (-1.0, 1.0))


def test_published_points():
    around = synthesis.published_boxes(("Angry", "disgust"), 0.2, 2)
    np.testing.assert_allclose(around["Angry"], [[0.4, -0.9], [0.8, -0.7]])  # no lower half
    np.testing.assert_allclose(around["disgust"], [[-0.9, -1.0], [-0.5, -0.8]])
    with pytest.raises(UsageError, match="points of a plane, and the system has 3 controls"):
        synthesis.published_boxes(("anger",), 0.2, 3)
    with pytest.raises(UsageError, match="there is none of contempt"):
        synthesis.published_boxes(("contempt",), 0.2, 2)


class Damaged:
    """A table whose third record is no picture."""

    def __init__(self, rows):
        self.rows, self.records = rows, rows.records

    def read(self, positions):
        (record,) = self.rows.read(positions)
        return [record.replace(b"PNG", b"GNP") if positions[0] == 2 else record]


def test_what_cannot_be_made(data_dir, tmp_path):
    rows, dark = table(data_dir), []

    def detector(photograph):
        dark.append(photograph.shape)
        return () if len(dark) == 1 else ((0, 0, 9, 9),)

    source = synthesis.Source(Damaged(rows), 16, 3, detector)
    around = {"happiness": (np.zeros(2), np.ones(2))}
    maker = synthesis.Maker(source, lambda pictures, points: pictures, tmp_path, 16, 2, {})
    maker.make(synthesis.augment_jobs(["happiness"] * 4, around, 2, seed=0), 8)
    failed = {entry.index: entry.reason for entry in maker.done.values() if entry.status == "failed"}
    assert failed.pop(2) == "cannot be decoded: UnidentifiedImageError" and list(failed.values()) == ["no face found"]
    assert len(files(tmp_path)) == 4 and dark[0] == (16, 16, 3)
    manifest = generated.finish(
        tmp_path, generated.Manifest("augment", False, 16, {"name": "x", "rows": 4}), maker.done, 0
    )
    assert manifest.failed == {"cannot be decoded: UnidentifiedImageError": 2, "no face found": 2}
    assert "4 failed\n  2 cannot be decoded" in summary(manifest)
    tried = len(dark)
    maker.make(synthesis.augment_jobs(["happiness"] * 4, around, 2, seed=0), 8)
    assert len(dark) == tried  # what failed is not tried again


def test_grey_data_is_saved_grey():
    encoded = synthesis.encode(np.random.default_rng(0).uniform(0, 1, (32, 32, 3)).astype(np.float32), 48, grey=True)
    with Image.open(io.BytesIO(encoded)) as image:
        assert image.mode == "L" and image.size == (48, 48)


def test_mistakes(make, tmp_path):
    out = make("a", count=1, limit=2)
    for settings, says in (
        ({"radius": 0.1}, r"radius \(0.2 there, 0.1 now\)"),
        ({"seed": 1}, r"seed \(0 there, 1 now\)"),
        ({"kind": "expand"}, r"kind \(augment there, expand now\)"),
        ({"points": "published"}, "points of a plane, and the system has 3 controls"),
    ):
        with pytest.raises(UsageError, match=says):
            make("a", **{"count": 1, "limit": 2, **settings})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"is not empty, and has no manifest.json"):
        make("full")
    manifest = json.loads((out / generated.MANIFEST).read_text())
    manifest["settings"]["step"] = 5
    (out / generated.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match=r"step \(5 there, 1 now\)"):
        make("a", count=1, limit=2)
