"""Answers read off the graph: cited, looked up again, and withheld where they are not sure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from accord.decode.confidence import Confidence
from accord.decode.planner import PlannerWeights
from accord.decode.plans import Plan, Plans, Reached
from accord.decode.ranking import RankingModel
from accord.decode.retrieve import RetrieveConfig, Retrieved, Retriever
from accord.graph.graph import KnowledgeGraph
from accord.text.render import entity_name, one_line
from accord.text.wording import attribute_statement, triple_statement

DESCRIPTION = "description"
"""Property by which an entity's description is cited."""
SHOWN = 20
"""Answers and citations that the form for people shows."""


@dataclass(frozen=True)
class Citation:
    """One statement of the graph, by ids."""

    head: str
    relation: str
    """Relation id; of an attribute its property."""
    tail: str
    """Entity id; of an attribute its literal value."""
    attribute: bool
    text: str
    """The statement as a sentence."""


@dataclass(frozen=True)
class Answer:
    """One answer."""

    id: str
    """Entity id; empty for a literal."""
    name: str
    """The entity's name, or the literal."""
    probability: float
    """That it is an answer to the question: the confidence in the plan that led to it."""


@dataclass(frozen=True)
class Answered:
    """What `accord ask` says."""

    question: str
    answers: tuple[Answer, ...]
    """All that the plan leads to; none where it abstains."""
    citations: tuple[Citation, ...]
    confidence: float
    reason: str
    """Why this path, or why there is no answer."""
    read_as: str
    """The question of the plan that was followed, in plain words; empty where there is none."""
    others: tuple[tuple[str, float], ...]
    """The next best plans and their shares of the ranking."""

    @property
    def abstained(self) -> bool:
        """Whether nothing is answered."""
        return not self.answers

    def to_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "question": self.question,
            "answers": [asdict(answer) for answer in self.answers],
            "abstained": self.abstained,
            "confidence": self.confidence,
            "citations": [asdict(citation) for citation in self.citations],
            "reason": self.reason,
            "read_as": self.read_as,
            "others": [{"read_as": text, "share": share} for text, share in self.others],
        }

    def to_text(self) -> str:
        """The answer for people."""
        if self.abstained:
            nearest = f"\n  nearest: {self.read_as}" if self.read_as else ""
            return f"no answer: {self.reason}{nearest}"
        names = [one_line(answer.name) for answer in self.answers]
        lines = ["; ".join(names[:SHOWN]) + _more(len(names)), ""]
        lines.append(f"confidence {self.confidence:.2f}; read as: {self.read_as}")
        # A border stated from both sides is two citations and one sentence.
        sentences = list(dict.fromkeys(citation.text for citation in self.citations))
        lines += [f"  {sentence}" for sentence in sentences[:SHOWN]]
        if len(sentences) > SHOWN:
            lines.append(f"  ...{_more(len(sentences))}")
        return "\n".join([*lines, f"why: {self.reason}"])


class Guide:
    """Answers questions over one graph.

    Args:
        graph: The graph.
        model: What ranks plans; None for ranking by words.
        retrieve: Budgets and ranking; None for the defaults.
        confidence: Weights and threshold; None for the defaults.
        planner: What a planner has learnt; needed where it ranks.

    Example:
        >>> from accord.graph.builder import GraphBuilder
        >>> builder = GraphBuilder("g")
        >>> builder.relation("capital", "has the capital", "is the capital of")
        0
        >>> builder.triple("Peru", "capital", "Lima")
        >>> guide = Guide(builder.build(), retrieve=RetrieveConfig(ranking="words"))
        >>> [answer.name for answer in guide.ask("What is the capital of Peru?").answers]
        ['Lima']
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        model: RankingModel | None = None,
        retrieve: RetrieveConfig | None = None,
        confidence: Confidence | None = None,
        planner: PlannerWeights | None = None,
    ) -> None:
        self.graph = graph
        self.retriever = Retriever(graph, model, retrieve, planner)
        self.confidence = confidence or Confidence()

    @property
    def plans(self) -> Plans:
        """The plans of the graph."""
        return self.retriever.plans

    def ask(self, question: str, topics: Sequence[int] = ()) -> Answered:
        """Answers a question, or says why not.

        Args:
            question: The question.
            topics: Entity idx in play, for a question that names none.

        Returns:
            Complete answers of the best plan with every statement that they rest on.

        Raises:
            ConfigError: An empty question.
        """
        return self.answer(self.retriever(question, topics))

    def answer(self, retrieved: Retrieved, sure: float | None = None) -> Answered:
        """Follows the best plan, or abstains where it is not sure enough.

        Args:
            retrieved: Plans. Where the best begins at an entity in play while the question names
                others, nothing is answered: the path is not about what was asked.
            sure: Probability that the best one is meant; None asks the confidence.
        """
        other = self._named_instead(retrieved) if sure is None and retrieved.ranked else ""
        sure = self.confidence(retrieved) if sure is None or retrieved.beyond else sure
        text = retrieved.ranked[0].known.text if retrieved.ranked else ""
        others = tuple((r.known.text, math.exp(r.logprob)) for r in retrieved.ranked[1:4])
        reason = retrieved.why()
        answers: tuple[Answer, ...] = ()
        citations: tuple[Citation, ...] = ()
        if other:
            sure, reason = 0.0, f"the question names {other!r}, which no path begins at; {reason}"
        elif retrieved.ranked and sure < self.confidence.threshold:
            limit = self.confidence.threshold
            low = f"confidence {sure:.2f} is below the threshold {limit:.2f}"
            reason = f"{retrieved.beyond or low}; {reason}"
        elif retrieved.ranked:
            plan = retrieved.ranked[0].known.plan
            answers, citations = read_off(self.plans, plan, sure)
        asked = retrieved.question
        return Answered(asked, answers, citations, sure, reason, text, others)

    def _named_instead(self, retrieved: Retrieved) -> str:
        """What a question names where its best plan begins at an entity that it does not name."""
        best = retrieved.ranked[0].topic
        named = [] if best.named else self.retriever.named(retrieved.question)
        if any(topic.entity == best.entity for topic in named):
            return ""
        return named[0].text if named else ""


def read_off(
    plans: Plans, plan: Plan, probability: float
) -> tuple[tuple[Answer, ...], tuple[Citation, ...]]:
    """All answers of a plan, with the statements that they rest on.

    Every statement is looked up in the graph again by its ids, and an answer that no unbroken
    chain of those statements reaches is dropped.

    Args:
        plans: The plans of the graph.
        plan: The plan.
        probability: Of each answer.

    Returns:
        The answers in the order of the graph, a literal once, and the citations step by step.
    """
    graph, reached = plans.graph, plans.reach(plan)
    steps, ends = _cited_steps(plans, plan, reached)
    citations = list(dict.fromkeys(citation for step in steps for citation in step))
    ids = graph.entity_ids
    if not plan.attribute:
        kept = [entity for entity in reached.entities.tolist() if entity in ends]
        names = [one_line(entity_name(graph, entity)) for entity in kept]
        pairs = zip(kept, names, strict=True)
        return tuple(Answer(ids[e], name, probability) for e, name in pairs), tuple(citations)
    rows = [r for r in reached.attributes.tolist() if int(graph.attributes[r, 0]) in ends]
    stated = [c for c in (attribute_citation(graph, row) for row in rows) if holds(graph, c)]
    values = dict.fromkeys(citation.tail for citation in stated)
    answers = tuple(Answer("", value, probability) for value in values)
    return answers, (*citations, *dict.fromkeys(stated))


def holds(graph: KnowledgeGraph, citation: Citation) -> bool:
    """Whether the graph states a citation, looked up by its ids."""
    head = graph.entity_ids.find(citation.head, graph.entity_order)
    if head < 0:
        return False
    if citation.attribute:
        stated = {(a.property, a.value) for a in graph.attributes_of(head)}
        stated.add((DESCRIPTION, one_line(graph.entity_descriptions[head])))
        return (citation.relation, citation.tail) in stated
    relation = graph.relation_ids.find(citation.relation, graph.relation_order)
    tail = graph.entity_ids.find(citation.tail, graph.entity_order)
    around = graph.outgoing(head)
    return bool(((around[:, 1] == relation) & (around[:, 2] == tail)).any())


def _cited_steps(
    plans: Plans, plan: Plan, reached: Reached
) -> tuple[list[list[Citation]], set[int]]:
    """For each step its true citations, and the entities that they lead to."""
    here = {plan.topic}
    steps: list[list[Citation]] = []
    for rows, step in zip(reached.rows, plan.steps, strict=True):
        ends: set[int] = set()
        said: list[Citation] = []
        for row in rows.tolist():
            for number, start, end in plans.walked(row, step):
                citation = citation_of(plans.graph, row, number, start, end)
                if start in here and holds(plans.graph, citation):
                    said.append(citation)
                    ends.add(end)
        here = ends
        steps.append(said)
    return steps, here


def citation_of(graph: KnowledgeGraph, row: int, number: int, start: int, end: int) -> Citation:
    """A row of `graph.triples`, worded from where a step begins."""
    head, relation, tail = (int(x) for x in graph.triples[row])
    text = triple_statement(graph, start, number, end)
    ids = graph.entity_ids
    return Citation(ids[head], graph.relation_ids[relation], ids[tail], False, text)


def attribute_citation(graph: KnowledgeGraph, row: int) -> Citation:
    """The statement of a row of `graph.attributes`."""
    literal = graph.attribute(row)
    head = graph.entity_ids[int(graph.attributes[row, 0])]
    text = attribute_statement(graph, row)
    return Citation(head, literal.property, literal.value, True, text)


def _more(count: int) -> str:
    return f" ({count:,} in all)" if count > SHOWN else ""
