"""Read the references' .npy, .npz and pickle files without running anything that is in them.

``pickle.load`` and ``np.load(allow_pickle=True)`` call whatever function the file names. This module never does: it has
an interpreter of its own for the pickle opcodes (`pickle_machine`), which

* never imports a name. A name in the file becomes an inert `Global`; one that is not in the table is refused by name;
* never calls an object of the file, reads an attribute of it or sets one. The few functions that arrays need
  (``numpy.dtype``, ``_reconstruct``, ``_codecs.encode`` ...) are replaced by functions of this file that check their
  arguments;
* never allocates much more than the file holds: a shape must agree with the bytes that are there, and what is made
  from the same bytes again and again has a budget;
* bounds the depth of the result and allows only flat dictionary keys, since hashing a very deep tuple ends the process.

What can come out: dict, OrderedDict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, complex, bool,
None, numpy arrays, scalars and dtypes. Objects of classes that the caller names come out as dicts of their attributes.
Everything else is a `UsageError`.
"""

import io
import lzma
import math
import os
import re
import struct
import tokenize
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.interop.safe_pickle.interpreter import Global, Interpreter, Pending, check_result, flat_key, shown

_UNPACK_LIMIT = 1 << 28  # an archive that unpacks to more than this must not do so by more than _UNPACK_RATIO to one
_UNPACK_RATIO = 200
DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, RuntimeError, SyntaxError, TypeError,
    ValueError, Warning, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU][0-9]{1,9}|O[48]?")


def make_array(data: Any, dtype: Any, shape: Any, order: str = "C") -> np.ndarray:
    """An array of `shape` over `data`, which must hold exactly as much as the shape says.

    `data`: bytes, bytearray or latin1 str; for object dtype a list. Raises ValueError where they disagree.
    """
    if not isinstance(dtype, np.dtype) or not isinstance(shape, tuple) or len(shape) > 64:
        raise ValueError("an array without a proper dtype and shape")
    if any(type(n) is not int or n < 0 for n in shape):
        raise ValueError("a shape that is not made of numbers >= 0")
    count = math.prod(shape)
    if dtype == np.dtype(object):
        if not isinstance(data, list) or len(data) != count:
            raise ValueError(f"an object array of shape {shape} with other than {count} objects")
        objects = np.empty(count, object)
        for i, value in enumerate(data):  # one by one: a slice assignment would spread nested lists
            objects[i] = value
        return objects.reshape(shape, order=order)  # type: ignore[call-overload]
    if isinstance(data, str):
        data = data.encode("latin1")
    if not isinstance(data, bytes | bytearray) or len(data) != count * dtype.itemsize or dtype.hasobject:
        raise ValueError(f"an array of shape {shape} and type {dtype} with other than {count * dtype.itemsize} bytes")
    if count == 0:
        return np.empty(shape, dtype, order=order)  # type: ignore[call-overload]
    array = np.frombuffer(bytearray(data) if isinstance(data, bytes) else data, dtype, count)
    if dtype.kind == "U" and array.view(np.dtype(np.uint32).newbyteorder(dtype.byteorder)).max() > 0x10FFFF:
        raise ValueError("text that is not Unicode")
    return array.reshape(shape, order=order)  # type: ignore[call-overload]


def _dtype(spec: Any, align: Any = False, copy: Any = True) -> Pending:
    """Stands for ``numpy.dtype`` in a pickle: only plain numbers, strings and objects."""
    if not isinstance(spec, str) or not _DTYPE.fullmatch(spec):
        raise ValueError(f"dtype {shown(str(spec), 60)!r}, of which only plain numbers and strings are read")

    def build(state: Any) -> np.dtype:
        if not isinstance(state, tuple) or len(state) < 5 or state[2:5] != (None, None, None) or len(state) > 8:
            raise ValueError("a structured dtype")
        if not isinstance(state[1], str) or state[1] not in ("<", ">", "|", "="):
            raise ValueError("a dtype without byte order")
        return np.dtype(object) if spec[0] == "O" else np.dtype(state[1] + spec)

    return Pending(build)


def _reconstruct(kind: Any, shape: Any = None, code: Any = None) -> Pending:
    """Stands for ``numpy.core.multiarray._reconstruct``: an array to be filled by the BUILD that follows."""
    if not isinstance(kind, Global) or kind.name != "numpy.ndarray":
        raise ValueError("a subclass of numpy.ndarray")

    def build(state: Any) -> np.ndarray:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise ValueError("an array without its state")
        array_shape, dtype, fortran, data = state[-4:]
        return make_array(data, dtype, array_shape, "F" if fortran is True or fortran == 1 else "C")

    return Pending(build)


def _scalar(dtype: Any, data: Any) -> Any:
    """Stands for ``numpy.core.multiarray.scalar``."""
    if isinstance(dtype, np.dtype) and dtype.hasobject:
        raise ValueError("a numpy scalar that holds an object")
    return make_array(data, dtype, (1,))[0]


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> np.ndarray:
    """Stands for ``numpy.core.numeric._frombuffer``, which protocol 5 uses."""
    if order not in ("C", "F", "A", "K") or (isinstance(dtype, np.dtype) and dtype.hasobject):
        raise ValueError("an array with an unknown memory order")
    if axes is None:
        return make_array(data, dtype, shape, "F" if order == "F" else "C")
    if not isinstance(axes, tuple | list) or sorted(axes) != list(range(len(shape))):
        raise ValueError("an array with impossible axes")
    return make_array(data, dtype, shape).transpose(axes)


def _encode(text: Any, encoding: Any = None) -> bytes:
    """Stands for ``_codecs.encode``, by which protocols 0 to 2 write bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("_codecs.encode of other than latin1 text")
    return text.encode("latin1")


def _bytes(kind: type) -> Callable[..., Any]:
    def make(data: Any = b"", encoding: Any = "latin-1") -> Any:
        return kind(data if isinstance(data, bytes | bytearray) else _encode(data, encoding))

    return make


def _set(kind: type) -> Callable[..., Any]:
    def make(items: Any = ()) -> Any:
        if not isinstance(items, list | tuple):
            raise ValueError("a set of something odd")
        return kind(flat_key(item) for item in items)

    return make


def _complex(real: Any, imag: Any) -> complex:
    return complex(float(real), float(imag))


def _ordered(items: Any = ()) -> OrderedDict:
    """Stands for ``collections.OrderedDict``; Python 2 passes its [key, value] pairs here."""
    result: OrderedDict = OrderedDict()
    if not isinstance(items, list | tuple) or any(not isinstance(i, list | tuple) or len(i) != 2 for i in items):
        raise ValueError("an OrderedDict of something odd")
    for key, value in items:
        result[flat_key(key)] = value
    return result


def _record(name: str, fields: Collection[str]) -> Callable[..., Any]:
    """Stands for a class: its objects become dicts of their attributes."""

    def build(state: Any) -> dict[str, Any]:
        if not isinstance(state, dict):
            raise ValueError(f"a {name} without attributes")
        if missing := [field for field in fields if field not in state]:
            raise ValueError(f"a {name} without {missing[0]!r}")
        return {field: state[field] for field in fields}

    return lambda: Pending(build)


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    """Stands for ``copyreg._reconstructor``, by which protocols 0 and 1 write objects."""
    if not isinstance(kind, Global) or kind.function is None or not kind.name.startswith("*."):
        raise ValueError("an object of other than a named class")
    if not isinstance(base, Global) or base.name.split(".")[1] != "object" or state is not None:
        raise ValueError(f"a {kind.name[2:]} that is more than its attributes")
    return kind.function()


def _record_functions(records: Mapping[str, Collection[str]]) -> dict[str, Callable[..., Any] | None]:
    """The names that a file with objects of these classes, of whatever module, needs."""
    found: dict[str, Callable[..., Any] | None] = {
        f"*.{name}": _record(name, fields) for name, fields in records.items()
    }
    if records:
        found |= {"copyreg._reconstructor": _reconstructor, "copy_reg._reconstructor": _reconstructor}
        found |= {"builtins.object": None, "__builtin__.object": None}
    return found


def _table() -> dict[str, Global]:
    functions: dict[str, Callable[..., Any] | None] = {
        "numpy.ndarray": None, "numpy.dtype": _dtype, "_codecs.encode": _encode, "collections.OrderedDict": _ordered,
    }  # fmt: skip
    for core in ("numpy.core", "numpy._core"):  # the module's name before and after numpy 2
        functions[f"{core}.multiarray._reconstruct"] = _reconstruct
        functions[f"{core}.multiarray.scalar"] = _scalar
        functions[f"{core}.numeric._frombuffer"] = _frombuffer
    for builtins in ("builtins", "__builtin__"):  # Python 3 and 2
        functions[f"{builtins}.bytes"], functions[f"{builtins}.bytearray"] = _bytes(bytes), _bytes(bytearray)
        functions[f"{builtins}.set"], functions[f"{builtins}.frozenset"] = _set(set), _set(frozenset)
        functions[f"{builtins}.complex"] = _complex
    return {name: Global(name, function) for name, function in functions.items()}


_GLOBALS = _table()


def read_pickle(
    stream: io.BytesIO,
    where: str,
    *,
    functions: Mapping[str, Callable[..., Any] | None] | None = None,
    persistent: Callable[[Any], Any] | None = None,
    budget: int | None = None,
) -> Any:
    """Reads one pickle from `stream`, which is left right behind it.

    Args:
      stream: in memory (a size claimed in the file is passed to its ``read``).
      where: what errors call the file.
      functions: further names, as "module.name": our replacement, or None for a name that may only be an argument.
      persistent: replacement for ``persistent_load``.
      budget: bytes that may be made by function calls in all; default 16 times what `stream` still holds.

    Raises:
      UsageError: it would run something, or it is damaged.
    """
    names = {**_GLOBALS, **{name: Global(name, function) for name, function in (functions or {}).items()}}
    try:
        if budget is None:
            start = stream.tell()
            budget = (1 << 20) + 16 * (stream.seek(0, io.SEEK_END) - start)
            stream.seek(start)
        value = Interpreter(stream, names, persistent, budget).run()
        check_result(value, {})
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    except DAMAGE as error:
        reason = shown(str(error)) or type(error).__name__
        raise UsageError(f"{where}: not read: {reason} (byte {stream.tell()}); is the file whole?") from None
    return value


def read_bytes(path: str | os.PathLike) -> bytes:
    """Returns the content of `path`. Raises UsageError naming it."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def load_pickle(path: str | os.PathLike, *, records: Mapping[str, Collection[str]] | None = None) -> Any:
    """Reads a file that ``pickle.dump`` wrote, of any protocol, also by Python 2 (its strings are read as latin1).

    Args:
      path: of the file.
      records: class name -> attributes. Objects of such classes become dicts of these attributes, whatever module the
        classes were in; nothing of them is imported.

    Raises:
      UsageError: missing, damaged, more than one pickle, or anything but arrays, strings, numbers, containers and
        `records` with all their attributes.
    """
    return read_pickle_file(path, _record_functions(records or {}))


def read_pickle_file(path: str | os.PathLike, functions: Mapping[str, Callable[..., Any] | None]) -> Any:
    """Reads a file of one pickle; `functions` as for `read_pickle`.

    Raises:
      UsageError: missing, damaged, more than one pickle, or it would run something.
    """
    data = read_bytes(path)
    stream = io.BytesIO(data)
    value = read_pickle(stream, str(path), functions=functions)
    if stream.tell() != len(data):
        raise UsageError(f"{path}: {len(data) - stream.tell()} bytes follow the pickle; is this a plain pickle file?")
    return value


def _read_npy(stream: Any, size: int, where: str) -> np.ndarray:
    """Reads one array from `stream`, which claims to hold `size` bytes."""
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if header is None:
        raise ValueError(f"npy format {version[0]}.{version[1]}")
    shape, fortran, dtype = header(stream)
    count = math.prod(shape)
    if dtype == np.dtype(object):
        array = read_pickle(io.BytesIO(stream.read()), where)
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.size != count:
            raise ValueError("the object array is not what the header says")
        return array.reshape(shape)
    if any(n < 0 for n in shape) or count * dtype.itemsize > size - stream.tell():
        raise ValueError(f"the header claims shape {shape} of {dtype}, more than the {size} bytes of the file")
    buffer = bytearray(count * dtype.itemsize)
    view, got = memoryview(buffer), 0
    while got < len(buffer):
        step = stream.readinto(view[got : got + (1 << 24)])
        if not step:
            raise EOFError("the file ends too early")
        got += step
    return make_array(buffer, dtype, tuple(int(n) for n in shape), "F" if fortran else "C")


def load_npy(path: str | os.PathLike) -> np.ndarray:
    """Reads one .npy array as ``np.load`` does, object arrays too, e.g. the 0-d one that holds a dict (``.item()``).

    Raises:
      UsageError: missing, damaged, not .npy, or its objects are anything but arrays, strings, numbers and containers.
    """
    try:
        with open(path, "rb") as stream:
            return _read_npy(stream, os.fstat(stream.fileno()).st_size, str(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except DAMAGE as error:
        raise UsageError(f"{path}: not read: {shown(str(error)) or type(error).__name__}; is the file whole?") from None


def open_zip(path: str | os.PathLike) -> zipfile.ZipFile:
    """Opens a zip archive whose members are safe to unpack into memory. Raises UsageError naming file and member."""
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except DAMAGE as error:
        raise UsageError(f"{path}: not read: {shown(str(error))}; is the file whole?") from None
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > max(_UNPACK_LIMIT, _UNPACK_RATIO * os.path.getsize(path)):
        archive.close()
        raise UsageError(f"{path}: refused: {os.path.getsize(path)} bytes would unpack to {unpacked}")
    if len(set(archive.namelist())) != len(archive.namelist()):
        archive.close()
        raise UsageError(f"{path}: refused: two members have the same name")
    return archive


def load_npz(path: str | os.PathLike, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Reads the arrays of an .npz file, all or those of `names` (each is unpacked once; a missing name is an error).

    Raises:
      UsageError: missing, damaged, a member that is no array, or objects that are refused; names file and member.
    """
    arrays = {}
    with open_zip(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        missing = sorted(set(names or ()) - set(members))
        if missing:
            raise UsageError(f"{path}: no array {missing[0]!r}; it holds {', '.join(map(shown, members)) or 'nothing'}")
        for name in members if names is None else names:
            where = f"{path}: {shown(name)}"
            try:
                with archive.open(members[name]) as stream:
                    arrays[name] = _read_npy(stream, members[name].file_size, where)
            except (OSError, *DAMAGE) as error:
                reason = shown(str(error)) or type(error).__name__
                raise UsageError(f"{where}: not read: {reason}; is the file whole?") from None
    return arrays
