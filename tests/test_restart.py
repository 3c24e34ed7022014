"""A run that was killed: the same command again, and nothing shows."""

import signal
import subprocess
import time

import pytest

from tests import micro


def kill_in_the_middle(process, workdir, steps):
    """SIGKILL between the first checkpoint and the last step."""
    while not any(path.name.isdigit() for path in workdir.glob("checkpoints/*")):
        assert process.poll() is None, process.stderr.read()[-3000:]
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 0 < micro.rows(workdir)[-1]["step"] < steps


@pytest.mark.slow  # three processes, each of which traces the step and loads its program
def test_killed_and_run_again_is_as_never_killed(uninterrupted, data_dir, tmp_path):
    """Parameters, optimisers and evaluations bit for bit; no row of the record twice, none missing."""
    straight, run = uninterrupted
    killed = tmp_path / "killed"
    command = micro.flags("tdgan", killed, **run)
    with subprocess.Popen(**micro.process(data_dir, command), stderr=subprocess.PIPE) as process:
        kill_in_the_middle(process, killed, run["steps"])
    assert "going on from step" in micro.succeeds(data_dir, command)
    micro.assert_equal(micro.last_state("tdgan", straight), micro.last_state("tdgan", killed))
    assert micro.rows(killed) == micro.rows(straight)
    assert (killed / "eval" / "test.json").read_text() == (straight / "eval" / "test.json").read_text()
