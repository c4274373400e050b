"""Memory kept between steps."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, numpy as np
from accord.model.cpu import keep_freed_memory
keep_freed_memory() if {kept} else None
def touch():
    np.ones(4_000_000)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator only")
def test_freed_memory_is_used_again_without_new_page_faults() -> None:
    faults = {
        kept: int(subprocess.check_output([sys.executable, "-c", FAULTS.format(kept=kept)]))
        for kept in (True, False)
    }
    assert faults[True] * 10 < faults[False]
