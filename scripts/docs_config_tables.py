"""A hook of MkDocs: tables of config fields, from the dataclasses and the docstrings behind their fields.

A line ``<!-- config-table: fer_jax.systems.tdgan.config.Config -->`` of a page becomes one table: the field as it is
written on the command line, its type, its default, and its docstring. Sources are read by griffe, as mkdocstrings
reads them; nothing is imported. Records of the same module are expanded in place; of those that all systems share
(`fer_jax.core.config.fields`) the table has the fields that the system sets, and a link to the others.
"""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import griffe

_MARK = re.compile(r"^<!-- config-table: ([\w.]+)(?: prefix=([\w.]+))? -->$", re.MULTILINE)
_ROOT = Path(__file__).resolve().parents[1]
_FIELDS = "fer_jax.core.config.fields"
_COMMON = ("DataConfig", "SelectConfig", "RunConfig")  # their fields are on a page of their own


def on_page_markdown(markdown: str, *, page, **_) -> str:
    """Called by MkDocs for every page."""
    up = "../" * page.file.src_uri.count("/")

    def table(match: re.Match[str]) -> str:
        owner, name = match[1].rsplit(".", 1)
        rows = list(_rows(owner, name, match[2] or "config", {}, f"{up}reference/config.md"))
        if not rows:
            raise ValueError(f"{page.file.src_uri}: {match[1]} has no documented fields")
        return "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows])

    return _MARK.sub(table, markdown)


@functools.cache
def _package() -> griffe.Object:
    return griffe.load("fer_jax", search_paths=[str(_ROOT)])


@functools.cache
def _class(module: str, name: str) -> griffe.Class | None:
    """The class `name` of a module, or what that name is among the fields that all systems share."""
    for path in (module, _FIELDS):
        found = _package()[path.removeprefix("fer_jax.")].members.get(name)
        if isinstance(found, griffe.Class):
            return found
    return None


def _rows(module: str, name: str, prefix: str, defaults: Mapping[str, str], common: str) -> Iterator[str]:
    """Rows of a record; `defaults` are those that its user sets instead of its own."""
    record = _class(module, name)
    if record is None:
        raise ValueError(f"{module} has no class {name}")
    for field in record.members.values():
        if not isinstance(field, griffe.Attribute) or field.annotation is None or field.docstring is None:
            continue
        default = defaults.get(field.name, str(field.value) if field.value is not None else "")
        kind, path = str(field.annotation), f"{prefix}.{field.name}"
        inner = _class(module, kind) if kind.isidentifier() else None
        if inner is None:
            yield _row(path, kind, default, field.docstring.value)
            continue
        given = _keywords(default)
        if kind not in _COMMON or module == _FIELDS:
            yield from _rows(inner.module.path, kind, path, given, common)
            continue
        for key, value in given.items():
            member = inner.members[key]
            yield _row(f"{path}.{key}", str(member.annotation), value, member.docstring.value)
        yield f"| `{path}.*` | | | {_line(field.docstring.value)} All fields: [common fields]({common}). |"


def _keywords(call: str) -> dict[str, str]:
    """The keyword arguments of a default such as ``RunConfig(epochs=10)``."""
    try:
        node = ast.parse(call, mode="eval").body
    except SyntaxError:
        return {}
    return {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg} if isinstance(node, ast.Call) else {}


def _row(path: str, kind: str, default: str, text: str) -> str:
    if default.startswith("dataclasses.field"):
        default = "{}" if "dict" in default else ""
    shown = f"`{default}`" if default else ""
    return f"| `{path}` | `{kind}` | {shown} | {_line(text)} |"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
