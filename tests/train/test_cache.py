"""The cache of frozen layers where there is no room for it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from accord.errors import ConfigError, DataError
from accord.model.reading import Key
from accord.train import cache
from accord.train.cache import build_cache, plan_pieces
from accord.train.setup import attach_cache
from tests.train.tiny import tiny_recipe, tiny_setup

FROZEN = {"freeze_layers": 2, "reading": "segments"}


def test_a_full_disk_is_named_and_the_next_run_reads_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(model=FROZEN)
    model, objectives = tiny_setup(recipe)

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(DataError, match="cannot write the cache") as raised:
            attach_cache(recipe, model, objectives, tmp_path / "cache")
    assert raised.value.hint == "free disk space"
    assert model.reader.store is None
    sequences = [s for objective, _ in objectives for s in objective.sequences()]
    read = model.hidden_states(sequences[:4], "tail")
    assert attach_cache(recipe, model, objectives, tmp_path / "cache") > 0
    kept = model.hidden_states(sequences[:4], "tail")
    torch.testing.assert_close(torch.from_numpy(kept), torch.from_numpy(read))


def test_a_reading_that_is_stopped_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "FILL_BLOCK", 8)
    recipe = tiny_recipe(model=FROZEN)
    model, objectives = tiny_setup(recipe)
    pieces = plan_pieces(model.reader, [s for o, _ in objectives for s in o.sequences()])
    whole = build_cache(model.reader, pieces, tmp_path / "whole", 1.0, "x")
    real, read = model.reader.read_pieces, 0

    def stopped(keys: list[Key]) -> torch.Tensor:
        nonlocal read
        if read == 3:
            raise KeyboardInterrupt
        read += 1
        return real(keys)

    monkeypatch.setattr(model.reader, "read_pieces", stopped)
    with pytest.raises(KeyboardInterrupt):
        build_cache(model.reader, pieces, tmp_path / "cut", 1.0, "x")
    assert not (tmp_path / "cut" / "hidden.npy").exists()
    groups: list[int] = []

    def counted(keys: list[Key]) -> torch.Tensor:
        groups.append(len(keys))
        return real(keys)

    monkeypatch.setattr(model.reader, "read_pieces", counted)
    again = build_cache(model.reader, pieces, tmp_path / "cut", 1.0, "x")
    assert again.rows.tobytes() == whole.rows.tobytes()
    assert sum(groups) < len(pieces) and groups, "what was read is not read again"
    other = build_cache(model.reader, pieces[1:], tmp_path / "cut", 1.0, "x")
    assert len(other.rows) < len(again.rows), "another run's rows are another file"
    assert again.rows.tobytes() == whole.rows.tobytes()


def test_a_cache_over_its_cap_says_what_it_needs(tmp_path: Path) -> None:
    recipe = tiny_recipe(model=FROZEN, loop={"cache_gb": 1e-9})
    model, objectives = tiny_setup(recipe)
    with pytest.raises(ConfigError, match=r"needs .* GB, cache_gb is 1e-09") as raised:
        attach_cache(recipe, model, objectives, tmp_path / "cache")
    assert "cache_gb=0" in raised.value.hint
    assert not (tmp_path / "cache").exists()
