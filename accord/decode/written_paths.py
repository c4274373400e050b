"""Relation paths that a language model writes, held to those that exist from a topic.

The prompt has the question and two or three worked ones of the same graph; behind the topic's name
the model writes one relation after the other, in plain words. What may follow is looked up in the
graph when writing gets there: the relations, both ways, and the properties of the entities that the
path has reached, or the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from accord.decode.beams import Beam, ModelReading, Reading, search
from accord.decode.plans import Known, Plan, Plans
from accord.decode.trie import Option, TokenTrie
from accord.text.collate import tokens
from accord.text.path_prompts import END, STEP, WorkedPath, path_prompt, path_start, property_step
from accord.text.render import entity_name, one_line, relation_text

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel

PATH_TOKENS = 96
"""Tokens of a path at most."""
NOTHING_ASKED = "?"
"""The question of the neutral prompt."""
LOOKED_AT = 64
"""Entities among which worked examples are looked for."""
BUSIEST = 64
"""Triples of such an entity at most."""


class WrittenPath(NamedTuple):
    """A path that a model wrote."""

    start: int
    """Place of the beginning that it goes on from."""
    known: Known
    worth: float
    """Nats, with what its beginning is worth."""
    text: str
    """The steps as written."""


class WrittenPaths(NamedTuple):
    """What a model wrote for a question."""

    paths: tuple[WrittenPath, ...]
    """The most probable first."""
    offered: int
    """Steps among which it chose."""


class Around:
    """The plans that go on from a beginning, each looked up once, when it is asked for.

    Args:
        plans: The plans of the graph.
        start: The beginning.
    """

    def __init__(self, plans: Plans, start: Known) -> None:
        self._plans = plans
        self._known = {start.plan: start}
        self._next: dict[Plan, tuple[tuple[str, Known], ...]] = {}

    @property
    def offered(self) -> int:
        """Steps that were looked up."""
        return sum(map(len, self._next.values()))

    def known(self, plan: Plan) -> Known:
        """A plan that was met before."""
        return self._known[plan]

    def after(self, plan: Plan) -> tuple[tuple[str, Known], ...]:
        """(words of the last step, plan) of every plan that is one step longer than one known."""
        if plan not in self._next:
            known, found = self._known[plan], []
            for longer in (*self._plans.after(known), *self._plans.properties(known)):
                found.append((last_step(self._plans, longer.plan), longer))
                self._known[longer.plan] = longer
            self._next[plan] = tuple(found)
        return self._next[plan]


@dataclass(frozen=True)
class Onward:
    """The next step of a path."""

    around: Around
    plan: Plan
    """The path so far."""
    left: int
    """Steps that may follow, this one among them."""
    first: bool = True
    join: str = ""

    def options(self) -> Iterator[Option]:
        """The steps that exist; behind each the path may end or, but for properties, go on."""
        for text, known in self.around.after(self.plan):
            said = f"{'' if self.first else STEP} {text}"
            yield Option(said, None, known.plan)
            if self.left > 1 and not known.plan.attribute:
                further = Onward(self.around, known.plan, self.left - 1, first=False)
                yield Option(said, further, known.plan)


class PathWriter:
    """Writes the paths that questions ask for.

    Args:
        plans: The plans of the graph.
        tokenizer: Of what writes.
        read: From a prompt, a neutral one and what follows both in each row to what has read them.
        hops: Steps of a path at most, behind its beginning.
        beams: Paths that are written side by side for each beginning.
    """

    def __init__(
        self,
        plans: Plans,
        tokenizer: Any,
        read: Callable[[str, str, Sequence[str]], Reading],
        hops: int,
        beams: int,
    ) -> None:
        self._plans = plans
        self._tokenizer = tokenizer
        self._read = read
        self._hops = hops
        self._beams = beams
        last = tokens(tokenizer, END)[-1:]
        self._end = last[0] if last else int(tokenizer.eos_token_id)

    @classmethod
    def of(cls, plans: Plans, model: KnowledgeModel, hops: int, beams: int) -> PathWriter:
        """What writes with a language model."""
        return cls(plans, model.tokenizer, partial(ModelReading, model), hops, beams)

    @cached_property
    def examples(self) -> tuple[WorkedPath, ...]:
        """The worked examples that stand before every question."""
        return worked_paths(self._plans, self._hops)

    def __call__(
        self, question: str, starts: Sequence[Known], worth: Sequence[float]
    ) -> WrittenPaths:
        """The paths that a model finds most probable, all of which exist.

        Args:
            question: The question.
            starts: One or more beginnings.
            worth: Log-probability of each, nats.

        Returns:
            A few paths; none where nothing goes on from any beginning.
        """
        around = [Around(self._plans, start) for start in starts]
        going = [i for i, a in enumerate(around) if a.after(starts[i].plan)]
        if not going:
            return WrittenPaths((), 0)
        tries = [
            TokenTrie(Onward(around[i], starts[i].plan, self._hops), self._tokenizer, self._end)
            for i in going
        ]
        begun = [self._begun(starts[i]) for i in going]
        asked, neutral = (path_prompt(q, self.examples) for q in (question, NOTHING_ASKED))
        reading = self._read(asked, neutral, begun)
        width = self._beams * len(going)
        beams = search(reading, tries, [worth[i] for i in going], width, PATH_TOKENS)
        paths = [
            path
            for beam in beams
            for path in self._paths(beam, going[beam.trie], tries[beam.trie], around)
        ]
        return WrittenPaths(tuple(paths), sum(a.offered for a in around))

    def _begun(self, start: Known) -> str:
        name = entity_name(self._plans.graph, start.plan.topic)
        return path_start(name, step_texts(self._plans, start.plan))

    def _paths(
        self, beam: Beam, start: int, trie: TokenTrie, around: Sequence[Around]
    ) -> Iterator[WrittenPath]:
        """What a text stands for: several plans where steps of two kinds read alike."""
        text = str(self._tokenizer.decode(list(beam.ids), skip_special_tokens=True)).strip()
        plans = dict.fromkeys(way[-1].value for way in trie.read(beam.ids))
        for plan in plans:
            if isinstance(plan, Plan):
                yield WrittenPath(start, around[start].known(plan), beam.worth, text)


def step_texts(plans: Plans, plan: Plan) -> tuple[str, ...]:
    """The steps of a plan in plain words, its property among them."""
    steps = tuple(relation_text(plans.graph, step[0]) for step in plan.steps)
    return (*steps, property_step(plan.attribute)) if plan.attribute else steps


def last_step(plans: Plans, plan: Plan) -> str:
    """The last step of a plan in plain words."""
    return step_texts(plans, Plan(plan.topic, plan.steps[-1:], plan.attribute))[-1]


def worked_paths(plans: Plans, hops: int) -> tuple[WorkedPath, ...]:
    """Questions of a graph with their paths: a relation, a property, and two steps where allowed.

    Args:
        plans: The plans of the graph.
        hops: Steps of a path at most.

    Returns:
        One of each kind at most, with different steps; the same ones each time.
    """
    found: list[WorkedPath] = []
    used: set[str] = set()
    for kind in (_relations, _properties, _pairs)[: 3 if hops > 1 else 2]:
        options = (known for entity in _some(plans) for known in kind(plans, plans.start(entity)))
        for known in options:
            steps = step_texts(plans, known.plan)
            if not used & set(steps):
                used |= set(steps)
                name = one_line(entity_name(plans.graph, known.plan.topic))
                found.append(WorkedPath(known.text, name, steps))
                break
    return tuple(found)


def _some(plans: Plans) -> list[int]:
    """Entities with triples but not very many, evenly over the graph."""
    graph = plans.graph
    degree = np.diff(graph.out_offsets) + np.diff(graph.in_offsets)
    fit = np.flatnonzero((degree > 0) & (degree <= BUSIEST))
    count = min(LOOKED_AT, len(fit))
    return [int(fit[i]) for i in np.linspace(0, len(fit) - 1, count).astype(np.int64)]


def _relations(plans: Plans, start: Known) -> Iterator[Known]:
    return plans.after(start)


def _properties(plans: Plans, start: Known) -> Iterator[Known]:
    return plans.properties(start)


def _pairs(plans: Plans, start: Known) -> Iterator[Known]:
    for known in plans.after(start):
        yield from plans.after(known)
