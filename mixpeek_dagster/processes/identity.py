"""Names of processes by which others, on any machine, tell whether a lease is that of one that is gone."""

from __future__ import annotations

import os
import socket

import psutil


def this_process() -> str:
    """A name that is never given twice: host, process id, start time and a random part."""
    process = psutil.Process()
    return f"{socket.gethostname()}:{process.pid}:{process.create_time():.2f}:{os.urandom(4).hex()}"


def has_ended(name: str) -> bool:
    """Whether it names a process of this machine that is gone; of those on other machines nothing is known."""
    host, pid, started, _ = name.rsplit(":", 3)
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(pid))
        return f"{process.create_time():.2f}" != started or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
