"""Questions answered without their rationale as with it: KALE's tuning, and its ablations.

Source: KALE (arXiv 2601.07430), knowledge-aware fine-tuning. Differs from it: the paper minimises
one divergence; here cross-entropy terms, one-hop facts and both directions stand beside it, since a
small model does not answer in the right form by itself (docs/kale.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import torch

from accord.errors import ConfigError
from accord.objectives.base import (
    Loss,
    Outputs,
    Points,
    Requests,
    Score,
    Stateless,
    Teacher,
    TeacherOutput,
    points_after,
)
from accord.objectives.language import divergence
from accord.objectives.triples import epoch_rows
from accord.text.examples import Sequence

T = TypeVar("T")
PARTS = ("answer", "answer_with", "kl", "write", "facts")


@dataclass(frozen=True)
class RationaleConfig:
    """Settings of the rationale objective; it needs `--qa FILE`.

    Each part is a mean over the step's questions of the mean over a question's tokens.
    """

    weight: float = 0.0
    """Weight in the joint loss; 0 is off."""
    rows: int = 16
    """Questions a step."""
    answer: float = 1.0
    """Weight of the cross-entropy on the answer, without the rationale."""
    answer_with: float = 0.0
    """Weight of the cross-entropy on the answer, with the rationale in the prompt."""
    kl: float = 0.0
    """Weight of the divergence between the answer's tokens without and with the rationale."""
    write: float = 0.0
    """Weight of the cross-entropy on writing the rationale, then the answer."""
    facts: float = 0.0
    """Weight of the cross-entropy on one-hop questions over the graph's train triples."""
    fact_form: Literal["answer", "both"] = "answer"
    """answer: a one-hop question and its answers; both: also the answers in a statement, in both
    places of a rationale: behind a question that names its subject, and behind a statement that
    leads there."""
    fact_rows: int = 16
    """One-hop questions a step."""
    fact_limit: int = 20_000
    """One-hop questions in all at most; those on the questions' paths come first."""
    direction: Literal["forward", "reverse"] = "forward"
    """forward: KL(teacher || student); reverse: KL(student || teacher)."""
    temperature: float = 1.0
    """Divides the logits of both; the divergence is multiplied by its square."""
    teacher: Literal["start", "current"] = "start"
    """start: the weights at the beginning of the run, each text read once; current: those trained
    along, without gradient."""
    top_k: int = 64
    """The teacher's most probable tokens that are compared one by one; the rest as one."""
    only_right: bool = False
    """Leave the divergence out where the teacher itself would not write the right answer."""
    anneal: float = 0.0
    """Share of the steps over which the divergence's weight rises from 0."""
    context: Literal["rationale", "answer"] = "rationale"
    """What stands in the prompt as rationale: the file's, or no more than the answer itself."""
    answers: int = 16
    """Right answers to write at most, the first ones of a question."""
    tokens: int = 512
    """Questions that are longer with rationale and answer are left out."""

    def __post_init__(self) -> None:
        least = dict.fromkeys(("weight", *PARTS), 0) | {"tokens": 8}
        least |= dict.fromkeys(("rows", "fact_rows", "fact_limit", "top_k", "answers"), 1)
        for name, lowest in least.items():
            if not getattr(self, name) >= lowest:
                value = getattr(self, name)
                raise ConfigError(f"rationale.{name} is {value}", f"use {lowest} or more")
        if self.temperature <= 0 or not 0 <= self.anneal <= 1:
            raise ConfigError(
                f"rationale: temperature={self.temperature}, anneal={self.anneal}",
                "use a positive temperature and anneal from 0 to 1",
            )
        if self.weight and not any(getattr(self, part) for part in PARTS):
            raise ConfigError(
                "rationale: the weight of every part is 0", f"give one of {', '.join(PARTS)} one"
            )

    @property
    def mode(self) -> str:
        """How questions are asked of what learns so: a mode of `accord eval qa`."""
        return "rationale-written" if self.write > self.answer else "direct"

    @property
    def needs_rationale(self) -> bool:
        """Whether any part reads a rationale."""
        return bool(self.answer_with or self.kl or self.write)


class Text(NamedTuple):
    """A text to learn the end of: one segment, so that frozen layers read it as it is written."""

    sequence: Sequence
    given: int
    """Tokens that are given, at least 1; the others are learnt, the last one ends the text."""


@dataclass(frozen=True)
class Item:
    """A question as token sequences; the answer's tokens are the same in all of them."""

    plain: Text
    """Question and answer."""
    shown: Text | None = None
    """Question, rationale and answer; only the answer is learnt."""
    told: Text | None = None
    """The same, but the rationale is learnt too."""


@dataclass(frozen=True)
class Part:
    """Texts and the tokens to learn in them."""

    sequences: list[Sequence]
    points: Points
    targets: torch.Tensor
    """(M,) token ids."""

    @classmethod
    def of(cls, texts: Seq[Text], end: bool = True) -> Part:
        """Everything that is not given, with or without the token that ends a text."""
        sequences = [text.sequence for text in texts]
        points, targets = points_after(sequences, [text.given for text in texts])
        if not end:
            last = np.array([len(sequence[0]) - 2 for sequence in sequences], dtype=np.int64)
            keep = points.positions < last[points.rows]
            points = Points(points.rows[keep], points.positions[keep])
            targets = targets[keep]
        return cls(sequences, points, torch.from_numpy(targets))

    def score(self) -> Score:
        """Asks for the log-probabilities of the targets."""
        return Score(self.sequences, self.points, self.targets[:, None])

    def means(self, values: torch.Tensor) -> torch.Tensor:
        """(M,) values at the places -> (N,) the mean of every text."""
        rows = torch.from_numpy(self.points.rows).to(values.device)
        count = torch.bincount(rows, minlength=len(self.sequences))
        sums = values.new_zeros(len(self.sequences)).index_add(0, rows, values)
        return sums / count


@dataclass(frozen=True)
class RationaleBatch:
    """What a step learns, by part; parts that are not asked for or have no text are missing."""

    items: int
    parts: dict[str, Part]
    kl: float
    """Weight of the divergence in this step."""


class Rationale(Stateless):
    """Cross-entropy on answers and facts, and the divergence that a rationale makes.

    Args:
        items: Questions to learn, at least one.
        facts: One-hop questions with their answers; needed where they have a weight.
        config: Settings.
        seed: Of the order.
        batches: Batches of the whole run, for annealing.

    Raises:
        ConfigError: No question, no rationale where one is needed, or no facts.
    """

    name = "rationale"

    def __init__(
        self, items: list[Item], facts: list[Text], config: RationaleConfig, seed: int, batches: int
    ) -> None:
        super().__init__()
        if not items:
            raise ConfigError("no question to learn from", "see --qa")
        if config.needs_rationale and not any(item.shown for item in items):
            raise ConfigError(
                "no question to learn from has a rationale, and answer_with, kl and write need one",
                "write them with `accord synthesize`, or choose the recipe kale/sft",
            )
        if config.facts and not facts:
            raise ConfigError("no one-hop facts to learn", "set rationale.facts=0")
        # A step in which nothing is learnt would have no gradient.
        self.items = items if config.answer or config.facts else [i for i in items if i.shown]
        self.facts = facts
        self.config = config
        self.seed = seed
        self.batches = batches

    def batch(self, step: int) -> RationaleBatch:
        """The step's questions and facts."""
        config = self.config
        rows = epoch_rows(len(self.items), config.rows, step, self.seed)
        items = [self.items[i] for i in rows]
        shown = [item for item in items if item.shown]
        parts: dict[str, Part] = {}
        if config.answer:
            parts["answer"] = Part.of([item.plain for item in items])
        if config.answer_with and shown:
            parts["answer_with"] = Part.of([item.shown for item in shown if item.shown])
        if config.kl and shown:
            parts["student"] = Part.of([item.plain for item in shown], end=False)
            parts["teacher"] = Part.of([i.shown for i in shown if i.shown], end=False)
        if config.write and shown:
            parts["write"] = Part.of([item.told for item in shown if item.told])
        if config.facts:
            drawn = epoch_rows(len(self.facts), config.fact_rows, step, self.seed + 1)
            parts["facts"] = Part.of([self.facts[i] for i in drawn])
        return RationaleBatch(len(items), parts, self._kl_weight(step))

    def _kl_weight(self, step: int) -> float:
        rising = self.config.anneal * self.batches
        return self.config.kl * (min(1.0, (step + 1) / rising) if rising else 1.0)

    def requests(self, batch: RationaleBatch) -> Requests:
        """Log-probabilities of what is learnt, and the teacher's at the answers' tokens."""
        asked: dict[str, Score | Teacher] = {}
        for name, part in batch.parts.items():
            if name == "student":
                asked[name] = Score(part.sequences, part.points, "teacher", self.config.temperature)
            elif name == "teacher":
                asked[name] = self.teacher(part)
            else:
                asked[name] = part.score()
        return asked

    def teacher(self, part: Part) -> Teacher:
        """Asks for the teacher's most probable tokens at the answers of a part."""
        first: dict[int, int] = {}
        for row, position in zip(part.points.rows, part.points.positions, strict=True):
            first.setdefault(int(row), int(position) + 1)
        given = tuple(first[row] for row in range(len(part.sequences)))
        config = self.config
        return Teacher(
            part.sequences, part.points, config.top_k, config.teacher, config.temperature, given
        )

    def loss(self, outputs: Outputs, batch: RationaleBatch) -> Loss:
        """The weighted sum of the parts, each a mean over the step's questions or facts, nats."""
        found: dict[str, torch.Tensor] = {}
        log: dict[str, float] = {}
        for name in ("answer", "answer_with", "write", "facts"):
            if name in batch.parts:
                part = batch.parts[name]
                count = self.config.fact_rows if name == "facts" else batch.items
                found[name] = part.means(-outputs[name][:, 0]).sum() / count
                log[name] = float(found[name].detach())
        total = sum(
            (getattr(self.config, name) * value for name, value in found.items()),
            start=torch.zeros(()),
        )
        if "teacher" in batch.parts:
            value, more = self._divergence(outputs, batch)
            total = total + batch.kl * self.config.temperature**2 * value
            log |= more
        return Loss(total, log)

    def _divergence(
        self, outputs: Outputs, batch: RationaleBatch
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Mean over the step's questions; those without teacher count as 0."""
        part, taught = batch.parts["teacher"], outputs["teacher"]
        reverse = self.config.direction == "reverse"
        each = part.means(divergence(taught.logprobs, outputs["student"], reverse))
        right = teacher_right(part, taught)
        mean = float(each.detach().mean())
        if self.config.only_right:
            each = each * right
        log = {"kl": mean, "teacher_right": float(right.mean()), "kl_weight": batch.kl}
        return each.sum() / batch.items, log

    def size(self, batch: RationaleBatch) -> int:
        """Questions of the step."""
        return batch.items

    def sequences(self) -> Iterable[Sequence]:
        """Every text that a step of the run asks for."""
        config = self.config
        for item in _drawn(self.items, config.rows * self.batches, self.seed):
            yield item.plain.sequence
            if item.shown and (config.answer_with or config.kl):
                yield item.shown.sequence
            if item.told and config.write:
                yield item.told.sequence
        if config.facts:
            drawn = _drawn(self.facts, config.fact_rows * self.batches, self.seed + 1)
            yield from (fact.sequence for fact in drawn)


def _drawn(known: Seq[T], count: int, seed: int) -> list[T]:
    """What so many draws come to, each once: a short run does not read what it never asks for."""
    return [known[i] for i in np.unique(epoch_rows(len(known), count, 0, seed))]


def teacher_right(part: Part, taught: TeacherOutput) -> torch.Tensor:
    """Where the teacher's most probable tokens are the answer's: what it would write greedily.

    Args:
        part: Texts with the answers' places.
        taught: The teacher at those places.

    Returns:
        (N,) float, 1 where all tokens of a text's answer are right.
    """
    wrong = (taught.tokens[:, 0] != part.targets.to(taught.tokens.device)).float()
    return (part.means(wrong) == 0).float()
