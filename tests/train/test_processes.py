"""Two processes train the same model as one."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from accord.model.saving import load_model
from benchmarks.resume import logged, train_quietly, workers
from tests.conftest import build_tiny_graph
from tests.train.tiny import tiny_project, tiny_recipe


def _one_of_many(settings: dict[str, Any], rank: int, count: int, port: int, log: str) -> None:
    """What `accelerate launch` and torchrun set for a process."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    os.environ |= {"LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"}
    os.environ |= {"MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    train_quietly(settings, f"{log}-{rank}")


def launch(settings: dict[str, Any], count: int, log: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = workers()
    group = [
        context.Process(target=_one_of_many, args=(settings, rank, count, port, str(log)))
        for rank in range(count)
    ]
    for process in group:
        process.start()
    for process in group:
        process.join(120)
        if process.exitcode is None:
            process.kill()
    texts = [Path(f"{log}-{rank}").read_text()[-2000:] for rank in range(count)]
    assert [process.exitcode for process in group] == [0] * count, "\n".join(texts)


def test_two_processes_train_the_model_of_one(tmp_path: Path) -> None:
    recipe = tiny_recipe(
        model={"freeze_layers": 2, "reading": "segments", "projection": 6, "dropout": 0.2},
        contrastive={"queue": 5},
        loop={"steps": 6, "validate_every": 3, "log_every": 1, "chunk_tokens": 40}
        | {"accumulation": 2, "learning_rate": 1e-2},
    )
    settings = tiny_project(tmp_path, recipe)
    train_quietly_in_one = workers().Process(
        target=train_quietly, args=({**settings, "out": str(tmp_path / "one")}, str(tmp_path / "l"))
    )
    train_quietly_in_one.start()
    train_quietly_in_one.join()
    assert train_quietly_in_one.exitcode == 0, (tmp_path / "l").read_text()[-3000:]
    launch({**settings, "out": str(tmp_path / "two")}, 2, tmp_path / "two-log")

    one, two = logged(tmp_path / "one"), logged(tmp_path / "two")
    assert len(one) == len(two) > 6
    for first, second in zip(one, two, strict=True):
        # The norm is a sum over all weights of float32 sums in another order.
        norm, other = first.pop("gradient_norm", 0.0), second.pop("gradient_norm", 0.0)
        assert other == pytest.approx(norm, rel=1e-4)
        assert second == pytest.approx(first, abs=1e-5, rel=1e-5)
    assert one[0]["loss"] != pytest.approx(one[-2]["loss"], abs=1e-3), "something was learnt"
    weights = [
        load_file(tmp_path / run / "model" / "trained.safetensors") for run in ("one", "two")
    ]
    for name, tensor in weights[0].items():
        np.testing.assert_allclose(weights[1][name], tensor, atol=1e-5, err_msg=name)
    graph = build_tiny_graph()
    vectors = [load_model(tmp_path / run, "cpu").embed_entities(graph) for run in ("one", "two")]
    np.testing.assert_allclose(vectors[1], vectors[0], atol=1e-5)
