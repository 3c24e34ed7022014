"""Samples of a trained generator, and whether they are its training pictures."""

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import common, generate
from fer_jax.core.errors import UsageError
from tests.cli.conftest import untrained
from tests.micro import micro


@pytest.fixture(scope="module")
def by_class(data_dir, tmp_path_factory):
    config = micro("dcgan", data_dir)
    with config.unlocked():
        config.model.conditional = True
    return untrained(config, tmp_path_factory.mktemp("by_class"))


@pytest.fixture(scope="module")
def of_one(data_dir, tmp_path_factory):
    config = micro("dcgan", data_dir)
    with config.unlocked():
        config.data.streams.face.only = "happiness"
    return untrained(config, tmp_path_factory.mktemp("of_one"))


def test_what_is_written_and_said(tiny_generator, tmp_path, command, capsys):
    out = tmp_path / "out"
    command(generate, f"--workdir={tiny_generator.folder}", "--count=5", "--single", f"--out={out}")
    singles = [f"sample_{i:04d}.png" for i in range(5)]
    assert sorted(p.name for p in out.iterdir()) == [
        "neighbours.png",
        "real_and_generated.png",
        *singles,
        "samples.png",
    ]
    with Image.open(out / "samples.png") as sheet, Image.open(out / "sample_0003.png") as one:
        assert sheet.size == (5 * 18 + 2, 20) and one.size == (16, 16)
        assert np.array_equal(np.asarray(sheet.convert("L"))[2:18, 2 + 3 * 18 :][:, :16], one)
    header, pixels, features = capsys.readouterr().out.strip().splitlines()
    assert header.endswith("quotient") and pixels.startswith("pixels")
    assert features.startswith("face_evaluator features")
    samples, real, quotient = map(float, pixels.split()[-3:])
    assert quotient == pytest.approx(samples / real, rel=0.01) and quotient > 1  # random weights draw no faces


def test_a_row_a_class_and_a_vector_a_column(by_class, tmp_path, command):
    trained = common.open_workdir(by_class.folder, step=None)
    names = trained.spec.classes["expression"]
    asked, rows = generate.classes_asked(trained, "", 10)
    assert rows == names and asked.tolist() == [i for i in range(7) for _ in range(2)]
    out = tmp_path / "out"
    command(generate, f"--workdir={by_class.folder}", "--count=10", "--neighbours=0", f"--out={out}")
    assert [path.name for path in out.iterdir()] == ["samples.png"]
    command(generate, f"--workdir={by_class.folder}", "--expression=joy", "--count=2", "--neighbours=0", f"--out={out}")
    with Image.open(out / "samples.png") as one:
        assert one.size == (2 * 18 + 2, 20)


def test_neighbours_of_an_expression_show_it(by_class, tmp_path, command, monkeypatch):
    looked = []
    wrapped = generate.neighbours
    monkeypatch.setattr(generate, "neighbours", lambda *args: looked.append(args[3]) or wrapped(*args))
    out = tmp_path / "out"
    command(generate, f"--workdir={by_class.folder}", "--expression=anger", "--count=2", f"--out={out}")
    from fer_jax.data import open_data

    table = open_data(by_class.config).tables["face"]["train"]
    anger = table.classes["expression"].index("anger")
    np.testing.assert_array_equal(looked[0], np.flatnonzero(table.labels["expression"] == anger))
    assert (out / "neighbours.png").exists()


def test_a_recogniser_of_ones_own(tiny_generator, tiny_emotion, tmp_path, command, capsys):
    """One that has no features: by pixels alone."""
    flags = [f"--workdir={tiny_generator.folder}", "--count=2", f"--judge={tiny_emotion.folder}"]
    command(generate, *flags, f"--out={tmp_path}")
    assert [line.split()[0] for line in capsys.readouterr().out.strip().splitlines()] == ["nearest", "pixels"]


def test_nearest_in_chunks(monkeypatch):
    """As by looking at all of them at once; a copy of a training picture lies at 0."""
    monkeypatch.setattr(generate, "_CHUNK", 7)
    rng = np.random.default_rng(0)
    training, samples = rng.uniform(size=(30, 4, 4, 1)), rng.uniform(size=(5, 4, 4, 1))
    samples[2] = training[17]
    positions = np.arange(1, 30)
    found = generate.neighbours(
        {"samples": samples, "held_out": samples[:2]},
        {"pixels": lambda x: x.reshape(len(x), -1), "means": lambda x: x.mean((1, 2))},
        lambda chosen: training[chosen],
        positions,
        3,
    )
    apart = np.sqrt(((samples[:, None] - training[1:]) ** 2).mean((2, 3, 4)))
    order = np.argsort(apart, 1)[:, :3]
    nearest = found["samples", "pixels"]
    np.testing.assert_array_equal(nearest.positions, order + 1)
    np.testing.assert_allclose(nearest.distances, np.take_along_axis(apart, order, 1), atol=1e-7)
    assert nearest.positions[2, 0] == 17 and nearest.distances[2, 0] < 1e-6
    rows = generate.table(found)
    assert [row[0] for row in rows[1:]] == ["pixels", "means"]
    assert rows[1][1:3] == [f"{apart.min(1).mean():.4f}", f"{apart[:2].min(1).mean():.4f}"]


def test_a_generator_that_repeats_what_it_saw_is_noticed():
    rng = np.random.default_rng(0)
    training = rng.uniform(size=(40, 4, 4, 1))
    pictures = {
        "samples": training[::5] + 0.01 * rng.normal(size=(8, 4, 4, 1)),
        "held_out": rng.uniform(size=(8, 4, 4, 1)),
    }
    encoders = {"pixels": lambda x: x.reshape(len(x), -1)}
    found = generate.neighbours(pictures, encoders, lambda chosen: training[chosen], np.arange(40), 1)
    assert float(generate.table(found)[1][3]) < 0.1


def test_mistakes(tiny, tiny_generator, by_class, of_one, command, tmp_path):
    generator, one = f"--workdir={tiny_generator.folder}", f"--workdir={of_one.folder}"
    for flags, says in (
        ([], "--workdir: missing"),
        ([f"--workdir={tiny.folder}"], "a run of tdgan, which draws nothing from noise"),
        ([generator, "--expression=happiness"], "of all expressions together, and cannot be asked for one"),
        ([one, "--expression=anger"], "'anger' cannot be drawn: .* is a run of happiness alone"),
        ([f"--workdir={by_class.folder}", "--expression=joyless"], "'joyless' is not one of neutral, "),
        ([generator, f"--judge={tmp_path / 'none'}"], "--judge: .*no run"),
        ([generator, f"--judge={tiny_generator.folder}"], "which recognises no expressions"),
    ):
        with pytest.raises(UsageError, match=says):
            command(generate, *flags, f"--out={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()
    trained = common.open_workdir(of_one.folder, step=None)
    assert generate.classes_asked(trained, "happy", 3)[0].tolist() == [0, 0, 0]
