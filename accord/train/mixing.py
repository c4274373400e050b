"""How objectives share a run: whose turn a step is, and what each loss counts for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence as Seq
from typing import Literal

import torch
from torch import nn

from accord.objectives.base import Loss, Objective

Order = Literal["simultaneous", "staged", "alternating"]
Balance = Literal["none", "uncertainty", "gradient"]
STAGES = (
    ("contrastive", "completion", "structure", "knowledge"),
    ("relations", "linking", "modelling", "spans", "typing", "pairs"),
    ("rationale", "choice"),
)
"""What is learnt together: the graph's facts, what texts say of them, how answers use them. An
objective that is in none, such as language, has no turn of its own and is in all steps."""
BALANCE = "balance"
"""Name of the parameter of an objective that holds its log-factor; it is in the checkpoint."""
RATE = 10.0
"""Learning rate of factors that are learnt, as a multiple of the loop's."""
SMOOTHING = 0.3
"""How much a new measurement of a gradient counts against those before."""


def add_balances(objectives: Seq[tuple[Objective, float]], kind: Balance) -> None:
    """Gives each objective of several the parameter that balances it."""
    if kind == "none" or len(objectives) < 2:
        return
    learnt = kind == "uncertainty"
    for objective, _ in objectives:
        start = torch.tensor(0.0 if learnt else math.nan)  # nothing is measured yet
        objective.parameters[BALANCE] = nn.Parameter(start, requires_grad=learnt)


class Mixing:
    """Whose turn a step is, and the sum of the losses.

    Balances, where objectives have them: *uncertainty*: a loss L of weight w counts as
    w exp(-s) L + s / 2 with a learnt s. *gradient*: each loss is divided by the running mean of
    its gradient's norm at what was read, so that weights are shares of the gradient.

    Source: Kendall et al. 2018 (arXiv 1705.07115) for uncertainty; s is their log variance.
    Differs from them: L is not halved, and weights stay. `gradient` has the aim of GradNorm
    (arXiv 1711.02257) without its second gradient and its training rates.

    Args:
        objectives: With their weights.
        order: simultaneous: all in every step. staged: one stage after the other, in equal parts
            of the run. alternating: stages take turns, step by step.
        steps: Optimizer steps of the run.
        accumulation: Batches of a step.
    """

    def __init__(
        self,
        objectives: Seq[tuple[Objective, float]],
        order: Order = "simultaneous",
        steps: int = 1,
        accumulation: int = 1,
    ) -> None:
        self.objectives = objectives
        self.order = order
        self.steps = steps
        self.accumulation = accumulation
        names = {objective.name for objective, _ in objectives}
        stages = [names.intersection(stage) for stage in STAGES]
        self.stages = [stage for stage in stages if stage]
        self.always = names.difference(*self.stages)

    def active(self, batch: int) -> list[tuple[Objective, float]]:
        """The objectives that take part in a batch."""
        if self.order == "simultaneous" or len(self.stages) < 2:
            return list(self.objectives)
        names = self.stages[self._stage(batch // self.accumulation)] | self.always
        return [(o, weight) for o, weight in self.objectives if o.name in names]

    def _stage(self, step: int) -> int:
        count = len(self.stages)
        if self.order == "staged":
            return min(step * count // self.steps, count - 1)
        return (step + step // count) % count  # each stage once in `count` steps, never in one beat

    def place(self, step: int) -> tuple[int, int]:
        """Where a step is in its stage, and how many steps that has: for the learning rate."""
        if self.order != "staged" or len(self.stages) < 2:
            return step, self.steps
        stage, count = self._stage(step), len(self.stages)
        first, after = (-(-n * self.steps // count) for n in (stage, stage + 1))
        return step - first, after - first

    def total(
        self,
        losses: Mapping[str, Loss],
        states: torch.Tensor,
        scales: Mapping[str, float],
        shares: bool,
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """The sum to go backward from, and what is logged of it.

        Args:
            losses: Of the objectives that take part, by name.
            states: What was read; gradients are measured there.
            scales: Multiplies each objective's loss, for accumulation; 1 where it has none.
            shares: Also measure each objective's share of the gradient.

        Returns:
            The sum, and loss, parts, shares, and weights where they are balanced.
        """
        log: dict[str, float] = {"loss": 0.0}
        total = states.new_zeros((), dtype=torch.float32)
        norms: dict[str, float] = {}
        level = self._level()
        for objective, weight in self.objectives:
            name = objective.name
            if name not in losses:
                continue
            loss = losses[name]
            factor, penalty = _factor(objective, level)
            counted = weight * factor * loss.value
            value = float(counted.detach())
            log["loss"] += value
            log[f"{name}/loss"] = float(loss.value.detach())
            log |= {f"{name}/{key}": part for key, part in loss.parts.items()}
            real = weight * float(torch.as_tensor(factor).detach())
            if BALANCE in objective.parameters:
                log[f"{name}/weight"] = real
            if shares:
                norms[name] = gradient_norm(counted, states)
                _measured(objective, norms[name] / real)
            total = total + scales.get(name, 1.0) * (counted + penalty)
        for name, norm in norms.items():
            log[f"{name}/share"] = norm / max(sum(norms.values()), 1e-12)
        return total, log

    def _level(self) -> float:
        """Mean log-norm of the gradients that were measured, so that balancing changes no size."""
        known = [float(o.parameters[BALANCE]) for o, _ in self.objectives if _is_measured(o)]
        return sum(known) / len(known) if known else 0.0


def _is_measured(objective: Objective) -> bool:
    """Whether an objective is balanced by a gradient that was measured."""
    if BALANCE not in objective.parameters or objective.parameters[BALANCE].requires_grad:
        return False
    return math.isfinite(float(objective.parameters[BALANCE]))


def _factor(
    objective: Objective, level: float
) -> tuple[torch.Tensor | float, torch.Tensor | float]:
    """What a loss is multiplied by, and what its being multiplied costs."""
    if BALANCE not in objective.parameters:
        return 1.0, 0.0
    log = objective.parameters[BALANCE]
    if log.requires_grad:
        return torch.exp(-log), log / 2
    return (math.exp(level - float(log)), 0.0) if _is_measured(objective) else (1.0, 0.0)


@torch.no_grad()
def _measured(objective: Objective, norm: float) -> None:
    """Takes note of the norm of a loss's own gradient; one that reads nothing has none."""
    known = objective.parameters.get(BALANCE, None)
    if known is None or known.requires_grad or not norm > 0:
        return
    old = float(known)
    rest = math.log(norm) - old
    known.fill_(old + SMOOTHING * rest if math.isfinite(old) else math.log(norm))


def gradient_norm(loss: torch.Tensor, states: torch.Tensor) -> float:
    """Norm of a loss's gradient at what was read; 0 where it does not depend on it."""
    (grad,) = torch.autograd.grad(loss, states, retain_graph=True, allow_unused=True)
    return 0.0 if grad is None else float(grad.norm())
