"""How every command starts and ends: flags parsed, one clear line for an error, the exit status."""

import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from absl import flags

from fer_jax.core.errors import RunFailed, UsageError

BAD_USAGE = 2
_EXTRAS = dict.fromkeys(("tensorflow", "tensorflow_datasets", "array_record", "matplotlib", "sklearn"), "train")
FAILED = 1
_IN_CONFIG = "Error whilst parsing config file"  # how ml_collections begins
CONFIGS = Path(__file__).parents[1] / "configs"  # in an installed package; in a checkout beside the package


def call(main: Callable[..., None], argv: Sequence[str], *, names: bool = False, doc: str | None = None) -> NoReturn:
    """Parses the flags, runs `main` and exits: 0, 2 for bad usage or bad input, 1 for a failed run.

    A user's mistake is one line on stderr; anything else is a bug and keeps its traceback.

    Args:
      main: without arguments, or where `names` are taken with a list of them.
      argv: the command line.
      names: take arguments that are no flags, such as files, before, between and behind the flags.
      doc: what --help prints above the flags; None: the docstring of `main`'s module.
    """
    module = sys.modules[main.__module__]
    if {"--help", "-h", "-help"} & set(argv[1:]):
        print(doc or module.__doc__, "\n")
        print(_help_of(module.__name__))
        sys.exit(0)
    try:
        flags.FLAGS.set_gnu_getopt(names)
        rest = _parse(with_configs(argv))[1:]
        if rest and not names:
            raise UsageError(f"unexpected argument {rest[0]!r}; flags are written --name=value, see --help")
        main(*[rest] * names)
        sys.exit(0)
    except UsageError as error:
        sys.exit(_complain(error, BAD_USAGE))
    except RunFailed as error:
        sys.exit(_complain(error, FAILED))
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        what = f"this command needs {error.name}, which is not installed: pip install 'fer_jax[{_EXTRAS[error.name]}]'"
        sys.exit(_complain(what, BAD_USAGE))
    except KeyboardInterrupt:
        sys.exit(_complain("interrupted; run the same command again to go on", FAILED))


def _help_of(module: str) -> str:
    """The flags of a command, those too that modules which it shares with others have defined for it."""
    known_as = sys.argv[0] if module == "__main__" else module  # to absl
    for name, own in flags.FLAGS.flags_by_module_dict().items():
        for flag in own if name.startswith("fer_jax.") else ():
            flags.FLAGS.register_key_flag_for_module(known_as, flag)
    return flags.FLAGS.module_help(module)


def configs_folder() -> Path:
    """The folder of the configs that come with this library."""
    return CONFIGS if CONFIGS.is_dir() else Path(__file__).parents[2] / "configs"


def with_configs(argv: Sequence[str]) -> list[str]:
    """A command line in which --config=tdgan.py:tiny, and configs/tdgan.py where there is none, name this library's.

    Raises:
      UsageError: there is no such file, here or in the library.
    """
    return [_located(argument) if argument.startswith("--config=") else argument for argument in argv]


def _located(argument: str) -> str:
    name, colon, variant = argument.removeprefix("--config=").partition(":")
    path, ours = Path(name), configs_folder() / Path(name).name
    if path.exists():
        return argument
    if str(path.parent) in (".", "configs") and ours.exists():
        return f"--config={ours}{colon}{variant}"
    have = ", ".join(sorted(file.name for file in configs_folder().glob("*.py")))
    raise UsageError(f"--config: there is no file {name}; this library has {have}")


def _parse(argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(list(argv))
    except (flags.Error, OSError) as error:
        text = str(error)
        if _IN_CONFIG in text:  # followed by a traceback, of which the last line is the config file's own complaint
            text = f"--config: {text.strip().splitlines()[-1].partition(': ')[2]}"
    except (AttributeError, KeyError) as error:  # ml_collections: a field that the config lacks
        text = _unknown_field(argv) or f"config: {error.args[0] if error.args else error}"
    except (TypeError, ValueError) as error:  # a value of the wrong type, or the config file's own complaint
        text = str(error).strip().splitlines()[-1]
    raise UsageError(" ".join(text.split()))


def _unknown_field(argv: Sequence[str]) -> str | None:
    """Names the first overridden field that the config lacks, and the nearest one that it has."""
    name = next((argument.removeprefix("--config=") for argument in argv if argument.startswith("--config=")), None)
    if name is None:
        return None
    node: Any = flags.FLAGS["config"].parser.parse(name)  # the flag itself has no value, since it was refused
    for argument in argv:
        if not argument.startswith("--config."):
            continue
        where, found = "config", node
        for part in argument.removeprefix("--config.").partition("=")[0].split("."):
            known = list(found.keys()) if hasattr(found, "keys") else []
            if part not in known:
                near = difflib.get_close_matches(part, known, 1, 0.5) or [
                    name for name in known if name == "".join(word[:1] for word in part.split("_"))
                ]
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}"
                return f"--{where}.{part}: there is no such field; {hint}"
            where, found = f"{where}.{part}", found[part]
    return None


def _complain(error: object, status: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return status
