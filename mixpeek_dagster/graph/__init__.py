"""Collections as Dagster definitions: assets, checks, jobs, sensors."""

from dagster_shared.libraries import DagsterLibraryRegistry

from mixpeek_dagster.version import __version__

DagsterLibraryRegistry.register("mixpeek-dagster", __version__, is_dagster_package=False)
