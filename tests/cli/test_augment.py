"""Faces made of a classifier's training pictures, as a command."""

import pytest

from fer_jax.cli import augment
from fer_jax.core.errors import UsageError
from fer_jax.data import generated
from tests.inference.runs import untrained
from tests.micro import micro

CONFIG = "--config=tests/micro.py:classifier"


@pytest.fixture(scope="module")
def editor(data_dir, tmp_path_factory):
    return untrained(micro("ganmut", data_dir), tmp_path_factory.mktemp("ganmut")).folder


@pytest.fixture
def flags(editor, data_dir):
    return [f"--workdir={editor}", CONFIG, f"--config.data.data_dir={data_dir}", "--size=16"]


def test_every_flag_counts(flags, tmp_path, command, capsys):
    out = tmp_path / "a"
    command(augment, *flags, f"--out={out}", "--count=2", "--limit=3", "--batch_size=5", "--seed=4")
    manifest = generated.read_manifest(out)
    made = sorted(str(path.relative_to(out)) for path in out.rglob("*.png"))
    assert made == sorted(generated.augmented_file(i, k) for i in range(3) for k in (0, 1))
    settings = {"points": "own", "seed": 4, "count": 2, "limit": 3, "radius": 0.2, "system": "ganmut", "step": 1}
    assert manifest.kind == "augment" and manifest.size == 16 and settings.items() <= manifest.settings.items()
    assert ["all", "6"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    command(augment, *flags, f"--out={tmp_path / 'b'}", "--expand", "--limit=2", "--radius=0.1")
    manifest = generated.read_manifest(tmp_path / "b")
    assert manifest.kind == "expand" and manifest.settings["radius"] == 0.1
    assert "left out by the rule of frequencies" in capsys.readouterr().out


def test_mistakes(command, editor, flags, tiny, tmp_path):
    out = f"--out={tmp_path / 'a'}"
    for given, says in (
        ([CONFIG, out], "--workdir: missing"),
        ([f"--workdir={editor}", CONFIG], "--out: missing"),
        ([f"--workdir={editor}", out], "--config: missing"),
        ([*flags, out, f"--workdir={tiny.folder}"], "a run of tdgan, which edits nothing"),
    ):
        with pytest.raises(UsageError, match=says):
            command(augment, *given)
    assert not (tmp_path / "a").exists()
