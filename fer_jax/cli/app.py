"""The console command.

fer-jax train --config=tdgan.py:tiny
fer-jax predict my_photos/ --out=table.csv
"""

import importlib
import sys
from typing import NoReturn

from fer_jax.cli.command import BAD_USAGE, call

COMMANDS = {
    "train": "train a system, or go on with a run",
    "eval": "score a run's checkpoint on a split",
    "sample": "draw a run's sample sheet anew",
    "predict": "name the expression in pictures: a table",
    "edit": "edit faces by action units, an expression or a point",
    "generate": "draw faces from noise",
    "space": "show the space of expressions that GANmut learned",
    "transfer": "put one picture's expression on another's face (TDGAN)",
    "interpolate": "blend two faces or expressions (TDGAN)",
    "prepare": "prepare a config's data sets, and report what is in them",
    "labels": "count the classes of a config's data",
    "adjacency": "correlate classes with valence and arousal (Emotion-GCN's graph)",
    "download-images": "fetch the pictures of a list of addresses",
    "augment": "make faces of training pictures with an editor",
    "compare": "train a config under several settings and seeds",
    "cross-validate": "subject-independent k-fold cross-validation",
    "per-expression": "train one generator for each expression",
    "tune": "search hyper-parameters with Optuna",
    "ensemble": "score classifiers alone and together",
    "embed": "t-SNE of a run's features",
    "score-transfer": "score TDGAN's transfers by an independent run",
    "import-torch": "weights of a reference implementation in and out",
}


def main(argv: list[str] | None = None) -> NoReturn:
    """Runs the sub-command that the first argument names."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(_help())
        sys.exit(0)
    if arguments[0] in ("--version", "version"):
        from fer_jax import __version__

        print(__version__)
        sys.exit(0)
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"error: {name}: no such command; there are {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(BAD_USAGE)
    module = importlib.import_module(f"fer_jax.cli.{name.replace('-', '_')}")
    module.define_flags()
    program = [f"fer-jax {name}", *rest]
    sys.argv = program  # where ml_collections looks for a config's own flags
    call(module.run, program, names=getattr(module, "TAKES_NAMES", False))


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join([str(__doc__), "Commands (fer-jax COMMAND --help says more):", "", *lines])


if __name__ == "__main__":
    main()
