"""Makes faces of a classifier's training pictures with an editor, for configs/classifier.py:augmented and :expanded.

fer-jax augment --workdir=runs/ganmut --config=classifier.py:study --out=augmented
fer-jax augment --workdir=runs/ganmut --config=classifier.py:study --out=expanded --expand

--workdir is a run of a system that edits, trained here or imported; --config names the pictures, and any of its
variants with the same training split can use what is made. Without --expand, --count faces are made of each picture,
with the expression that it has; with it, one with each other expression, fewer of the frequent ones. The layout is
described in fer_jax/data/generated.py. The same command goes on after any interruption.
"""

from absl import flags, logging

from fer_jax.cli import common
from fer_jax.data.generated import Manifest


def define_flags() -> None:
    """The flags."""
    common.define_config()
    flags.DEFINE_string("workdir", None, "Folder of a run of a system that edits.")
    flags.DEFINE_integer("step", None, "The checkpoint's step; default: the selected one.")
    flags.DEFINE_string("out", None, "Folder for the faces.")
    flags.DEFINE_bool("expand", False, "Make further examples with other expressions.")
    flags.DEFINE_integer("count", 10, "Faces of each picture, without --expand.", lower_bound=1)
    flags.DEFINE_float("radius", None, "Half-width of the boxes; default: 0.2, with --expand 0.05.", lower_bound=0.0)
    flags.DEFINE_enum("points", "own", ("own", "published"), "The classes' points: the editor's, or the reference's.")
    flags.DEFINE_integer("size", 48, "Size of the faces, in pixels.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 64, "Faces that the network makes at once.", lower_bound=1)
    flags.DEFINE_integer("limit", None, "Only the first so many training pictures; default: all.", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "Seed of the points.", lower_bound=0)


def summary(manifest: Manifest) -> str:
    """Lines of text: each class and its faces, then how many there are, how many failed, and why."""
    rows = [["class", "made"], *([name, str(count)] for name, count in sorted(manifest.made.items()))]
    rows.append(["all", str(sum(manifest.made.values()))])
    reasons = "".join(f"\n  {count} {reason}" for reason, count in sorted(manifest.failed.items()))
    skipped = f"; {manifest.skipped} left out by the rule of frequencies" if manifest.kind == "expand" else ""
    return f"{common.aligned(rows)}\n{sum(manifest.failed.values())} failed{skipped}{reasons}"


def run() -> None:
    """Does what the parsed flags say."""
    given = flags.FLAGS
    folder = common.required("workdir", "needed are --workdir, --config and --out, see --help")
    out = common.required("out", "needed are --workdir, --config and --out, see --help")
    config = common.config("configs/classifier.py:study")
    from fer_jax.cli import runtime

    runtime.start()
    from fer_jax.inference.editor import Editor
    from fer_jax.inference.loading import open_run
    from fer_jax.inference.synthesis import Settings, synthesise

    editor = Editor(open_run(folder, step=given.step))
    settings = Settings(
        kind="expand" if given.expand else "augment",
        points=given.points,
        radius=given.radius,
        count=given.count,
        size=given.size,
        limit=given.limit,
        seed=given.seed,
        batch_size=given.batch_size,
    )
    manifest = synthesise(editor, config, out, settings)
    print(summary(manifest))
    logging.info("written: %s (%s, checkpoint of step %d)", out, manifest.kind, editor.run.step)
