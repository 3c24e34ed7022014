"""The smallest run that goes through everything: a shrunken copy of a config's `:tiny`, here or as a command."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"


def config_names():
    """Every config of the folder: new systems join the contract by being there."""
    return sorted(path.stem for path in CONFIGS.glob("*.py"))


PLAIN = {"warm_up": 0, "d_fr_every": 1, "d_er_every": 1, "gen_every": 1, "n_critic": 1}  # one program for all steps


def micro(name, data_dir, fields=PLAIN, **run):
    """`:tiny` of a config on a handful of pictures of 16 pixels, eight examples a step.

    `fields` of the config are set where it has them: by default so that all steps are of one phase. `run` are fields
    of config.run.
    """
    config = importlib.import_module(f"configs.{name}").get_config("tiny")
    config.data.data_dir = str(data_dir) if data_dir else None
    config.data.update(batch_size=8, eval_batch_size=8, image_size=16)
    for stream in config.data.streams.values():
        free = {"free": True} if stream.options.get("free") else {}
        stream.options = {"image_size": 16, "identities": 6, "pictures": 7, **free}
        for view in (stream.train_view, stream.eval_view):
            view.load_size = view.load_size and 18
        stream.identities = stream.identities and min(stream.identities, 3)
    config.update({key: value for key, value in fields.items() if key in config})
    shrink = {"width": 4, "noise": 2, "blocks": 1, "hidden": 8, "depths": (1, 2), "layers": 2, "embedding": 8}
    shrink |= {"disc_width": 4, "latent": 8}
    shrink |= {"dimensions": 3}  # in 2-D the first derivatives of GANmut's covariances by their angles are 0
    config.model.update({key: value for key, value in shrink.items() if key in config.model})
    length = {"epochs": None, "steps": 4, "log_every": 2, "eval_every": 2, "sample_every": 4, "checkpoint_every": 2}
    config.run.update(sample_rows=2, **length)
    config.run.update(run)
    return config.lock()


def get_config(name):
    """Makes this file a config: --config=tests/micro.py:tdgan, or with pictures of one's own, tdgan@FOLDER."""
    name, _, pictures = name.partition("@")
    config = micro(name, "")
    if pictures:
        with config.unlocked():
            stream = config.data.streams[config.data.evaluate]
            stream.source, stream.path, stream.options = "image_folder", pictures, {}
    return config


def flags(name, workdir, **run):
    """Of `fer_jax.main`; `run` are fields of config.run."""
    fields = [f"--config.run.{field}={value}" for field, value in run.items()]
    return [f"--config=tests/micro.py:{name}", f"--workdir={workdir}", *fields]


def process(data_dir, arguments, command=(sys.executable, "-m", "fer_jax.main")):
    """What `subprocess` takes to start a command as a user does: one device, none of pytest's checks."""
    environment = {"XLA_FLAGS": "", "TFDS_DATA_DIR": str(data_dir), "PYTHON": sys.executable}
    return {"args": [*command, *arguments], "cwd": ROOT, "env": os.environ | environment, "text": True}


def succeeds(data_dir, arguments, **options):
    """Runs a command and returns what it said."""
    done = subprocess.run(**process(data_dir, arguments, **options), capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def rows(workdir):
    """The record, but for what depends on the machine's speed."""
    from fer_jax.report import record

    return [{k: v for k, v in row.items() if not k.startswith("speed/")} for row in record.read(workdir)]


def last_state(name, workdir):
    """The newest checkpoint."""
    from fer_jax.inference.checkpoints import SavedCheckpoints
    from fer_jax.inference.run_folder import read_spec
    from fer_jax.inference.runner import Runner
    from tests.typed import build

    runner = Runner(build(micro(name, ""), read_spec(workdir)), 0, devices=1)
    saved = SavedCheckpoints(workdir)
    return saved.restore(saved.latest, runner.abstract_state())


def assert_equal(one, other):
    """Bit for bit, by name."""
    import jax

    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=jax.tree_util.keystr(path))


def assert_same_gradients(one, other, tolerance):
    """To `tolerance` of each leaf's largest value, read from the optimisers' states, whose moments they make.

    A gradient that is 0 but for rounding, as of a scale before another norm, is held to a part of the net's largest.
    Parameters would not do: Adam's first steps turn gradients into signs, and so rounding into steps of the full rate.
    """
    import jax

    for name, net in one.nets.items():
        mine, theirs = ((n.opt_state, n.stats) for n in (net, other.nets[name]))
        largest = {}
        for path, leaf in jax.tree_util.tree_leaves_with_path(mine):
            largest[_moment(path)] = max(largest.get(_moment(path), 0), np.abs(leaf).max(initial=0))
        for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(mine), jax.tree.leaves(theirs), strict=True):
            scale = max(np.abs(a).max(), ROUNDING * largest[_moment(path)])
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale, err_msg=name + jax.tree_util.keystr(path))


ROUNDING = 1e-2


def _moment(path):
    """Which moment of the optimiser a leaf belongs to: first and second ones are not of one scale."""
    return tuple(str(part) for part in path if str(part).startswith("."))
