"""How every command starts and ends: flags parsed, one clear line for an error, the exit status."""

import sys
from collections.abc import Callable, Sequence

from absl import flags

from fer_jax.core.errors import RunFailed, UsageError

BAD_USAGE = 2
FAILED = 1


def call(main: Callable[..., None], argv: Sequence[str], *, names: bool = False) -> None:
    """Parses the flags, runs `main` and exits: 0, 2 for bad usage or bad input, 1 for a failed run.

    A user's mistake is one line on stderr; anything else is a bug and keeps its traceback.

    Args:
      main: without arguments, or where `names` are taken with a list of them.
      argv: the command line.
      names: take arguments that are no flags, such as files, before, between and behind the flags.
    """
    if {"--help", "-h", "-help"} & set(argv[1:]):
        print(sys.modules["__main__"].__doc__, "\n")
        print(flags.FLAGS.module_help(sys.modules["__main__"]))
        sys.exit(0)
    try:
        flags.FLAGS.set_gnu_getopt(names)
        rest = _parse(argv)[1:]
        if rest and not names:
            raise UsageError(f"unexpected argument {rest[0]!r}; flags are written --name=value, see --help")
        main(*[rest] * names)
    except UsageError as error:
        sys.exit(_complain(error, BAD_USAGE))
    except RunFailed as error:
        sys.exit(_complain(error, FAILED))
    except KeyboardInterrupt:
        sys.exit(_complain("interrupted; run the same command again to go on", FAILED))


def _parse(argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(list(argv))
    except (flags.Error, OSError) as error:
        text = str(error)
    except (AttributeError, KeyError) as error:  # ml_collections: a field that the config lacks
        text = f"config: {error.args[0] if error.args else error}"
    except (TypeError, ValueError) as error:  # a value of the wrong type, or the config file's own complaint
        text = str(error).strip().splitlines()[-1]
    raise UsageError(" ".join(text.split()))


def _complain(error: object, status: int) -> int:
    print(f"error: {error}", file=sys.stderr)
    return status
