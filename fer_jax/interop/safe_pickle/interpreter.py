"""An interpreter for pickle opcodes that cannot run anything: `restricted_pickle` gives it the names it may know.

It has a stack, marks on it and a memo, and deals in plain values only. A name in the file becomes an inert `Global`;
unknown ones are refused. It never imports, never calls an object of the file, reads no attribute of one and sets none.
Errors come out as ValueError and the like for damage and as UsageError for what is refused; the caller adds the file.
"""

import ast
import io
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fer_jax.core.errors import UsageError

MAX_DEPTH = 100  # containers within containers; the references' files need 3
MAX_KEY = 16  # length of a tuple that is a dictionary key
_OPCODES = {op.code: op for op in pickletools.opcodes}
_CONSTANTS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINSTRING", "SHORT_BINSTRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "FLOAT",
    "BINFLOAT",
}  # fmt: skip
_ATOMS = (str, bytes, bytearray, int, float, complex, bool, type(None), np.generic, np.dtype)


@dataclass(frozen=True)
class Global:
    """A name found in a pickle. `function` is our replacement for it; None where the name may only be passed on."""

    name: str
    function: Callable[..., Any] | None = None


@dataclass(eq=False)
class Pending:
    """An array, dtype or record between its REDUCE and its BUILD opcode; `build(state)` makes the real one."""

    build: Callable[[Any], Any]
    memo_keys: list[int] = field(default_factory=list)


def shown(name: str, limit: int = 200) -> str:
    """A name from an untrusted file, safe to print on one line."""
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in name[:limit])


def flat_key(key: Any) -> Any:
    """Returns `key` where hashing it is harmless, i.e. an atom or a flat tuple of atoms."""
    parts = key if type(key) is tuple else (key,)
    if len(parts) > MAX_KEY or not all(
        type(p) in (str, bytes, int, float, bool, type(None)) or isinstance(p, np.generic) for p in parts
    ):
        raise ValueError("a dictionary key or set item that is neither text nor number")
    return key


class Interpreter:
    """One run over one pickle: a stack, marks on it and a memo, all of plain values, `Global`s and `Pending`s."""

    def __init__(
        self, stream: io.BytesIO, names: Mapping[str, Global], persistent: Callable[[Any], Any] | None, budget: int
    ):
        """As for `restricted_pickle.read_pickle`; `names` is all that the file may name, "*.name" in any module."""
        self.stream, self.names, self.persistent, self.budget = stream, names, persistent, budget
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def _pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("a value is missing")
        return self.stack.pop()

    def _top(self, *kinds: type) -> Any:
        if not self.stack or type(self.stack[-1]) not in kinds:
            raise ValueError("a container is missing")
        return self.stack[-1]

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _find(self, module: Any, name: Any) -> Global:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a name that is not text")
        # pickle walks along a dotted name ("core.multiarray.x" in "numpy"); nothing here needs that.
        found = self.names.get(f"{module}.{name}", self.names.get(f"*.{name}")) if "." not in name else None
        if found is None:
            what = shown(f"{module}.{name}")
            raise UsageError(f"refused: it would run {what}; only arrays, strings, numbers and containers are read")
        return found

    def _call(self, function: Any, args: Any) -> Any:
        if not isinstance(function, Global) or function.function is None or not isinstance(args, tuple):
            raise ValueError(f"a call of {function.name if isinstance(function, Global) else 'a value'}")
        return self._paid(function.function(*args))

    def _paid(self, value: Any) -> Any:
        """Takes what `value` weighs off the budget: a short file must not make many copies of one long string."""
        size = value.nbytes if isinstance(value, np.ndarray) else len(value) if hasattr(value, "__len__") else 1
        self.budget -= size
        if self.budget < 0:
            raise ValueError("the file would make far more data than it holds")
        return value

    def _put(self, key: Any) -> None:
        if not self.stack or type(key) is not int:
            raise ValueError("nothing to remember")
        self.memo[key] = self.stack[-1]
        if isinstance(self.stack[-1], Pending):
            self.stack[-1].memo_keys.append(key)

    def _build(self, state: Any) -> None:
        target = self._pop()
        if isinstance(target, Pending):
            value = self._paid(target.build(state))
            for key in target.memo_keys:
                self.memo[key] = value
            self.stack.append(value)
        elif type(target) is OrderedDict and isinstance(state, dict):
            self.stack.append(target)  # attributes, such as torch's _metadata, are not read
        else:
            raise ValueError(f"attributes for a {type(target).__name__}")

    def _setitems(self, items: list[Any]) -> None:
        target = self._top(dict, OrderedDict)
        if len(items) % 2:
            raise ValueError("a key without value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[flat_key(key)] = value

    def run(self) -> Any:
        """Reads up to the STOP opcode and returns the value; see `check_result`, which must follow."""
        while True:
            code = self.stream.read(1)
            if not code:
                raise EOFError("the file ends too early")
            op = _OPCODES.get(code.decode("latin1"))
            if op is None:
                raise ValueError("not a pickle")
            if op.name == "STRING":  # the library's own reader fails on Python 2's bytes above 127
                text = ast.literal_eval("b" + self.stream.readline().decode("ascii").strip())
                arg: Any = text.decode("latin1")
            else:
                arg = op.arg.reader(self.stream) if op.arg else None  # type: ignore[call-arg]
            if op.name == "STOP":
                return self._pop()
            if op.name in _CONSTANTS or op.name == "STRING":
                self.stack.append(arg)
            elif op.name in _ACTIONS:
                _ACTIONS[op.name](self, arg)
            elif op.name not in ("PROTO", "FRAME"):
                raise UsageError(f"refused: opcode {op.name}; only arrays, strings, numbers and containers are read")

    def _pop_any(self) -> None:
        if self.marks and len(self.stack) == self.marks[-1]:
            self.marks.pop()
        else:
            self._pop()

    def _append(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def _add(self, items: list[Any]) -> None:
        self._top(set).update([flat_key(item) for item in items])

    def _reduce(self) -> None:
        args, function = self._pop(), self._pop()
        self.stack.append(self._call(function, args))

    def _object(self) -> None:
        items = self._since_mark()
        self.stack.append(self._call(items[0], tuple(items[1:])))

    def _persist(self, pid: Any) -> None:
        if self.persistent is None:
            raise UsageError("refused: it refers to an object outside of the pickle")
        self.stack.append(self.persistent(pid))

    def _pair(self) -> list[Any]:
        value, key = self._pop(), self._pop()
        return [key, value]

    def _dictionary(self) -> None:
        items = self._since_mark()
        self.stack.append({})
        self._setitems(items)

    def _tuple_of(self, count: int) -> None:
        self.stack.append(tuple(reversed([self._pop() for _ in range(count)])))


_Action = Callable[[Interpreter, Any], Any]
_ACTIONS: dict[str, _Action] = {
    "NONE": lambda m, a: m.stack.append(None),
    "NEWTRUE": lambda m, a: m.stack.append(True),
    "NEWFALSE": lambda m, a: m.stack.append(False),
    "EMPTY_LIST": lambda m, a: m.stack.append([]),
    "EMPTY_TUPLE": lambda m, a: m.stack.append(()),
    "EMPTY_DICT": lambda m, a: m.stack.append({}),
    "EMPTY_SET": lambda m, a: m.stack.append(set()),
    "MARK": lambda m, a: m.marks.append(len(m.stack)),
    "POP": lambda m, a: m._pop_any(),
    "POP_MARK": lambda m, a: m._since_mark(),
    "DUP": lambda m, a: m.stack.append(m.stack[-1]),
    "LIST": lambda m, a: m.stack.append(m._since_mark()),
    "TUPLE": lambda m, a: m.stack.append(tuple(m._since_mark())),
    "FROZENSET": lambda m, a: m.stack.append(frozenset(map(flat_key, m._since_mark()))),
    "DICT": lambda m, a: m._dictionary(),
    "TUPLE1": lambda m, a: m._tuple_of(1),
    "TUPLE2": lambda m, a: m._tuple_of(2),
    "TUPLE3": lambda m, a: m._tuple_of(3),
    "APPEND": lambda m, a: m._append([m._pop()]),
    "APPENDS": lambda m, a: m._append(m._since_mark()),
    "ADDITEMS": lambda m, a: m._add(m._since_mark()),
    "SETITEM": lambda m, a: m._setitems(m._pair()),
    "SETITEMS": lambda m, a: m._setitems(m._since_mark()),
    "GET": lambda m, a: m.stack.append(m.memo[a]),
    "BINGET": lambda m, a: m.stack.append(m.memo[a]),
    "LONG_BINGET": lambda m, a: m.stack.append(m.memo[a]),
    "PUT": lambda m, a: m._put(a),
    "BINPUT": lambda m, a: m._put(a),
    "LONG_BINPUT": lambda m, a: m._put(a),
    "MEMOIZE": lambda m, a: m._put(len(m.memo)),
    "GLOBAL": lambda m, a: m.stack.append(m._find(*a.split(" ", 1))),
    "STACK_GLOBAL": lambda m, a: m.stack.append(m._find(*m._pair())),
    "REDUCE": lambda m, a: m._reduce(),
    "NEWOBJ": lambda m, a: m._reduce(),
    "OBJ": lambda m, a: m._object(),
    "INST": lambda m, a: m.stack.append(m._call(m._find(*a.split(" ", 1)), tuple(m._since_mark()))),
    "BUILD": lambda m, a: m._build(m._pop()),
    "PERSID": lambda m, a: m._persist(a),
    "BINPERSID": lambda m, a: m._persist(m._pop()),
}


def check_result(value: Any, heights: dict[int, int], depth: int = 0) -> int:
    """Height of the finished result; refuses leftovers of unfinished objects, cycles and what is too deep."""
    if isinstance(value, _ATOMS):
        return 0
    if isinstance(value, Global):
        raise UsageError(
            f"refused: it holds {value.name} itself; only arrays, strings, numbers and containers are read"
        )
    if depth > MAX_DEPTH:
        raise ValueError(f"containers nested more than {MAX_DEPTH} deep")
    if id(value) in heights:
        if not 0 <= heights[id(value)] <= MAX_DEPTH - depth:
            raise ValueError(f"containers that hold themselves or are nested more than {MAX_DEPTH} deep")
        return heights[id(value)]
    heights[id(value)] = -1
    if isinstance(value, np.ndarray):
        inner = value.ravel().tolist() if value.dtype == np.dtype(object) else []
    elif isinstance(value, dict | list | tuple | set | frozenset):
        inner = list(value.values()) if isinstance(value, dict) else list(value)
    else:
        raise ValueError("an object that is never filled")
    heights[id(value)] = height = 1 + max((check_result(item, heights, depth + 1) for item in inner), default=0)
    return height
