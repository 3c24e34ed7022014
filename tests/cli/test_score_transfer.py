"""Scores of transfers as a command."""

import json

import pytest

from fer_jax.cli import score_transfer
from fer_jax.core.errors import UsageError
from fer_jax.evaluation.transfer import PICTURES
from tests.inference.runs import untrained


def test_figures(tiny, tiny_config, tmp_path, command, capsys):
    other = untrained(tiny_config(), tmp_path).folder
    command(score_transfer, f"--workdir={tiny.folder}", f"--evaluator={other}")
    saved = json.loads((tiny.folder / "eval" / "transfer.json").read_text())
    printed = capsys.readouterr().out
    assert saved["evaluator"] == str(other) and saved["evaluator_step"] == 1
    for kind in PICTURES:
        assert saved[kind]["examples"] == 7  # one person's pictures
        assert f"{saved[kind]['accuracy']:.4f}" in printed


def test_mistakes(tiny, command):
    for flags, says in (
        ([f"--evaluator={tiny.folder}"], "--workdir: missing"),
        ([f"--workdir={tiny.folder}"], "--evaluator: missing"),
        ([f"--workdir={tiny.folder}", f"--evaluator={tiny.folder}"], "is the run to be scored; train another one"),
    ):
        with pytest.raises(UsageError, match=says):
            command(score_transfer, *flags)
