"""A learnt planner at work: from a question and where paths may begin to plans that exist."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accord.decode.planner import Candidate, Opening, Planner, PlannerWeights, Signs
from accord.decode.planner_features import masked, pointed
from accord.decode.planner_gold import plan_of
from accord.decode.plans import Known, Plan, Plans
from accord.decode.schema import Schema
from accord.graph.graph import Int64
from accord.text.mentions import Mention

FOLLOWED = 24
"""Paths that are followed at most, to see whether they exist."""
NEXT = 4
"""Paths that exist which are looked for: the answer and what it might have been."""
FAR = 8.0
"""Nats behind the best path that exists from which no other is looked for."""
MOST = 2000
"""Entities at which it is seen what goes on from a plan, at most."""


class Planning:
    """Plans of one graph, by what was learnt.

    Args:
        plans: The plans of the graph.
        weights: What was learnt.
        hops: Steps of a plan at most; None for what was learnt.
    """

    def __init__(self, plans: Plans, weights: PlannerWeights, hops: int | None = None) -> None:
        self.plans = plans
        self.schema = Schema(plans.graph, plans.groups)
        self.planner = Planner(weights, self.schema, hops)

    def named(self, question: str, mention: Mention, entity: int, share: float) -> Opening:
        """Paths from an entity that a question names.

        Args:
            question: The question.
            mention: Where it names it.
            entity: Entity idx.
            share: How much of the mention is the entity's, 0 to 1.
        """
        said = masked(question, mention.start, mention.end)
        return Opening(said, self.schema.at(entity), self.planner.topic(mention, share))

    def in_play(self, question: str, known: Known, worth: float) -> Opening:
        """Paths from what is in play where a question names nothing.

        A pronoun stands for it, as a name does.
        """
        return Opening(pointed(question), self._after(known.frontier), worth)

    def among(
        self, openings: Sequence[Opening], starts: Sequence[Known]
    ) -> tuple[list[tuple[int, Known, float]], Signs | None]:
        """The best plans that exist.

        Args:
            openings: Where paths may begin.
            starts: For each opening the plan that they go on from.

        Returns:
            (opening, plan, log-probability) of a few plans, the best first, and the signs of the
            best.
        """
        found: list[tuple[int, Known, float]] = []
        signs = None
        for candidate in self.planner(openings)[:FOLLOWED]:
            if found and (len(found) == NEXT or candidate.logprob < found[0][2] - FAR):
                break
            known = self._existing(candidate, starts[candidate.opening])
            if known is not None:
                found.append((candidate.opening, known, candidate.logprob))
                said = openings[candidate.opening].said
                signs = signs or self.planner.signs(said, candidate.path)
        return found, signs

    def _existing(self, candidate: Candidate, start: Known) -> Known | None:
        path = plan_of(self.schema, start.plan.topic, candidate.path)
        steps, returns = (*start.plan.steps, *path.steps), self.planner.weights.returns
        # A path that leads to nothing but its topic is better than none.
        for again in dict.fromkeys((returns, True)):
            plan = Plan(path.topic, steps, path.attribute, again)
            if self.plans.exists(plan):
                return self.plans.worded(plan)
        return None

    def _after(self, frontier: Int64) -> Int64:
        found = [self.schema.at(entity) for entity in frontier[:MOST].tolist()]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
