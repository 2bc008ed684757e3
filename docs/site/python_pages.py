"""Names that may be imported: the package's own, and those of plugins."""

from __future__ import annotations

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
    """The names that plugins import."""
    return page(
        "Names for plugins",
        "What the code of a plugin may import beside its own modules and its libraries "
        "([how they are used](../plugins.md)).",
        *(f"## {module}\n\n::: {module}\n    options:\n      heading_level: 3" for module in sdk_modules()),
    )


def sdk_modules() -> list[str]:
    """Modules of the SDK that export names."""
    files = [path for path in sorted(SDK.rglob("*.py")) if "__all__" in path.read_text()]
    parts = [path.relative_to(SDK).with_suffix("").parts for path in files]
    return [".".join(part for part in names if part != "__init__") for names in parts]


def _documented(name: str, option: str) -> str:
    options = f"\n    options:\n      {option}" if option else ""
    return f"::: {name}{options}"
