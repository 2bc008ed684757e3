"""What a process holds for good is not searched for garbage."""

from __future__ import annotations

import gc


def freeze_gc() -> None:
    """Leave out of all later collections what there is now: modules, models, and what they hold.

    A full collection of what torch and transformers hold takes a tenth of a second and more, stops all threads, and
    comes every few dozen requests: measured, nearly half of the event loop's time.
    """
    gc.collect()
    gc.freeze()
