"""Samples of a trained generator, and whether they are its training pictures."""

import numpy as np
import pytest
from PIL import Image

from fer_jax.cli import generate
from fer_jax.core.errors import UsageError
from fer_jax.evaluation import neighbours
from fer_jax.inference.loading import open_run
from fer_jax.inference.sampler import Sampler
from tests.inference.runs import changed, untrained
from tests.micro import micro
from tests.typed import open_data


@pytest.fixture(scope="module")
def by_class(data_dir, tmp_path_factory):
    config = changed(micro("dcgan", data_dir), model__conditional=True)
    return untrained(config, tmp_path_factory.mktemp("by_class"))


@pytest.fixture(scope="module")
def of_one(data_dir, tmp_path_factory):
    config = changed(micro("dcgan", data_dir), data__streams__face__only="happiness")
    return untrained(config, tmp_path_factory.mktemp("of_one"))


def test_what_is_written_and_printed(tiny_generator, tmp_path, command, capsys):
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
    sampler = Sampler(open_run(by_class.folder))
    names = sampler.run.spec.classes["expression"]
    asked, rows = generate.classes_to_draw(sampler, None, 10)
    assert rows == names and asked.tolist() == [i for i in range(7) for _ in range(2)]
    out = tmp_path / "out"
    command(generate, f"--workdir={by_class.folder}", "--count=10", "--neighbours=0", f"--out={out}")
    assert [path.name for path in out.iterdir()] == ["samples.png"]
    command(
        generate,
        f"--workdir={by_class.folder}",
        "--expression=happiness",
        "--count=2",
        "--neighbours=0",
        f"--out={out}",
    )
    with Image.open(out / "samples.png") as one:
        assert one.size == (2 * 18 + 2, 20)


def test_neighbours_of_an_expression_show_it(by_class, tmp_path, command, monkeypatch):
    compared = []
    wrapped = neighbours.neighbours
    monkeypatch.setattr(neighbours, "neighbours", lambda *args: compared.append(args[3]) or wrapped(*args))
    out = tmp_path / "out"
    command(generate, f"--workdir={by_class.folder}", "--expression=anger", "--count=2", f"--out={out}")
    table = open_data(by_class.config).tables["face"]["train"]
    anger = table.classes["expression"].index("anger")
    np.testing.assert_array_equal(compared[0], np.flatnonzero(table.labels["expression"] == anger))
    assert (out / "neighbours.png").exists()


def test_a_recogniser_of_ones_own(tiny_generator, tiny_emotion, tmp_path, command, capsys):
    """One that has no features: by pixels alone."""
    flags = [f"--workdir={tiny_generator.folder}", "--count=2", f"--evaluator={tiny_emotion.folder}"]
    command(generate, *flags, f"--out={tmp_path}")
    assert [line.split()[0] for line in capsys.readouterr().out.strip().splitlines()] == ["nearest", "pixels"]


def test_mistakes(tiny, tiny_generator, by_class, of_one, command, tmp_path):
    generator, one = f"--workdir={tiny_generator.folder}", f"--workdir={of_one.folder}"
    for flags, says in (
        ([], "--workdir: missing"),
        ([f"--workdir={tiny.folder}"], "a run of tdgan, which draws no faces from noise"),
        ([generator, "--expression=happiness"], "of all expressions together, and cannot be asked for one"),
        ([one, "--expression=anger"], "'anger' cannot be drawn: .* is a run of happiness alone"),
        ([f"--workdir={by_class.folder}", "--expression=joyless"], "'joyless' is not one of neutral, "),
        ([generator, f"--evaluator={tmp_path / 'none'}"], "--evaluator: .*no run"),
        ([generator, f"--evaluator={tiny_generator.folder}"], "which recognises no expressions"),
    ):
        with pytest.raises(UsageError, match=says):
            command(generate, *flags, f"--out={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()
    assert generate.classes_to_draw(Sampler(open_run(of_one.folder)), "happy", 3)[0].tolist() == [0, 0, 0]
