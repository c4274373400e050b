"""One training step: gathers what objectives ask for, reads it once, and goes backward.

Reading is chunked. The states that objectives ask for are collected, the losses are computed on
them, and their gradient is carried back chunk by chunk (gradient caching), so the number of
negatives does not depend on memory. Of several processes each reads its share of the chunks.

Source: Gao et al. 2021 (arXiv 2101.06983) for gradient caching.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Seq
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from accord.errors import ModelError
from accord.model import load
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.base import (
    Encode,
    Ends,
    Loss,
    Objective,
    Points,
    Request,
    Score,
    States,
    Teacher,
    TeacherOutput,
    last_token,
    places_of,
)
from accord.text.collate import chunks_by_length
from accord.text.examples import Sequence, length
from accord.train.mixing import Mixing

Int64 = npt.NDArray[np.int64]


class NotFiniteError(ModelError):
    """A loss or gradient that is no number; the weights were not touched by it."""


@dataclass(frozen=True)
class Plan:
    """Which texts a step reads and where the asked-for states lie."""

    texts: list[Sequence]
    """Distinct texts with a place; none is the beginning of another."""
    rows: Int64
    """(M,) the text of each place."""
    positions: Int64
    """(M,) the token of it."""
    spans: dict[tuple[str, str], slice]
    """Places of each (objective, request)."""
    quiet: npt.NDArray[np.bool_]
    """(T,) texts that only a teacher reads, so that no gradient goes through them."""


def plan_reading(
    requests: Mapping[tuple[str, str], Request], causal: bool = True, ends: Ends = last_token
) -> Plan:
    """Merges equal texts, and texts that another one begins with.

    A causal model's state at a token depends on what is before it only, so the embedding of a
    query comes from the same reading as its completion.

    Args:
        requests: By objective and name; those of a teacher with the first weights are left out.
        causal: Whether a token sees only what is before it; an encoder's sees all.
        ends: Which places stand for a whole text.

    Returns:
        The plan, places in the order of the requests.
    """
    asked = {k: r for k, r in requests.items() if not _from_start(r)}
    whole = [s for request in asked.values() for s in request.sequences]
    host = _hosts(whole) if causal else dict(zip(whole, whole, strict=True))
    texts = list(dict.fromkeys(host.values()))
    number = {text: i for i, text in enumerate(texts)}
    quiet = np.ones(len(texts), dtype=np.bool_)
    rows, positions, spans, start = [], [], {}, 0
    for key, request in asked.items():
        points = places_of(request, ends)
        local = np.array([number[host[s]] for s in request.sequences], dtype=np.int64)
        quiet[local] &= isinstance(request, Teacher)
        rows.append(local[points.rows])
        positions.append(points.positions)
        spans[key] = slice(start, start + len(points.rows))
        start += len(points.rows)
    none = np.zeros(0, dtype=np.int64)  # objectives may need nothing read
    used, place_rows = np.unique(np.concatenate([none, *rows]), return_inverse=True)
    places = place_rows, np.concatenate([none, *positions])
    return Plan([texts[i] for i in used], *places, spans, quiet[used])


def _from_start(request: Request) -> bool:
    return isinstance(request, Teacher) and request.weights == "start"


def _hosts(sequences: list[Sequence]) -> dict[Sequence, Sequence]:
    """For each distinct sequence the longest one asked for that begins with it."""
    host: dict[Sequence, Sequence] = {}
    for sequence in sorted(dict.fromkeys(sequences), key=len, reverse=True):
        host.setdefault(sequence, sequence)
        for cut in range(1, len(sequence)):
            prefix = sequence[:cut]
            if prefix not in host:
                host[prefix] = host[sequence]
    return {sequence: host[sequence] for sequence in sequences}


class Step:
    """Computes gradients of weighted objectives.

    Args:
        model: The model; its trainable parameters receive gradient.
        objectives: With their weights.
        chunk_tokens: Padded tokens read at once.
        keep_tokens: Padded tokens whose activations are kept for the backward pass; a step with
            more is read a second time, chunk by chunk.
        seed: Of dropout.
        process: This process's number and how many there are.
        mixing: Whose turn each batch is; None: every objective's.
    """

    def __init__(
        self,
        model: KnowledgeModel,
        objectives: Seq[tuple[Objective, float]],
        chunk_tokens: int,
        keep_tokens: int,
        seed: int = 0,
        process: tuple[int, int] = (0, 1),
        mixing: Mixing | None = None,
    ) -> None:
        self.model = model
        self.objectives = objectives
        self.chunk_tokens = chunk_tokens
        self.keep_tokens = keep_tokens
        self.seed = seed
        self.process = process
        self.mixing = mixing or Mixing(objectives)
        kept = (p for p in model.lm.parameters() if p.requires_grad)
        self._first_weights = [(p, p.detach().clone()) for p in kept]
        self._taught: dict[tuple[Sequence, int, int, float], TeacherOutput] = {}

    def scales(self, steps: Seq[int]) -> list[dict[str, float]]:
        """What each batch's losses count for when the gradients of several are added.

        A loss that is a mean over tokens counts by its tokens, so that a batch read in parts
        gives the gradient that it gives as a whole.

        Args:
            steps: Batches that are accumulated.

        Returns:
            For each batch, objective name -> its share; the shares of an objective sum to 1.
        """
        active = self.mixing.active(steps[0])
        if len(steps) == 1:
            return [{o.name: 1.0 for o, _ in active}]
        sizes = [{o.name: o.size(o.batch(step)) for o, _ in active} for step in steps]
        sums = {o.name: sum(size[o.name] for size in sizes) for o, _ in active}
        return [{name: n / max(1, sums[name]) for name, n in size.items()} for size in sizes]

    def __call__(
        self, step: int, scales: Mapping[str, float] | None = None, shares: bool = False
    ) -> dict[str, float]:
        """Adds the gradient of one batch to the parameters.

        Args:
            step: Which batch; what it holds is a pure function of this number.
            scales: Multiplies each objective's loss, for accumulation; None is 1.
            shares: Also measure each objective's share of the gradient.

        Returns:
            Loss, parts of it, and tokens read.

        Raises:
            ModelError: The loss is not finite; no gradient was added.
        """
        active = [objective for objective, _ in self.mixing.active(step)]
        batches = {o.name: o.batch(step) for o in active}
        requests = {
            (o.name, key): request
            for o in active
            for key, request in o.requests(batches[o.name]).items()
        }
        plan = plan_reading(requests, self.model.reader.causal, self.model.reader.ends)
        chunks = self._chunks(plan)
        states, graphs = self._read(plan, chunks, step)
        outputs = self._outputs(plan, requests, states, step)
        losses = self._losses(active, outputs, batches, step)
        total, log = self.mixing.total(losses, states, scales or {}, shares)
        total.backward()  # type: ignore[no-untyped-call]  # untyped there
        self._carry_back(plan, chunks, states, graphs, step)
        for objective in active:
            objective.observe(outputs[objective.name], batches[objective.name])
        log["tokens"] = float(sum(length(text) for text in plan.texts))
        return log

    def _chunks(self, plan: Plan) -> list[Int64]:
        """Texts to read together; those without gradient come last, in chunks of their own."""
        lengths = np.array([length(text) for text in plan.texts], dtype=np.int64)
        parts = (np.flatnonzero(~plan.quiet), np.flatnonzero(plan.quiet))
        return [
            part[chunk]
            for part in parts
            for chunk in chunks_by_length(lengths[part], self.chunk_tokens)
        ]

    def _mine(self, number: int) -> bool:
        return number % self.process[1] == self.process[0]

    def _read(
        self, plan: Plan, chunks: list[Int64], step: int
    ) -> tuple[torch.Tensor, dict[int, torch.Tensor]]:
        """(M, D) states at all places, detached, and the chunks' own graphs where they are kept."""
        lengths = [max(length(plan.texts[i]) for i in chunk) * len(chunk) for chunk in chunks]
        mine = [i for i in range(len(chunks)) if self._mine(i)]
        quiet = {i for i in mine if plan.quiet[chunks[i][0]]}
        keep = sum(lengths[i] for i in mine if i not in quiet) <= self.keep_tokens
        graphs: dict[int, torch.Tensor] = {}
        parts: list[tuple[Int64, torch.Tensor]] = []
        for number in mine:
            kept = keep and number not in quiet
            with torch.set_grad_enabled(kept):
                places, hidden = self._read_chunk(plan, chunks[number], step, number)
            parts.append((places, hidden.detach()))
            if kept:
                graphs[number] = hidden
        return self._gather(plan, parts), graphs

    def _read_chunk(
        self, plan: Plan, chunk: Int64, step: int, number: int
    ) -> tuple[Int64, torch.Tensor]:
        """Places that lie in a chunk, and (m, D) the states there."""
        local = np.full(len(plan.texts), -1, dtype=np.int64)
        local[chunk] = np.arange(len(chunk))
        places = np.flatnonzero(local[plan.rows] >= 0)
        texts, rows = [plan.texts[i] for i in chunk], local[plan.rows[places]]
        with self._dropout(step, number):
            states = self.model.reader.states_at(texts, rows, plan.positions[places])
        return places, states

    @contextmanager
    def _dropout(self, step: int, number: int) -> Iterator[None]:
        """Dropout with the masks of a chunk, the same whenever and wherever it is read."""
        if not self.model.config.dropout:
            yield
            return
        torch.manual_seed(hash((self.seed, step, number)) & 0x7FFFFFFF)
        with load.dropout_on(self.model.lm):
            yield

    def _gather(self, plan: Plan, parts: list[tuple[Int64, torch.Tensor]]) -> torch.Tensor:
        width = load.hidden_width(self.model.lm)
        # Every process must add the same type, also one that had no chunk to read.
        dtype = next(self.model.lm.parameters()).dtype
        states = torch.zeros((len(plan.rows), width), dtype=dtype, device=self.model.device)
        for places, hidden in parts:
            states[torch.from_numpy(places).to(states.device)] = hidden
        if self.process[1] > 1:
            torch.distributed.all_reduce(states)
        return states.requires_grad_()

    def _outputs(
        self,
        plan: Plan,
        requests: Mapping[tuple[str, str], Request],
        states: torch.Tensor,
        step: int,
    ) -> dict[str, dict[str, Any]]:
        outputs: dict[str, dict[str, Any]] = {o.name: {} for o, _ in self.objectives}
        drop = torch.Generator().manual_seed(hash((self.seed, step, -1)) & 0x7FFFFFFF)
        for (name, key), request in requests.items():
            if isinstance(request, Teacher) and request.weights == "start":
                outputs[name][key] = self.teach(request)
            elif isinstance(request, Teacher):
                hidden = states[plan.spans[name, key]].detach()
                top = self.model.top_tokens(hidden, request.top_k, request.temperature)
                outputs[name][key] = TeacherOutput(*top)
        for (name, key), span in plan.spans.items():
            request = requests[name, key]
            if isinstance(request, Encode):
                found = states[span].reshape(len(request.sequences), -1)
                outputs[name][key] = self.model.pool(found, request.view, drop)
            elif isinstance(request, States):
                outputs[name][key] = states[span]
            elif isinstance(request, Score):
                asked = request.targets
                targets = outputs[name][asked].tokens if isinstance(asked, str) else asked
                targets = targets.to(states.device)
                outputs[name][key] = self.model.logprobs(states[span], targets, request.temperature)
        return outputs

    def teach(self, request: Teacher) -> TeacherOutput:
        """The top tokens under the first weights; each text is read once in a run.

        Args:
            request: What is asked; its `weights` are taken for "start".
        """
        firsts = [max(n, 1) - 1 for n in request.given or [1] * len(request.sequences)]
        known = []
        for sequence, first in zip(request.sequences, firsts, strict=True):
            key = (sequence, first, request.top_k, request.temperature)
            if key not in self._taught:
                self._taught[key] = self._read_teacher(*key)
            known.append(self._taught[key])
        places: Points = request.points
        pairs = list(zip(places.rows.tolist(), places.positions.tolist(), strict=True))
        tokens = torch.stack([known[row].tokens[at - firsts[row]] for row, at in pairs])
        logprobs = torch.stack([known[row].logprobs[at - firsts[row]] for row, at in pairs])
        return TeacherOutput(tokens.to(self.model.device), logprobs.to(self.model.device))

    @torch.no_grad()
    def _read_teacher(
        self, sequence: Sequence, first: int, top_k: int, temperature: float
    ) -> TeacherOutput:
        """What the first weights predict from a place on, read alone: no other text matters."""
        positions = np.arange(first, length(sequence), dtype=np.int64)
        with self.first_weights():
            hidden = self.model.reader.states_at([sequence], np.zeros_like(positions), positions)
        tokens, logprobs = self.model.top_tokens(hidden, top_k, temperature)
        return TeacherOutput(tokens.cpu(), logprobs.cpu())

    @contextmanager
    def first_weights(self) -> Iterator[None]:
        """The language model's trained weights as they were at the start of the run, inside."""
        now = [p.data for p, _ in self._first_weights]
        for parameter, first in self._first_weights:
            parameter.data = first
        try:
            yield
        finally:
            for (parameter, _), data in zip(self._first_weights, now, strict=True):
                parameter.data = data

    def _losses(
        self,
        active: Seq[Objective],
        outputs: dict[str, dict[str, Any]],
        batches: dict[str, Any],
        step: int,
    ) -> dict[str, Loss]:
        found = {}
        for objective in active:
            loss = objective.loss(outputs[objective.name], batches[objective.name])
            if not torch.isfinite(loss.value):
                value = float(loss.value.detach())
                raise NotFiniteError(f"the {objective.name} loss is {value} at step {step}")
            found[objective.name] = loss
        return found

    def _carry_back(
        self,
        plan: Plan,
        chunks: list[Int64],
        states: torch.Tensor,
        graphs: dict[int, torch.Tensor],
        step: int,
    ) -> None:
        if states.grad is None:  # no loss depends on what is read
            return
        for number, chunk in enumerate(chunks):
            if not self._mine(number) or plan.quiet[chunk[0]]:
                continue
            if number in graphs:
                local = np.isin(plan.rows, chunk)
                hidden, places = graphs.pop(number), np.flatnonzero(local)
            else:
                places, hidden = self._read_chunk(plan, chunk, step, number)
            if hidden.requires_grad:
                gradient = states.grad[torch.from_numpy(places).to(states.device)]
                hidden.backward(gradient)  # type: ignore[no-untyped-call]  # untyped there
