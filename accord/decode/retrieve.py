"""From a question to the plans that may answer it: mentions, what exists around them, ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accord.decode.plans import Known, Plans
from accord.decode.ranking import RANKINGS, RankingModel, rank
from accord.errors import ConfigError, nearest
from accord.graph.graph import KnowledgeGraph
from accord.text.mentions import Mention, MentionIndex
from accord.text.render import entity_name, one_line

MOST_CHARACTERS = 2000


@dataclass(frozen=True)
class RetrieveConfig:
    """Which plans are looked at."""

    ranking: str = "words"
    """By what plans are ranked: words, embedding, likelihood or both (all of them together).
    Words are the default because only they are measured so far."""
    hops: int = 2
    """Steps of a plan at most, a property among them."""
    hop_cost: float = 0.5
    """Nats that each step of a plan costs: what is asked is seldom longer than it need be."""
    topics: int = 3
    """Entities that a plan may begin at, at most."""
    width: int = 32
    """Plans that are made longer, the best by words, where there are more."""
    plans: int = 96
    """Plans that a model ranks, the best by words, where there are more."""

    def __post_init__(self) -> None:
        if self.ranking not in RANKINGS:
            raise ConfigError(f"no ranking {self.ranking!r}", nearest(self.ranking, RANKINGS))
        if not 1 <= self.hops <= 4:
            raise ConfigError(f"hops is {self.hops}", "use 1 to 4")
        if self.hop_cost < 0:
            raise ConfigError(f"hop_cost is {self.hop_cost}", "use 0 or more")
        if min(self.topics, self.width, self.plans) < 1:
            raise ConfigError("topics, width and plans count something", "use 1 or more")


@dataclass(frozen=True)
class Topic:
    """An entity that a question names."""

    entity: int
    text: str
    """As the question spells it."""
    score: float
    """Share of the mention, 0 to 1."""
    named: bool = True
    """Whether the question names it; else it is in play, and `text` is its name."""


@dataclass(frozen=True)
class Start:
    """Where plans begin."""

    known: Known
    """A plan that they go on from; an entity's is the empty one."""
    topic: Topic


@dataclass(frozen=True)
class Ranked:
    """A plan with what it is worth for a question."""

    known: Known
    topic: Topic
    logprob: float
    """Over all plans that were ranked; nats."""


@dataclass(frozen=True)
class Retrieved:
    """What a question may ask, best first, and how that was found."""

    question: str
    topics: tuple[Topic, ...]
    ranked: tuple[Ranked, ...]
    looked_at: int
    """Plans that exist within the budget."""
    ranking: str

    def why(self) -> str:
        """Why the best plan was chosen, for people."""
        if not self.topics:
            return "the question names no entity of the graph"
        named = ", ".join(dict.fromkeys(repr(topic.text) for topic in self.topics))
        if not self.ranked:
            return f"the graph states nothing about {named}"
        best = self.ranked[0]
        how = "named" if self.topics[0].named else "in play"
        return (
            f"{named} {how}; of {self.looked_at} relation paths that exist from there, "
            f"{best.known.text!r} is nearest to the question by {self.ranking}"
        )


class Retriever:
    """Finds plans for questions over one graph.

    Args:
        graph: The graph.
        model: What ranks; None for ranking by words.
        config: Budgets and ranking.
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        model: RankingModel | None = None,
        config: RetrieveConfig | None = None,
    ) -> None:
        self.graph = graph
        self.model = model
        self.config = config or RetrieveConfig()
        self.plans = Plans(graph)
        self.mentions = MentionIndex(graph)

    def __call__(self, question: str, topics: Sequence[int] = ()) -> Retrieved:
        """Plans for a question.

        Args:
            question: The question; of more than 2,000 characters only those are read.
            topics: Entity idx that are in play where the question itself names none.

        Returns:
            Plans, best first; none where no entity is named or nothing is known about it.

        Raises:
            ConfigError: An empty question.
        """
        if not question.strip():
            raise ConfigError("the question is empty", 'ask something: "capital of France"')
        found = self.named(question) or [
            self.in_play(entity, 1.0) for entity in topics[: self.config.topics]
        ]
        return self.among(question, [Start(self.plans.start(t.entity), t) for t in found])

    def named(self, question: str) -> list[Topic]:
        """The entities that a question names, the likeliest first."""
        return self._topics(self.mentions.find(question[:MOST_CHARACTERS]))

    def in_play(self, entity: int, weight: float) -> Topic:
        """An entity that a question is about without naming it."""
        return Topic(entity, one_line(entity_name(self.graph, entity)), weight, named=False)

    def among(self, question: str, starts: Sequence[Start]) -> Retrieved:
        """Plans that go on from some beginnings, ranked.

        Args:
            question: The question; of more than 2,000 characters only those are read.
            starts: Where plans begin: entities, or plans that were followed before.

        Returns:
            Plans, best first; none where nothing goes on from any beginning.
        """
        question = question[:MOST_CHARACTERS]
        topics = tuple(dict.fromkeys(start.topic for start in starts))
        pairs = [(known, start) for start in starts for known in self._known(question, start.known)]
        looked_at = len(pairs)
        if len(pairs) > self.config.plans:
            near = rank(question, [known.text for known, _ in pairs], "words")
            pairs = [pairs[i] for i in np.argsort(-near, kind="stable")[: self.config.plans]]
        if not pairs:
            return Retrieved(question, topics, (), 0, self.config.ranking)
        scores = rank(question, [known.text for known, _ in pairs], self.config.ranking, self.model)
        scores = scores + np.array([self._prior(known, start) for known, start in pairs])
        scores = scores - np.log(np.exp(scores).sum())
        ranked = [
            Ranked(known, start.topic, float(score))
            for (known, start), score in zip(pairs, scores, strict=True)
        ]
        ranked.sort(key=lambda item: -item.logprob)
        return Retrieved(question, topics, tuple(ranked), looked_at, self.config.ranking)

    def _prior(self, known: Known, start: Start) -> float:
        hops = known.plan.hops - start.known.plan.hops
        return float(np.log(start.topic.score)) - self.config.hop_cost * hops

    def _topics(self, mentions: Sequence[Mention]) -> list[Topic]:
        """The best candidates of all mentions; an entity named twice counts once."""
        every = [Topic(c.entity, m.text, c.score) for m in mentions for c in m.candidates]
        every.sort(key=lambda topic: -topic.score)
        distinct = {topic.entity: topic for topic in reversed(every)}
        return sorted(distinct.values(), key=lambda t: -t.score)[: self.config.topics]

    def _known(self, question: str, start: Known) -> list[Known]:
        """Every plan that goes on from a beginning within the budget, shorter ones first."""
        found: list[Known] = []
        level = [start]
        for left in range(self.config.hops, 0, -1):
            longer: list[Known] = []
            for known in level:
                found += self.plans.properties(known)
                longer += self.plans.after(known)
            found += longer
            level = self._widest(question, longer) if left > 1 else []
        return found

    def _widest(self, question: str, level: list[Known]) -> list[Known]:
        if len(level) <= self.config.width:
            return level
        near = rank(question, [known.text for known in level], "words")
        return [level[i] for i in np.argsort(-near, kind="stable")[: self.config.width]]
