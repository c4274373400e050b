"""What a conversation says: sentences of the statements that an answer rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from accord.decode.facts import Fact, FactConfig, license_of, select_facts
from accord.decode.guided import SHOWN, Answered
from accord.decode.plans import Plan, Plans
from accord.decode.retrieve import Retrieved
from accord.decode.wordings import listed, wordings

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel

NEAR = 0.2
"""Confidence from which the nearest question is offered."""
TOLD_FACTS = FactConfig(count=6)
TOLD = 3
"""Statements of a longer path that are told in full."""


class Replies:
    """Words answers.

    Args:
        plans: The plans of the graph.
        model: Chooses among wordings; None takes the first.
    """

    def __init__(self, plans: Plans, model: KnowledgeModel | None = None) -> None:
        self.plans = plans
        self.model = model

    def stream(self, answered: Answered, plan: Plan | None) -> Iterator[str]:
        """A reply, piece by piece.

        Args:
            answered: What is to be said.
            plan: The plan that was followed; None where nothing is answered.

        Yields:
            Pieces; joined they are the reply.
        """
        if plan is None:
            yield from _words(_regret(answered))
            return
        ways = self.wordings(answered, plan)
        if self.model is None or len(ways) == 1:
            yield from _words(ways[0])
            return
        from accord.decode.pen import Pen

        pen = Pen(self.model, f"Question: {answered.read_as}\nAnswer:")
        for number, piece in enumerate(pen.choose(ways)):
            yield piece if number else piece.lstrip()

    def wordings(self, answered: Answered, plan: Plan) -> list[str]:
        """Ways to say an answer; each says statements of the graph and nothing else."""
        if not plan.hops:
            return [self._told(select_facts(self.plans, plan.topic, TOLD_FACTS))]
        fact = self._fact(answered, plan)
        if fact is not None:
            return [wording.text for wording in wordings(self.plans.graph, [fact], "", False)]
        names = [answer.name for answer in answered.answers]
        told = list(dict.fromkeys(citation.text for citation in answered.citations))
        found = listed(names[:SHOWN], more=len(names) > SHOWN)
        return [" ".join(told) if len(told) <= TOLD else f"{found}."]

    def completed(self, answered: Answered, retrieved: Retrieved) -> Answered:
        """An answer to 'tell me about it' with the statements that are told; others unchanged."""
        if answered.abstained or retrieved.ranked[0].known.plan.hops:
            return answered
        cited = license_of(
            select_facts(self.plans, retrieved.ranked[0].known.plan.topic, TOLD_FACTS)
        )
        return replace(answered, citations=cited, answers=answered.answers if cited else ())

    def _told(self, facts: list[Fact]) -> str:
        """All of some facts, in the first wording of each."""
        said: list[str] = []
        while facts:
            before = said[-1] if said else ""
            chosen = wordings(self.plans.graph, facts, before, thing=False)[0]
            said.append(chosen.text)
            facts = facts[chosen.facts :]
        return " ".join(said)

    def _fact(self, answered: Answered, plan: Plan) -> Fact | None:
        """The answer to a question of one step as one fact; None for longer paths."""
        if plan.hops != 1 or not answered.citations:
            return None
        graph, cited = self.plans.graph, answered.citations
        reached = self.plans.reach(plan)
        if plan.attribute:
            rows = reached.attributes.tolist()
            return Fact("attribute", plan.topic, cited, row=rows[0]) if len(rows) == 1 else None
        kept = {answer.id for answer in answered.answers}
        objects = [e for e in reached.entities.tolist() if graph.entity_ids[e] in kept]
        more = len(objects) > SHOWN
        number = plan.steps[0][0]
        return Fact("relation", plan.topic, cited, number, tuple(objects[:SHOWN]), more)


def _regret(answered: Answered) -> str:
    """That there is no answer; the whole reason is for `/why`."""
    if not answered.read_as:
        return f"I cannot answer that: {answered.reason}."
    if not answered.confidence:  # A reason that words give comes first.
        return f"I cannot answer that from the graph: {answered.reason.partition(';')[0]}."
    near = f" The nearest that I know: {answered.read_as}" if answered.confidence >= NEAR else ""
    return f"I cannot answer that from the graph.{near}"


def _words(text: str) -> Iterator[str]:
    """A text word by word, as a stream has it."""
    for number, word in enumerate(text.split(" ")):
        yield word if number == 0 else f" {word}"
