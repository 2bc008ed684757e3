"""Names that may be imported: the package's own, and those of plugins."""

from __future__ import annotations

import ast
from pathlib import Path

import mixpeek_dagster
from docs.site.markdown import code, page

SDK = Path(mixpeek_dagster.__file__).parent / "plugin-sdk"
_LIST_ONLY = {"Settings": "members: false", "ErrorCode": "members: false"}


def python_page() -> str:
    """The stable names of `mixpeek_dagster`."""
    names = [name for name in mixpeek_dagster.__all__ if not name.startswith("__")]
    return page(
        "Python",
        "`import mixpeek_dagster` costs milliseconds: each name is imported when it is first asked for. These names "
        "are stable ([what that means](../releasing.md#which-number)), modules below the package are not. The code "
        f"location for Dagster is `mixpeek_dagster.definitions`. {code('mixpeek_dagster.__version__')} is the version.",
        *(_documented(f"mixpeek_dagster.{name}", _LIST_ONLY.get(name, "")) for name in names),
    )


def plugin_names_page() -> str:
    """The names that plugins import; what several modules export is explained at the first of them."""
    homes: dict[tuple[str, str], str] = {}
    sections = [_sdk_section(module, exported_names(module), homes) for module in sdk_modules()]
    return page(
        "Names for plugins",
        "What the code of a plugin may import beside its own modules and its libraries "
        "([how they are used](../plugins.md)).",
        *sections,
    )


def sdk_modules() -> list[str]:
    """Modules of the SDK that export names."""
    files = [path for path in sorted(SDK.rglob("*.py")) if "__all__" in path.read_text()]
    parts = [path.relative_to(SDK).with_suffix("").parts for path in files]
    return [".".join(part for part in names if part != "__init__") for names in parts]


def exported_names(module: str) -> dict[str, tuple[str, str]]:
    """What a module of the SDK exports: where each name comes from, as module and name."""
    path = SDK.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    imports = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ImportFrom)]
    return {
        name.asname or name.name: (str(node.module), name.name)
        for node in imports
        for name in node.names
        if node.module != "__future__"
    }


def _sdk_section(module: str, names: dict[str, tuple[str, str]], homes: dict[tuple[str, str], str]) -> str:
    new = [name for name, origin in names.items() if homes.setdefault(origin, module) == module]
    old = [f"[{code(name)}](#{homes[origin]}.{name})" for name, origin in names.items() if name not in new]
    options = [
        "options:",
        "  show_root_full_path: true",
        f"  toc_label: {module}",
        f"  members: [{', '.join(sorted(new))}]",
    ]
    again = f"{code(module)} has also {', '.join(sorted(old))}." if old else ""
    indented = "\n".join(f"    {line}" for line in options)
    return f"::: {module}\n{indented}\n\n{again}"


def _documented(name: str, option: str) -> str:
    options = f"\n    options:\n      {option}" if option else ""
    return f"::: {name}{options}"
