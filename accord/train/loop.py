"""The one training loop, on accelerate; every step is a pure function of its number."""

from __future__ import annotations

import math
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator, DistributedType
from torch import nn

from accord.errors import ConfigError
from accord.model.cpu import flushed_denormals
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import put_weights, trainable
from accord.objectives.base import Objective
from accord.progress import clock, say
from accord.train.checkpoint import RunFolder
from accord.train.mixing import BALANCE, RATE, Mixing
from accord.train.recipe import LoopConfig
from accord.train.step import NotFiniteError, Step

SHARDED = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)
BEST_OBJECTIVE = "objectives."
"""What names of objectives' own parameters begin with among the best weights."""


class Validated(NamedTuple):
    """What a validation gives that measures several things."""

    figure: float
    """The one to raise."""
    parts: Mapping[str, float]
    """What the log holds beside it."""

    @classmethod
    def mean(cls, figures: Mapping[str, float]) -> Validated:
        """The mean of several figures, those by name beside it."""
        return cls(sum(figures.values()) / len(figures), figures)


Validate = Callable[[KnowledgeModel], float | Validated]


@dataclass
class Progress:
    """Where a run stands; all of it is in the checkpoint."""

    step: int = 0
    seconds: float = 0.0
    setup_seconds: float = 0.0
    """Before the first step: the model, its own texts, frozen layers, the first map."""
    validation_seconds: float = 0.0
    tokens: float = 0.0
    best: float = -math.inf
    best_step: int = 0
    waited: int = 0
    peak_bytes: int = 0
    finished: bool = False
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)

    def state(self) -> dict[str, Any]:
        """Everything but tensors."""
        return {k: v for k, v in asdict(self).items() if k != "best_weights"}


class Loop:
    """Trains a model.

    Args:
        model: The model.
        objectives: With their weights.
        config: Settings.
        run: Where log and checkpoints go.
        seed: Of dropout.
        validate: Gives the figure to raise, alone or with others beside it (`Validated`); None to
            train without.
        accelerator: Processes and trackers; None makes one.
    """

    def __init__(
        self,
        model: KnowledgeModel,
        objectives: Sequence[tuple[Objective, float]],
        config: LoopConfig,
        run: RunFolder,
        seed: int,
        validate: Validate | None,
        accelerator: Accelerator,
    ) -> None:
        self.model = model
        self.objectives = objectives
        self.config = config
        self.run = run
        self.validate = validate
        self.accelerator = accelerator
        process = (accelerator.process_index, accelerator.num_processes)
        self.mixing = Mixing(objectives, config.order, config.steps, config.accumulation)
        size = config.chunk_tokens, config.keep_tokens
        self.step = Step(model, objectives, *size, seed, process, self.mixing)
        self.shared = list(trainable(model.lm).values())
        self.replicated = [
            *trainable(model.projection).values(),
            *(p for objective, _ in objectives for p in objective.parameters.values()),
        ]
        balances = [o.parameters[BALANCE] for o, _ in objectives if BALANCE in o.parameters]
        self.balances = [parameter for parameter in balances if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(self._groups(), lr=config.learning_rate)
        self.progress = Progress()
        self._stop = False
        self._begun = Progress()

    def _groups(self) -> list[dict[str, Any]]:
        alone = [o for o, _ in self.objectives if o.learning_rate is not None]
        weighing = {id(p) for p in self.balances}
        own = weighing | {id(p) for o in alone for p in o.parameters.values()}
        common = [p for p in [*self.shared, *self.replicated] if id(p) not in own]
        decayed = [p for p in common if p.dim() > 1]
        plain = [p for p in common if p.dim() <= 1]
        groups = [(decayed, self.config.weight_decay, 1.0), (plain, 0.0, 1.0)]
        groups.append((self.balances, 0.0, RATE))
        for objective in alone:
            assert objective.learning_rate is not None
            factor = objective.learning_rate / self.config.learning_rate
            rest = [p for p in objective.parameters.values() if id(p) not in weighing]
            groups.append((rest, 0.0, factor))
        return [{"params": p, "weight_decay": d, "factor": f} for p, d, f in groups if p]

    def fit(self, resume: bool = False) -> Progress:
        """Runs to the last step, or until validation stops improving.

        Args:
            resume: Go on from the newest checkpoint.

        Returns:
            Where it ended; the model holds the best weights.

        Raises:
            KeyboardInterrupt: After Ctrl-C, with a checkpoint written.
            ModelError: A loss that is not finite; checkpoints, if any, are kept.
            DataError: The disk is full; checkpoints, if any, are kept.
        """
        if resume:
            self._load()
        self._begun = replace(self.progress, best_weights={})
        self.accelerator.init_trackers("accord") if self.config.trackers else None
        last_save = time.monotonic()
        with self._interruptible(), flushed_denormals():
            while not self.progress.finished:
                with self.run.advised(NotFiniteError):
                    self._advance()
                if self._due() or time.monotonic() - last_save > self.config.checkpoint_seconds:
                    self._save()
                    last_save = time.monotonic()
                if self._stop:
                    self._save()
                    raise KeyboardInterrupt
        if self.progress.best_weights:
            self._put_best(self.progress.best_weights)
        return self.progress

    def _put_best(self, best: dict[str, torch.Tensor]) -> None:
        own = {k.removeprefix(BEST_OBJECTIVE): t for k, t in best.items() if _of_objective(k)}
        weights = {k: t for k, t in best.items() if not _of_objective(k)}
        put_weights(self.model, weights, "the best step")
        with torch.no_grad():
            for objective, _ in self.objectives:
                for key, parameter in objective.parameters.items():
                    parameter.copy_(own.get(f"{objective.name}.{key}", parameter))

    def _due(self) -> bool:
        every = self.config.validate_every
        return self.progress.finished or bool(every and self.progress.step % every == 0)

    def _advance(self) -> None:
        """One optimizer step, with its log line and validation."""
        start, progress = time.monotonic(), self.progress
        rate = self._set_rate(progress.step)
        log = self._gradient(progress.step)
        norm = self._reduce_and_clip()
        if not math.isfinite(norm):
            raise NotFiniteError(f"the gradient's norm is {norm} at step {progress.step}")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        progress.step += 1
        progress.tokens += log["tokens"]
        progress.seconds += time.monotonic() - start
        progress.peak_bytes = max(progress.peak_bytes, peak_memory(self.model.device))
        progress.finished = progress.step >= self.config.steps
        if progress.step % self.config.log_every == 0 or progress.finished or progress.step == 1:
            self._log({**log, "lr": rate, "gradient_norm": norm, "seconds": progress.seconds})
        if self.validate is not None and self._due():
            self._validate()

    def _gradient(self, step: int) -> dict[str, float]:
        count = self.config.accumulation
        first = step == 0 and self.config.balance == "gradient"
        shares = (first or (step + 1) % self.config.log_every == 0) and len(self.objectives) > 1
        batches = range(step * count, (step + 1) * count)
        scales = self.step.scales(batches)
        logs = [self.step(n, scale, shares) for n, scale in zip(batches, scales, strict=True)]
        keys = logs[-1].keys()
        mean = {k: sum(log[k] for log in logs) / count for k in keys}
        return {**mean, "tokens": mean["tokens"] * count}

    def _set_rate(self, step: int) -> float:
        place, steps = self.mixing.place(step)
        rate = learning_rate(replace(self.config, steps=steps), place)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        return rate

    def _reduce_and_clip(self) -> float:
        """Adds the processes' gradients; what every process computes alike is averaged."""
        if self.accelerator.num_processes > 1:
            _all_reduce(self.shared, mean=False)
            _all_reduce(self.replicated, mean=True)
        # What losses count for is learnt beside the model, whose step must not shrink by it.
        apart = {id(p) for p in self.balances}
        every = [p for p in [*self.shared, *self.replicated] if id(p) not in apart]
        parameters = [p for p in every if p.grad is not None]
        limit = self.config.clip or math.inf
        return float(nn.utils.clip_grad_norm_(parameters, limit))

    def _log(self, line: dict[str, float]) -> None:
        progress = self.progress
        if not self.accelerator.is_main_process:
            return
        self.run.log({"step": progress.step, **line})
        self.accelerator.log(line, step=progress.step) if self.config.trackers else None
        # Since this process began: what came before a resume may have been another machine.
        begun = self._begun
        seconds = max(progress.seconds - begun.seconds, 1e-9)
        left = seconds / (progress.step - begun.step) * (self.config.steps - progress.step)
        rate = (progress.tokens - begun.tokens) / seconds
        parts = [f"{k.split('/')[0]} {v:.3f}" for k, v in line.items() if k.endswith("/loss")]
        say(
            f"step {progress.step}/{self.config.steps}  {'  '.join(parts)}  "
            f"{rate:,.0f} tokens/s  {clock(left)} left"
        )

    def _validate(self) -> None:
        progress = self.progress
        assert self.validate is not None
        self.model.eval()
        began = time.monotonic()
        found = self.validate(self.model)
        progress.validation_seconds += time.monotonic() - began
        figure, parts = found if isinstance(found, Validated) else (found, {})
        if figure > progress.best:
            progress.best, progress.best_step, progress.waited = figure, progress.step, 0
            named = dict(trainable(self.model))
            for objective, _ in self.objectives:
                start = f"{BEST_OBJECTIVE}{objective.name}"
                named |= {f"{start}.{k}": p for k, p in objective.parameters.items()}
            progress.best_weights = {k: p.detach().cpu().clone() for k, p in named.items()}
        else:
            progress.waited += 1
        if self.config.patience and progress.waited >= self.config.patience:
            progress.finished = True
        if self.accelerator.is_main_process:
            line = {"step": progress.step, "seconds": progress.seconds, "valid": figure}
            self.run.log({**line, **{f"valid/{key}": value for key, value in parts.items()}})
            say(f"valid {figure:.4f} at step {progress.step} (best {progress.best:.4f})")

    def _save(self) -> None:
        if not self.accelerator.is_main_process:
            return
        tensors: dict[str, dict[str, torch.Tensor]] = {
            "weights": {k: p.detach() for k, p in trainable(self.model).items()},
            "objectives": self._objective_tensors(),
            "optimizer": self._optimizer_tensors(),
        }
        if self.progress.best_weights:
            tensors["best"] = self.progress.best_weights
        self.run.save_checkpoint(self.progress.step, tensors, self.progress.state())

    def _objective_tensors(self) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = {}
        for objective, _ in self.objectives:
            found |= {f"{objective.name}.p.{k}": p for k, p in objective.parameters.items()}
            found |= {f"{objective.name}.s.{k}": t for k, t in objective.state().items()}
        return found

    def _optimizer_tensors(self) -> dict[str, torch.Tensor]:
        states: dict[int, dict[str, torch.Tensor]] = self.optimizer.state_dict()["state"]
        return {f"{i}.{key}": t for i, group in states.items() for key, t in group.items()}

    def _load(self) -> None:
        found = self.run.load_checkpoint()
        if found is None:
            return
        tensors, state = found
        put_weights(self.model, tensors["weights"], str(self.run.path))
        self._load_objectives(tensors["objectives"])
        packed = self.optimizer.state_dict()
        packed["state"] = {}
        for name, tensor in tensors["optimizer"].items():
            index, key = name.split(".", 1)
            packed["state"].setdefault(int(index), {})[key] = tensor
        self.optimizer.load_state_dict(packed)
        self.progress = Progress(
            **{k: v for k, v in state.items() if k in Progress.__dataclass_fields__},
            best_weights=tensors.get("best", {}),
        )
        if self.accelerator.is_main_process:
            self.run.cut_log(self.progress.step)
        say(f"going on from step {self.progress.step}")

    def _load_objectives(self, tensors: dict[str, torch.Tensor]) -> None:
        for objective, _ in self.objectives:
            prefix = f"{objective.name}."
            own = {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
            with torch.no_grad():
                for key, parameter in objective.parameters.items():
                    parameter.copy_(own[f"p.{key}"])
            objective.load_state({k[2:]: t for k, t in own.items() if k.startswith("s.")})

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """First Ctrl-C ends the step, saves and stops; the second stops at once."""

        def ask(*_: Any) -> None:
            if self._stop:
                raise KeyboardInterrupt
            self._stop = True
            say("stopping after this step; Ctrl-C again stops at once")

        try:
            before = signal.signal(signal.SIGINT, ask)
        except ValueError:  # not the main thread: Ctrl-C does not come here
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def check_launcher(accelerator: Accelerator) -> None:
    """Refuses to be launched as what the loop does not do, rather than to leave it out unsaid.

    Raises:
        ConfigError: The launcher asks for a model in shards.
    """
    if accelerator.distributed_type in SHARDED:
        raise ConfigError(
            f"launched with {accelerator.distributed_type.value}: every process of a run holds the "
            "whole model, shards are not supported",
            "launch with distributed_type MULTI_GPU or MULTI_CPU, or with torchrun",
        )


def learning_rate(config: LoopConfig, step: int) -> float:
    """The learning rate of a step, a pure function of its number."""
    warm = max(1, round(config.warmup * config.steps)) if config.warmup else 0
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, config.steps - warm)
    shape = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}
    return config.learning_rate * shape[config.schedule]


def _of_objective(name: str) -> bool:
    return name.startswith(BEST_OBJECTIVE)


def _all_reduce(parameters: list[nn.Parameter], mean: bool) -> None:
    if not parameters:
        return
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([g.flatten().float() for g in grads])
    torch.distributed.all_reduce(flat)
    if mean:
        flat /= torch.distributed.get_world_size()
    start = 0
    for parameter, grad in zip(parameters, grads, strict=True):
        part = flat[start : start + grad.numel()].view_as(grad)
        parameter.grad = part.to(parameter.dtype)
        start += grad.numel()


def peak_memory(device: torch.device) -> int:
    """Largest memory so far in bytes: of the process, or of the GPU where there is one."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
