"""The cache of frozen layers where there is no room for it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from accord.errors import ConfigError, DataError
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


def test_a_cache_over_its_cap_says_what_it_needs(tmp_path: Path) -> None:
    recipe = tiny_recipe(model=FROZEN, loop={"cache_gb": 1e-9})
    model, objectives = tiny_setup(recipe)
    with pytest.raises(ConfigError, match=r"needs .* GB, cache_gb is 1e-09") as raised:
        attach_cache(recipe, model, objectives, tmp_path / "cache")
    assert "cache_gb=0" in raised.value.hint
    assert not (tmp_path / "cache").exists()
