"""Hooks of MkDocs: tables of config fields, and lists of modules, from the sources. Nothing of them is imported.

A line ``<!-- config-table: fer_jax.systems.tdgan.config.Config -->`` of a page becomes one table: the field as it is
written on the command line, its type, its default, and the docstring behind it. Records of the same module are expanded
in place; of those that all systems share (`fer_jax.core.config.fields`) the table has the fields that the system sets,
and a link to the others. Before the arrow may stand ``prefix=config.data``, how the fields' names begin, and ``plain``,
for a table without inner records.

A line ``<!-- modules: fer_jax.train -->`` becomes a reference of all public modules below a package;
``except=config,torch`` leaves out modules and folders of these names.
"""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import griffe

_TABLE = re.compile(r"^<!-- config-table: ([\w.]+)(?: prefix=([\w.<>]+))?( plain)? -->$", re.MULTILINE)
_MODULES = re.compile(r"^<!-- modules: ([\w.]+)(?: except=([\w,]+))? -->$", re.MULTILINE)
_ROOT = Path(__file__).absolute().parents[1]
_FIELDS = "fer_jax.core.config.fields"
_COMMON = ("DataConfig", "SelectConfig", "RunConfig")  # their fields are on a page of their own


def on_page_markdown(markdown: str, *, page, **_) -> str:
    """Called by MkDocs for every page."""
    up = "../" * page.file.src_uri.count("/")

    def table(match: re.Match[str]) -> str:
        owner, name = match[1].rsplit(".", 1)
        rows = list(_rows(owner, name, match[2] or "config", {}, f"{up}reference/config.md", plain=bool(match[3])))
        if not rows:
            raise ValueError(f"{page.file.src_uri}: {match[1]} has no documented fields")
        return "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows])

    def modules(match: re.Match[str]) -> str:
        return "\n\n".join(f"::: {name}" for name in _modules(match[1], (match[2] or "").split(",")))

    return _MODULES.sub(modules, _TABLE.sub(table, markdown))


# ---- modules ----


def _modules(package: str, left_out: list[str]) -> list[str]:
    """Names of the modules below a package, which comes first if it has public functions or classes of its own."""
    root = _ROOT / package.replace(".", "/")
    found = []
    for file in sorted(root.rglob("*.py"), key=lambda file: (file.parent, file.name != "__init__.py", file.name)):
        parts = file.relative_to(_ROOT).with_suffix("").parts
        inner = parts[len(package.split(".")) :]
        if file.name == "__init__.py":
            parts, inner = parts[:-1], inner[:-1]
        if any(part.startswith("_") or part in left_out for part in inner):
            continue
        if file.name != "__init__.py" or _has_definitions(file):
            found.append(".".join(parts))
    if not found:
        raise ValueError(f"no modules in {package}")
    return found


def _has_definitions(file: Path) -> bool:
    nodes = ast.parse(file.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_" for node in nodes)


# ---- tables ----


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


def _rows(
    module: str, name: str, prefix: str, defaults: Mapping[str, str], common: str, *, plain: bool = False
) -> Iterator[str]:
    """Rows of a record.

    Args:
      module: the record's.
      name: the record's.
      prefix: how the fields' names begin.
      defaults: those that the record's user sets instead of its own.
      common: the page of the fields that all systems share.
      plain: leave out inner records.
    """
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
        if plain:
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
    """A docstring as one cell: what is not code has no markup."""
    parts = " ".join(text.split()).split("`")
    return "`".join(part if i % 2 else part.replace("|", "\\|").replace("<", "&lt;") for i, part in enumerate(parts))
