"""Plugins as zip archives: packed the same every time, unpacked as if whoever sent them meant harm."""

from mixpeek_dagster.plugins.archive.folders import pack_files, unpack_files
from mixpeek_dagster.plugins.archive.packing import pack, packable
from mixpeek_dagster.plugins.archive.unpacking import unpack
from mixpeek_dagster.plugins.archive.zip_directory import ArchiveLimits

__all__ = ["ArchiveLimits", "pack", "pack_files", "packable", "unpack", "unpack_files"]
