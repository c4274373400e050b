"""The loop: stopping, saving and failing without losing anything."""

from __future__ import annotations

import errno
import signal
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import DistributedType

from accord.errors import ConfigError, DataError, ModelError
from accord.model.cpu import flushed_denormals
from accord.model.saving import trainable
from accord.objectives.base import Loss
from accord.train import checkpoint
from accord.train.checkpoint import RunFolder
from accord.train.loop import Loop, check_launcher, learning_rate
from accord.train.recipe import LoopConfig, Recipe
from tests.train.tiny import tiny_loop, tiny_recipe

FULL = OSError(errno.ENOSPC, "No space left on device")


def quick(**loop: Any) -> Recipe:
    return tiny_recipe(
        completion={"weight": 0.0},
        language={"weight": 0.0},
        loop={"steps": 3, "checkpoint_seconds": 0.0, **loop},
    )


def steps_kept(folder: Path) -> list[int]:
    return sorted(int(p.name.split("-")[1]) for p in (folder / "checkpoints").glob("step-*"))


def break_loss(loop: Loop, step: int, error: Any) -> None:
    """From that batch on the loss is NaN, or something is raised."""
    objective = loop.objectives[0][0]
    real, seen = objective.loss, [0]

    def loss(outputs: Any, batch: Any) -> Loss:
        found = real(outputs, batch)
        seen[0] += 1
        return error(found) if seen[0] > step else found

    objective.loss = loss  # type: ignore[method-assign]


def stopped_at(loop: Loop, step: int) -> None:
    """Runs until somebody stops it in that batch."""

    def press(loss: Loss) -> Loss:
        loop._stop = True
        return loss

    break_loss(loop, step, press)
    with pytest.raises(KeyboardInterrupt):
        loop.fit()


def test_a_loss_that_is_nan_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    loop = tiny_loop(quick(steps=9), tmp_path)
    break_loss(loop, 4, lambda loss: Loss(loss.value * float("nan")))
    with pytest.raises(ModelError, match="contrastive loss is nan at step 4") as told:
        loop.fit()
    assert "step-00000004 is kept" in told.value.hint and "resume" not in told.value.hint
    assert steps_kept(tmp_path) == [3, 4]
    found = RunFolder(tmp_path).load_checkpoint()
    assert found is not None
    assert all(bool(torch.isfinite(t).all()) for t in found[0]["weights"].values())


def test_a_loss_that_is_nan_at_once_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    loop = tiny_loop(quick(checkpoint_seconds=999.0), tmp_path)
    break_loss(loop, 0, lambda loss: Loss(loss.value * float("nan")))
    with pytest.raises(ModelError, match="loss is nan at step 0") as told:
        loop.fit()
    assert "no checkpoint was written yet" in told.value.hint and "new --out" in told.value.hint
    assert steps_kept(tmp_path) == []


def test_a_gradient_that_is_not_finite_reaches_no_weight(tmp_path: Path) -> None:
    loop = tiny_loop(quick(steps=9), tmp_path)

    def explode(loss: Loss) -> Loss:
        value: Any = loss.value
        value.register_hook(lambda g: g * float("inf"))
        return loss

    break_loss(loop, 2, explode)
    with pytest.raises(ModelError, match=r"gradient's norm is .* at step 2"):
        loop.fit()
    assert steps_kept(tmp_path) == [1, 2]
    assert all(bool(torch.isfinite(p).all()) for p in trainable(loop.model).values())


@pytest.mark.parametrize("error", [FULL, "safetensors"])
def test_a_full_disk_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    from safetensors import SafetensorError

    loop = tiny_loop(quick(steps=1), tmp_path)
    loop.fit()
    before = (tmp_path / "checkpoints/step-00000001/weights.safetensors").read_bytes()
    if error == "safetensors":
        error = SafetensorError("Error while serializing: I/O error: No space left on device")

    def full(*_: Any) -> None:
        raise error

    monkeypatch.setattr(checkpoint, "save_file", full)
    again = tiny_loop(quick(steps=2), tmp_path)
    again._load()
    again.progress.finished = False
    with pytest.raises(DataError, match="no space left") as raised:
        again.fit()
    assert "--resume" in raised.value.hint
    assert steps_kept(tmp_path) == [1]
    assert (tmp_path / "checkpoints/step-00000001/weights.safetensors").read_bytes() == before
    assert not list((tmp_path / "checkpoints").glob(".writing-*"))


def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path) -> None:
    tiny_loop(quick(), tmp_path).fit()
    folder = tmp_path / "checkpoints"
    (folder / ".writing-x").mkdir()
    (folder / ".writing-x" / "weights.safetensors").write_bytes(b"cut")
    (folder / "step-00000009").mkdir()  # without its state: never finished
    found = RunFolder(tmp_path).load_checkpoint()
    assert found is not None
    assert found[1]["step"] == 3
    assert not list(folder.glob(".writing-*"))


def test_an_unreadable_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    tiny_loop(quick(), tmp_path).fit()
    last = tmp_path / "checkpoints" / "step-00000003"
    whole = (last / "weights.safetensors").read_bytes()
    (last / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    found = RunFolder(tmp_path).load_checkpoint()
    assert found is not None
    assert found[1]["step"] == 2
    (tmp_path / "checkpoints" / "step-00000002" / "state.json").write_text("{")
    with pytest.raises(DataError, match="no checkpoint can be read"):
        RunFolder(tmp_path).load_checkpoint()


def test_it_stops_early_and_ends_with_the_best_weights(tmp_path: Path) -> None:
    figures = iter([0.1, 0.5, 0.3, 0.5, 0.9])
    seen: list[dict[str, torch.Tensor]] = []

    def validate(model: Any) -> float:
        seen.append({k: p.detach().clone() for k, p in trainable(model).items()})
        return next(figures)

    loop = tiny_loop(quick(steps=20, validate_every=1, patience=2), tmp_path, validate)
    progress = loop.fit()
    assert (progress.step, progress.best, progress.best_step) == (4, 0.5, 2)
    ended = trainable(loop.model)
    assert all(torch.equal(ended[k], t) for k, t in seen[1].items())
    assert any(not torch.equal(ended[k], t) for k, t in seen[3].items())
    valid = [line["valid"] for line in RunFolder(tmp_path).lines() if "valid" in line]
    assert valid == [0.1, 0.5, 0.3, 0.5]


def test_ctrl_c_ends_the_step_saves_and_stops(tmp_path: Path) -> None:
    loop = tiny_loop(quick(steps=9, checkpoint_seconds=1e6), tmp_path)
    handler = signal.getsignal(signal.SIGINT)

    def press(loss: Loss) -> Loss:
        signal.raise_signal(signal.SIGINT)
        return loss

    break_loss(loop, 4, press)
    with pytest.raises(KeyboardInterrupt):
        loop.fit()
    assert steps_kept(tmp_path) == [5]
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_run_in_two_pieces_is_the_run_in_one(tmp_path: Path) -> None:
    whole_recipe = tiny_recipe(contrastive={"queue": 7}, loop={"steps": 6})
    whole = tiny_loop(whole_recipe, tmp_path / "a")
    whole.fit()
    stopped_at(tiny_loop(whole_recipe, tmp_path / "b"), 2)
    loop = tiny_loop(whole_recipe, tmp_path / "b")
    loop.fit(resume=True)
    first, second = trainable(whole.model), trainable(loop.model)
    assert all(torch.equal(first[k], second[k]) for k in first)
    temperatures = [lp.objectives[0][0].parameters["log_temperature"] for lp in (whole, loop)]
    assert torch.equal(*temperatures)
    assert float(temperatures[0].detach()) != pytest.approx(-2.9957, abs=1e-5)
    logs = [RunFolder(tmp_path / name).lines() for name in "ab"]
    assert [line["step"] for line in logs[0]] == [line["step"] for line in logs[1]]


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    tiny_loop(quick(), tmp_path).fit()
    other = tiny_recipe(
        {"rank": 3}, completion={"weight": 0.0}, language={"weight": 0.0}, loop={"steps": 5}
    )
    with pytest.raises(ModelError, match="do not fit"):
        tiny_loop(other, tmp_path).fit(resume=True)


def test_the_log_drops_lines_that_will_be_run_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (1, 2, 3):
        run.log({"step": step})
    with run.metrics.open("a") as file:
        file.write('{"step": 4, "lo')
    run.cut_log(2)
    assert run.lines() == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_schedules(schedule: Any) -> None:
    config = LoopConfig(steps=100, learning_rate=2.0, warmup=0.1, schedule=schedule)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert rates[10] == pytest.approx(2.0)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    middle = {"cosine": 1.0, "linear": 1.0, "constant": 2.0}[schedule]
    assert learning_rate(config, 55) == pytest.approx(middle)
    assert rates[-1] < 0.1 or schedule == "constant"


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 0},
        {"accumulation": 0},
        {"learning_rate": 0.0},
        {"warmup": 1.5},
        {"chunk_tokens": 0},
        {"cache_gb": -1.0},
    ],
)
def test_settings_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        LoopConfig(**values)


def test_shards_that_the_loop_does_not_make_are_refused() -> None:
    accelerator: Any = SimpleNamespace(distributed_type=DistributedType.FSDP)
    with pytest.raises(ConfigError, match="launched with FSDP"):
        check_launcher(accelerator)
    accelerator.distributed_type = DistributedType.MULTI_CPU
    check_launcher(accelerator)


def test_training_leaves_the_processor_s_arithmetic_as_it_was() -> None:
    tiny = torch.tensor(1e-310, dtype=torch.float64)
    with flushed_denormals():
        assert tiny * 0.5 == 0
    assert tiny * 0.5 != 0


def test_time_left_counts_from_where_the_run_was_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tiny_loop(quick(steps=4, log_every=1), tmp_path)
    first.progress.seconds = 1e6
    stopped_at(first, 1)
    tiny_loop(quick(steps=4, log_every=1), tmp_path).fit(resume=True)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("step 3/4")]
    assert len(told) == 1
    assert int(told[0].split()[-3]) < 60, told
