"""Read and write torch.save files without torch: dictionaries of tensors as dictionaries of numpy arrays.

Two formats are read: the zip of torch 1.6 and later (a pickle, one file a storage, either byte order) and the legacy
one before it (magic number, protocol, system, the pickle, the list of storage keys, the storages one after the other).
The pickle goes through `restricted_pickle`, so a file can run nothing; only dense tensors on dense storages are built,
after checking that each lies inside of its storage. Whatever device they were saved from, they come back in memory.
bfloat16, which numpy lacks, comes back as float32 (exact).

Written are zip files that ``torch.load(path, weights_only=True)`` reads as an OrderedDict of tensors, or as one in a
dictionary.
"""

import io
import math
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_jax.core.errors import UsageError
from fer_jax.interop.safe_pickle.files import DAMAGE, open_zip, read_bytes, read_pickle
from fer_jax.interop.safe_pickle.interpreter import Global, shown

_STORAGES = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "b1",
}  # fmt: skip
_STORAGE_OF = {code: name for name, code in _STORAGES.items()}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_EXPANDED = 1 << 24  # elements that a tensor of stride 0 may have beyond its storage
_SPARE = 1 << 26  # bytes that tensors may take beyond 16 times the file


def _ints(values: Any) -> tuple[int, ...]:
    values = tuple(values) if isinstance(values, list | tuple) else (values,)
    if len(values) > 64 or any(type(n) is not int or n < 0 for n in values):
        raise ValueError("a tensor whose shape, strides or offset are not numbers >= 0")
    return values


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> np.ndarray:
    """Stands for ``torch._utils._rebuild_tensor_v2`` (and the older one without the last arguments).

    `storage`: [n]; result: a copy of shape `size`, element i at offset + sum(i * stride), which must be below n.
    """
    (offset,), size, stride = _ints(offset), _ints(size), _ints(stride)
    if not isinstance(storage, np.ndarray) or len(size) != len(stride):
        raise ValueError("a tensor without storage, or with other numbers of sizes and strides")
    count = math.prod(size)
    if count == 0:
        return np.zeros(size, storage.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= storage.size or count > max(storage.size, _EXPANDED):
        raise ValueError(f"a tensor of shape {size} and strides {stride} at {offset} in a storage of {storage.size}")
    steps = tuple(step * storage.itemsize if n > 1 else 0 for n, step in zip(size, stride, strict=True))
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps).copy()


def _rebuild_parameter(data: Any, *rest: Any) -> Any:
    """Stands for ``torch._utils._rebuild_parameter``: a parameter is its tensor here."""
    if not isinstance(data, np.ndarray):
        raise ValueError("a parameter that is no tensor")
    return data


def _size(values: Any = ()) -> tuple[int, ...]:
    return _ints(list(values) if isinstance(values, tuple | list) else values)


_FUNCTIONS: dict[str, Callable[..., Any] | None] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.Size": _size,
    **{f"torch.{name}": None for name in _STORAGES},
}


def _storage_id(pid: Any) -> tuple[str, str, int, Any]:
    """Element code, key, number of elements and view (legacy) of a persistent id; refuses other than storages."""
    if isinstance(pid, tuple) and pid and pid[0] == "module":
        raise UsageError("refused: it is a whole module (code); save its state_dict() instead")
    if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage" or not isinstance(pid[1], Global):
        raise ValueError("a reference to something that is no storage")
    code = _STORAGES.get(pid[1].name.removeprefix("torch."))
    if code is None or not isinstance(pid[2], str):
        raise ValueError(f"a storage of type {pid[1].name}")
    return code, pid[2], _ints(pid[4])[0], pid[5] if len(pid) == 6 else None


def _elements(raw: bytes, code: str, count: int, big_endian: bool) -> np.ndarray:
    """The first `count` elements of a storage's bytes, read-only, in this machine's byte order."""
    order = ">" if big_endian else "<"
    if code == "bfloat16":
        upper = np.frombuffer(raw, order + "u2", count).astype(np.uint32)
        return (upper << 16).view(np.float32)
    if code == "b1":
        return np.frombuffer(raw, np.uint8, count) != 0
    values = np.frombuffer(raw, order + code, count)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _width(code: str) -> int:
    return 2 if code == "bfloat16" else np.dtype(code).itemsize


def _load_zip(path: str | os.PathLike) -> Any:
    where = str(path)
    with open_zip(path) as archive:
        members = set(archive.namelist())
        roots = [name.removesuffix("data.pkl") for name in members if name.split("/")[1:] == ["data.pkl"]]
        if len(roots) != 1:
            raise UsageError(f"{where}: a zip file, but not one that torch.save wrote (it has no data.pkl)")
        root = roots[0]
        big_endian = f"{root}byteorder" in members and archive.read(f"{root}byteorder").strip() == b"big"
        storages: dict[str, bytes] = {}
        views: dict[tuple[str, str, int], np.ndarray] = {}

        def persistent(pid: Any) -> np.ndarray:
            code, key, count, _ = _storage_id(pid)
            if key not in storages:
                if f"{root}data/{key}" not in members:
                    raise ValueError(f"storage {shown(key)} is missing")
                storages[key] = archive.read(f"{root}data/{key}")
            if count * _width(code) > len(storages[key]):
                raise ValueError(f"storage {shown(key)} holds {len(storages[key])} bytes, not {count} elements")
            if (key, code, count) not in views:
                views[key, code, count] = _elements(storages[key], code, count, big_endian)
            return views[key, code, count]

        data = archive.read(f"{root}data.pkl")
        budget = _SPARE + 16 * os.path.getsize(path)
        return read_pickle(io.BytesIO(data), where, functions=_FUNCTIONS, persistent=persistent, budget=budget)


def _legacy_storages(stream: io.BytesIO, found: dict[str, tuple[str, int]], big: bool, where: str) -> dict[str, Any]:
    """Reads the storages that follow a legacy pickle: {key: elements}; `found` has their types and sizes."""
    keys = read_pickle(stream, where)
    if not isinstance(keys, list) or not set(found) <= {key for key in keys if isinstance(key, str)}:
        raise ValueError("storages are missing")
    storages = {}
    for key in keys:
        if key not in found:
            raise ValueError(f"storage {shown(str(key))} belongs to nothing")
        code, count = found[key]
        (stored,) = struct.unpack(">q" if big else "<q", stream.read(8))
        raw = stream.read(max(stored, 0) * _width(code))
        if stored < count or len(raw) != stored * _width(code):
            raise ValueError(f"storage {shown(key)} should hold {count} elements, has {len(raw) // _width(code)}")
        storages[key] = _elements(raw, code, stored, big)
    return storages


def _load_legacy(data: bytes, where: str) -> Any:
    stream = io.BytesIO(data)
    if read_pickle(stream, where) != _LEGACY_MAGIC or read_pickle(stream, where) != _LEGACY_PROTOCOL:
        raise UsageError(f"{where}: not a file that torch.save wrote")
    system = read_pickle(stream, where)
    big = isinstance(system, dict) and system.get("little_endian") is False
    start = stream.tell()
    found: dict[str, tuple[str, int]] = {}

    def collect(pid: Any) -> np.ndarray:
        code, key, count, view = _storage_id(pid)
        if found.setdefault(key, (code, count)) != (code, count):
            raise ValueError(f"storage {shown(key)} is used with two types or sizes")
        return np.zeros(0)

    # The pickle names storages that lie behind it, so it is read twice: for their types, then for the tensors.
    shapes_only = {**_FUNCTIONS, **{name: lambda *args: np.zeros(0) for name in _FUNCTIONS if "_rebuild" in name}}
    read_pickle(stream, where, functions=shapes_only, persistent=collect)
    end = stream.tell()
    storages = _legacy_storages(stream, found, big, where)

    def persistent(pid: Any) -> np.ndarray:
        _, key, _, view = _storage_id(pid)
        if view is None:
            return storages[key]
        if not isinstance(view, tuple) or len(view) != 3:
            raise ValueError("a view of a storage that is no view")
        offset, length = _ints(view[1:])
        if offset + length > storages[key].size:
            raise ValueError("a view beyond the end of its storage")
        return storages[key][offset : offset + length]

    budget = _SPARE + 16 * len(data)
    again = io.BytesIO(data[start:end])
    return read_pickle(again, where, functions=_FUNCTIONS, persistent=persistent, budget=budget)


def load_state_dict(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a file that torch.save wrote from a dictionary, e.g. a state dict.

    Returns:
      The dictionary, names kept, nested dictionaries ({"state_dict": {...}, "epoch": 3}) nested; tensors are arrays
      of their shape and type (bfloat16: float32), parameters too; numbers, strings and lists stay what they are.

    Raises:
      UsageError: missing, damaged, not a torch file, or it holds sparse or quantised tensors, modules or other
        objects; the text names the file and what was refused.
    """
    where = str(path)
    try:
        with open(path, "rb") as stream:
            start = stream.read(4)
        if start == b"PK\x03\x04":
            value = _load_zip(path)
        elif start[:1] == b"\x80":
            value = _load_legacy(read_bytes(path), where)
        else:
            raise UsageError(f"{where}: not a file that torch.save wrote (torch 0.1's tar files are not read)")
    except OSError as error:
        raise UsageError(f"{where}: cannot be read: {error.strerror or error}") from None
    except DAMAGE as error:
        raise UsageError(
            f"{where}: not read: {shown(str(error)) or type(error).__name__}; is the file whole?"
        ) from None
    if not isinstance(value, dict):
        raise UsageError(f"{where}: holds a {type(value).__name__}, not a dictionary of tensors")
    return value


def _text(text: str) -> bytes:
    data = text.encode("utf-8")
    return b"X" + struct.pack("<I", len(data)) + data


def _int(value: int) -> bytes:
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def _ints_tuple(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_int, values)) + b"t"


def _pickled(groups: Mapping[str, Mapping[str, tuple[str, np.ndarray]]]) -> bytes:
    """The data.pkl of {key: {name: (storage type, array)}}, the only key "" being left out.

    Storage i is the i-th array's, written in C order.
    """
    nested, index = set(groups) != {""}, 0
    out = [pickle.PROTO + b"\x02", b"}" if nested else b""]
    for key, arrays in groups.items():
        out += [_text(key) if nested else b"", b"ccollections\nOrderedDict\n)R("]
        for name, (storage, array) in arrays.items():
            strides = tuple(math.prod(array.shape[axis + 1 :]) for axis in range(array.ndim))
            out += [_text(name), b"ctorch._utils\n_rebuild_tensor_v2\n(", b"(", _text("storage")]
            out += [f"ctorch\n{storage}\n".encode(), _text(str(index)), _text("cpu"), _int(array.size), b"tQ"]
            out += [_int(0), _ints_tuple(array.shape), _ints_tuple(strides), b"\x89ccollections\nOrderedDict\n)RtR"]
            index += 1
        out.append(b"us" if nested else b"u")
    return b"".join(out) + b"."


def _stored(path: str | os.PathLike, mapping: Mapping[str, Any]) -> dict[str, tuple[str, np.ndarray]]:
    """Name -> (storage type, array as it is written)."""
    arrays = {}
    for name, value in mapping.items():
        array = np.asarray(value)
        code = "bfloat16" if array.dtype.name == "bfloat16" else array.dtype.str[1:]
        if code not in _STORAGE_OF:
            raise UsageError(f"{path}: {name} has type {array.dtype}, which torch files do not hold; convert it first")
        stored = array if code == "bfloat16" else array.astype(array.dtype.newbyteorder("<"), copy=False)
        arrays[name] = (_STORAGE_OF[code], stored)
    return arrays


def save_state_dict(path: str | os.PathLike, mapping: Mapping[str, Any], *, under: str = "") -> None:
    """Writes {name: array} as a zip file for ``torch.load``; the same arrays give the same bytes.

    Args:
      path: file; it is replaced only once all is written.
      mapping: arrays of bool, u/int8, int16/32/64, float16/32/64 or bfloat16, any shape and memory order; or such
        mappings by key.
      under: a key; what is written is then {under: {name: array}}.

    Raises:
      UsageError: an array of another type (it is named), or the file cannot be written.
    """
    nested = mapping and all(isinstance(value, Mapping) for value in mapping.values())
    groups = {key: _stored(path, value) for key, value in (mapping if nested else {under: mapping}).items()}
    members = {"data.pkl": _pickled(groups), "byteorder": b"little"}
    written = (array for arrays in groups.values() for _, array in arrays.values())
    members |= {f"data/{i}": array.tobytes() for i, array in enumerate(written)}
    members["version"] = b"3\n"
    partial = Path(f"{path}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for name, data in members.items():
                archive.writestr(zipfile.ZipInfo(f"archive/{name}"), data)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from None
