"""What several commands share."""

from types import SimpleNamespace

import pytest

from fer_jax.cli import adjacency, common, transfer
from fer_jax.core.errors import UsageError


def test_names_of_results(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").touch()
    paths = [str(tmp_path / "a/x.png"), str(tmp_path / "b/x.png"), "test:3"]
    assert common.names_of(paths) == ["x-0", "x-1", "test-3"]


def test_tables_are_aligned():
    assert common.aligned([["a", "bb"], ["long", "c"]]) == "a     bb\nlong   c"


def test_what_is_missing_is_named(command):
    for module, says in (
        (transfer, "--workdir: missing; the folder of a TDGAN run"),
        (adjacency, r"--config: missing; e.g. --config=configs/emotion_gcn.py:tiny"),
    ):
        with pytest.raises(UsageError, match=says):
            command(module)


def test_workdirs_are_named_after_the_config(command, tmp_path, monkeypatch):
    found = []

    def define_flags():
        common.define_config()

    def run():
        found.append((str(common.default_workdir()), str(common.default_workdir("-cv")), common.config().system))

    command(SimpleNamespace(__name__="any", define_flags=define_flags, run=run), "--config=configs/tdgan.py:tiny")
    monkeypatch.chdir(tmp_path)  # the library's own, by its bare name
    command(SimpleNamespace(__name__="any", define_flags=define_flags, run=run), "--config=dcgan.py")
    assert found == [
        ("runs/tdgan-tiny", "runs/tdgan-tiny-cv", "tdgan"),
        ("runs/dcgan", "runs/dcgan-cv", "dcgan"),
    ]


def test_a_value_of_the_wrong_type_is_refused(command):
    """By ml_collections or by the parser: never a traceback of another kind."""
    module = SimpleNamespace(__name__="any", define_flags=common.define_config, run=common.config)
    for override, says in (
        ("--config.precision=float16", "config.precision: 'float16' is not one of float32, bfloat16"),
        ("--config.data.channels=2", "config.data.channels: 2 is not one of 1, 3"),
    ):
        with pytest.raises(UsageError, match=says):
            command(module, "--config=configs/tdgan.py:tiny", override)
