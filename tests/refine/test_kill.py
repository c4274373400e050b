"""kill -9 at random moments, and many patches: the record is always before or after."""

from __future__ import annotations

from pathlib import Path

from benchmarks.store import kills, many


def test_a_killed_apply_or_rollback_leaves_the_graph_before_or_after(tmp_path: Path) -> None:
    seen = kills(tmp_path / "graph", 3, seed=2)
    assert sum(seen.values()) == 3


def test_many_patches_roll_back_to_a_byte_identical_export(tmp_path: Path) -> None:
    many(tmp_path / "graph", 50)
