"""Scores how well TDGAN transfers expressions, by a recogniser that had no part in its training: another run's.

fer-jax train --config=tdgan.py:tiny --workdir=runs/evaluator --config.seed=7 --config.run.steps=1400
fer-jax score-transfer --workdir=runs/tdgan-tiny --evaluator=runs/evaluator

Every test picture of the expression stream is put on a face of the other stream, one after another. The table has how
often the evaluator names the expression in the test picture itself, in the generated one, and in the face as it was,
which is the figure that transferring nothing would get. A run's own recognisers would be biased, since the generator
learned to please them. An evaluator of the same kind and data can still share some of their weaknesses.
"""

import json

from absl import flags, logging

from fer_jax.cli import common
from fer_jax.core.errors import UsageError


def define_flags() -> None:
    """The flags."""
    flags.DEFINE_string("workdir", None, "Folder of the TDGAN run to be scored.")
    flags.DEFINE_string("evaluator", None, "Folder of a run that recognises expressions in such pictures.")
    flags.DEFINE_integer("step", None, "The scored checkpoint's step; default: the selected one.")
    flags.DEFINE_integer("seed", 0, "Seed of the noise.")


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    folder = common.required("workdir", "--workdir and --evaluator are needed, see --help")
    judging = common.required("evaluator", "--workdir and --evaluator are needed, see --help")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.core.metrics import classification
    from fer_jax.data.opening import open_data
    from fer_jax.evaluation import transfer
    from fer_jax.inference.loading import open_run

    loaded = open_run(folder, step=given.step, only=("tdgan",))
    evaluator = open_run(judging)
    transfer.check(loaded, evaluator)
    found = transfer.logits(loaded, evaluator, open_data(loaded.config), seed=given.seed)
    classes = loaded.spec.classes["expression"]
    figures = {kind: classification(found[kind], found["label"], classes) for kind in transfer.PICTURES}
    names = ("accuracy", "macro_f1", "cross_entropy")
    rows = [[kind, *(f"{figures[kind][name]:.4f}" for name in names)] for kind in transfer.PICTURES]
    print(common.aligned([["the evaluator is given", *names], *rows]))
    path = folder / "eval" / "transfer.json"
    about = {"step": loaded.step, "evaluator": str(judging), "evaluator_step": evaluator.step, "classes": classes}
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**about, **figures}, indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
    logging.info("written: %s", path)
