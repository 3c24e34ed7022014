"""A run that was killed, or whose disk was full: the same command again, and nothing shows."""

import signal
import subprocess
import time

import pytest

from tests import disks, micro


def kill_in_the_middle(process, workdir, steps):
    """SIGKILL between the first checkpoint and the last step."""
    while not any(path.name.isdigit() for path in workdir.glob("checkpoints/*")):
        assert process.poll() is None, process.stderr.read()[-3000:]
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 0 < micro.rows(workdir)[-1]["step"] < steps


def goes_on_as_if_nothing_had_been(name, data_dir, workdir, uninterrupted):
    """Parameters, optimisers and evaluations bit for bit; no row of the record or of log.csv twice, none missing."""
    straight, run = uninterrupted(name)
    assert "going on from step" in micro.succeeds(data_dir, micro.flags(name, workdir, **run))
    micro.assert_equal(micro.last_state(name, straight), micro.last_state(name, workdir))
    assert micro.rows(workdir) == micro.rows(straight)
    for file in ("eval/test.json", "log.csv"):
        assert (workdir / file).exists() == (straight / file).exists()
        assert not (straight / file).exists() or (workdir / file).read_text() == (straight / file).read_text()


# All are slow since every process traces the step and loads its program, which takes half a minute.


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tdgan", "au_cyclegan"])
def test_killed_and_run_again(name, uninterrupted, data_dir, tmp_path):
    workdir, (straight, run) = tmp_path / "run", uninterrupted(name)
    assert (straight / "eval/test.json").exists() and (straight / "log.csv").exists() == (name == "au_cyclegan")
    command = micro.process(data_dir, micro.flags(name, workdir, **run))
    with subprocess.Popen(**command, stderr=subprocess.PIPE) as process:
        kill_in_the_middle(process, workdir, run["steps"])
    goes_on_as_if_nothing_had_been(name, data_dir, workdir, uninterrupted)


@pytest.mark.slow
def test_full_disk_and_run_again(uninterrupted, data_dir, tmp_path):
    before, disk, copy = disks.small(tmp_path, "100m", fill="run/checkpoints/[1-9]")
    command = micro.process(data_dir, micro.flags("tdgan", disk / "run", **uninterrupted("tdgan")[1]))
    done = subprocess.run(**command | {"args": [*before, *command["args"]]}, capture_output=True)
    errors = [line for line in done.stderr.splitlines() if not line[0].isdigit()]  # log lines begin with the time
    assert done.returncode == 1 and len(errors) == 1 and errors[0].startswith("error: "), done.stderr
    assert "No space left on device" in errors[0] and "make room and run the same command again" in errors[0]
    goes_on_as_if_nothing_had_been("tdgan", data_dir, copy / "run", uninterrupted)
