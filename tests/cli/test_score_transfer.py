"""The judge is another run, sees every test picture once, and is asked about the right pictures."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from fer_jax.cli import common
from fer_jax.cli import score_transfer as judge
from fer_jax.core.errors import UsageError
from tests.cli.conftest import untrained


@pytest.fixture(scope="module")
def other(tiny_config, tmp_path_factory):
    return untrained(tiny_config(), tmp_path_factory.mktemp("judge"))


def test_figures(tiny, other, command, capsys):
    command(judge, f"--workdir={tiny.folder}", f"--judge={other.folder}")
    saved = json.loads((tiny.folder / "eval" / "judged.json").read_text())
    printed = capsys.readouterr().out
    assert saved["judge"] == str(other.folder) and saved["judge_step"] == 1
    for kind in judge.PICTURES:
        assert saved[kind]["examples"] == 7  # one person's pictures
        assert f"{saved[kind]['accuracy']:.4f}" in printed


@pytest.mark.slow
def test_what_is_judged(tiny, other):
    """The expression pictures' logits are those of the judge's own evaluation; the other kinds' differ from them."""
    from fer_jax.data import open_data

    trained, judging = (common.open_workdir(t.folder, step=None) for t in (tiny, other))
    data = open_data(trained.config)
    found = judge.answers(trained, judging, data)
    batch = next(iter(data.evaluate("test")))
    image, mask = jnp.asarray(batch["expression"]["image"]), batch["mask"]["mask"]
    expected = judging.system.answer(judging.state, image)["logits"][mask]
    np.testing.assert_allclose(found["expression"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found["label"], batch["expression"]["expression"][mask])
    assert not np.allclose(found["generated"], expected) and not np.allclose(found["face"], found["generated"])


def test_no_judge_of_itself_nor_of_other_pictures(tiny, tiny_emotion):
    trained = common.open_workdir(tiny.folder, step=None)
    with pytest.raises(UsageError, match="is the run to be judged"):
        judge.check(trained, trained)
    with pytest.raises(UsageError, match="takes pictures of size 16, the run to be judged makes 32"):
        judge.check(trained, common.open_workdir(tiny_emotion.folder, step=None))
