"""What the CPU can do, and how memory is kept for it between steps."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's mallopt."""
KEPT = {TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**26, MMAP_THRESHOLD: 2**28}


def computes_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AVX-512 BF16 or AMX)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def keep_freed_memory() -> bool:
    """Lets the process keep memory that it frees, up to 2 GiB, for what it allocates next.

    glibc gives every tensor of some megabytes back at once, and the kernel clears its pages anew at
    the next one: a fifth of the time of reading texts (dev/LOG.md). Arrays above 256 MiB are given
    back as before.

    Returns:
        Whether this system has such a setting.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(parameter, value) == 1 for parameter, value in KEPT.items())


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Tiny gradients count as zero within, or they slow a CPU down many times over.

    The processor's mode belongs to the whole thread: whoever called the training gets it back
    as it almost always is, with numbers below the smallest normal one kept.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
