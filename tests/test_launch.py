import os
import subprocess
from pathlib import Path

LAUNCH = Path(__file__).parent.parent / "launch"


def pod(**environment):
    return subprocess.run(
        ["bash", LAUNCH / "tpu_pod.sh", "--config=configs/tdgan.py:raf_db", "--config.seed=1"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/home/x", "DRY_RUN": "1", **environment},
    )


def test_the_pod_script_sets_up_every_host_and_runs_one_command_on_all():
    done = pod(NAME="fer", ZONE="z", TYPE="v4-16", BUCKET="gs://bucket")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "create fer" in lines[0] and "--accelerator-type=v4-16" in lines[0]
    assert all("--worker=all" in line for line in lines[1:])
    assert "FER_JAX_DISTRIBUTED=1" in lines[-1] and "configs/tdgan.py:raf_db" in lines[-1].replace("\\", "")


def test_what_is_not_set_is_named():
    done = pod(NAME="fer")
    assert done.returncode == 2 and "set ZONE" in done.stderr
    local = subprocess.run(["bash", LAUNCH / "local.sh", "two"], capture_output=True, text=True)
    assert local.returncode == 2 and "usage" in local.stderr
