"""From a question to the plans that may answer it: mentions, what exists around them, ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from accord.decode.beyond import listed_with, other_kind, said_again, unsaid, without
from accord.decode.planner import Opening, PlannerWeights, Signs
from accord.decode.planning import Planning
from accord.decode.plans import Known, Plans
from accord.decode.ranking import RANKINGS, RankingModel, rank, word_pieces
from accord.decode.word_order import in_order, kind_asked, of_kind
from accord.errors import ConfigError, nearest
from accord.graph.graph import KnowledgeGraph
from accord.text.mentions import Mention, MentionIndex
from accord.text.render import entity_name, humanise, one_line, relation_text

if TYPE_CHECKING:
    from accord.decode.written_paths import PathWriter

MOST_CHARACTERS = 2000
PLAN = "plan"
"""The ranking by a learnt planner."""
MODEL = "model"
"""The ranking by the paths that a language model writes."""
EVERY_RANKING = (PLAN, MODEL, *RANKINGS)


@dataclass(frozen=True)
class RetrieveConfig:
    """Which plans are looked at."""

    ranking: str = "words"
    """By what plans are ranked: words, plan (a planner learnt from questions), model (a language
    model writes the path), embedding, likelihood or both (words, embedding and likelihood
    together)."""
    hops: int = 2
    """Steps of a plan at most, a property among them."""
    hop_cost: float = 0.5
    """Nats that each step of a plan costs: what is asked is seldom longer than it need be. A
    planner and a model that writes know that by themselves."""
    topics: int = 3
    """Entities that a plan may begin at, at most."""
    width: int = 32
    """Plans that are made longer, the best by words, where there are more."""
    plans: int = 96
    """Plans that a model ranks, the best by words, where there are more."""
    beams: int = 4
    """Paths that a model writes side by side for each topic."""

    def __post_init__(self) -> None:
        if self.ranking not in EVERY_RANKING:
            raise ConfigError(f"no ranking {self.ranking!r}", nearest(self.ranking, EVERY_RANKING))
        if not 1 <= self.hops <= 4:
            raise ConfigError(f"hops is {self.hops}", "use 1 to 4")
        if self.hop_cost < 0:
            raise ConfigError(f"hop_cost is {self.hop_cost}", "use 0 or more")
        if min(self.topics, self.width, self.plans, self.beams) < 1:
            raise ConfigError("topics, width, plans and beams count something", "use 1 or more")


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
    """Plans that exist within the budget; of a model that writes, the steps it chose among."""
    ranking: str
    signs: Signs | None = None
    """How far the question and the best plan account for each other; None where there is none."""
    written: str = ""
    """The best path as a model wrote it; empty where none did."""
    beyond: str = ""
    """Why the best plan cannot be all that is asked, for people; empty where nothing says so."""

    def why(self) -> str:
        """Why the best plan was chosen, for people."""
        if not self.topics:
            return "the question names no entity of the graph"
        named = ", ".join(dict.fromkeys(repr(topic.text) for topic in self.topics))
        if not self.ranked:
            return f"the graph states nothing about {named}"
        best = self.ranked[0]
        how = "named" if self.topics[0].named else "in play"
        bearing = len({t.entity for t in self.topics if t.named and t.text == best.topic.text})
        if best.topic.named and bearing > 1:
            how += f" ({bearing} entities are called {best.topic.text!r})"
        if self.written:
            share = math.exp(best.logprob)
            return (
                f"{named} {how}; among {self.looked_at} steps that exist from there, the model "
                f"wrote the path {self.written!r} ({share:.0%} of what it would write)"
            )
        return (
            f"{named} {how}; of {self.looked_at} relation paths that exist from there, "
            f"{best.known.text!r} is nearest to the question by {self.ranking}"
        )


class Retriever:
    """Finds plans for questions over one graph.

    Args:
        graph: The graph.
        model: What ranks or writes paths; None for ranking by words.
        config: Budgets and ranking.
        planner: What a planner has learnt; needed where it ranks.

    Raises:
        ConfigError: The ranking needs a planner that is not given, or one of another graph; or it
            needs a language model.
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        model: RankingModel | None = None,
        config: RetrieveConfig | None = None,
        planner: PlannerWeights | None = None,
    ) -> None:
        self.graph = graph
        self.model = model
        self.config = config or RetrieveConfig()
        self.planner = planner
        self.plans = Plans(graph)
        self.mentions = MentionIndex(graph)
        self._planning: Planning | None = None
        if self.config.ranking == PLAN:
            if planner is None:
                raise ConfigError(
                    "ranking by plan needs a planner",
                    "learn one with `accord eval asking --fit --out FILE`, or rank by words",
                )
            self._planning = Planning(self.plans, planner, self.config.hops)
        self._writer = self._path_writer() if self.config.ranking == MODEL else None

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
        planned = self._planned_named(question)
        if planned is not None:
            return self.checked(planned)
        found = self.named(question) or [
            self.in_play(entity, 1.0) for entity in topics[: self.config.topics]
        ]
        return self.among(question, [Start(self.plans.start(t.entity), t) for t in found])

    def named(self, question: str) -> list[Topic]:
        """The entities that a question names, the likeliest first."""
        found = self.mentions.find(question[:MOST_CHARACTERS])
        # 'Which sea does the Rhine flow into?' asks for a sea, and is about the Rhine.
        kind = kind_asked(question).casefold()
        others = [mention for mention in found if mention.text.casefold() != kind]
        return self._topics(others or found)

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
        return self.checked(self._among(question[:MOST_CHARACTERS], starts))

    def checked(self, found: Retrieved) -> Retrieved:
        """The same, with why its best plan cannot be all that the question asks, if so."""
        return replace(found, beyond=self._beyond(found)) if found.ranked else found

    def _beyond(self, found: Retrieved) -> str:
        best, every = found.ranked[0], found.question[:MOST_CHARACTERS]
        names = {topic.text: topic.entity for topic in found.topics if topic.named}
        # A path leaves out its topic by itself.
        question = without(every, [f"other than {best.topic.text}", *names])
        read_as = best.known.text
        word = unsaid(question, read_as, best.known.plan.hops)
        if word and not (self.planner and word.casefold() in self.planner.words):
            return f"no relation path says {word!r}"
        kind = other_kind(self.graph, question, best.known)
        if kind:
            return f"{kind!r} is asked for, and the nearest path leads to something else"
        led_to = set(best.known.frontier.tolist())
        others = [n for n, e in names.items() if n != best.topic.text and e not in led_to]
        other = listed_with(every, best.topic.text, others)
        if other:
            return f"the question is about {other!r} as well; ask about one at a time"
        again = said_again(question, read_as) if found.ranking in RANKINGS else ""
        return f"the question says {again!r} more often than any path" if again else ""

    def _among(self, question: str, starts: Sequence[Start]) -> Retrieved:
        if self._planning is not None:
            plan = self._planning.in_play
            openings = [plan(question, s.known, float(np.log(s.topic.score))) for s in starts]
            return self._planned(self._planning, question, openings, starts)
        if self._writer is not None:
            return self._written(self._writer, question, starts)
        topics = tuple(dict.fromkeys(start.topic for start in starts))
        pairs = [(known, start) for start in starts for known in self._asked(question, start)]
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
        signs = self._signs(question, topics, ranked[0].known)
        return Retrieved(question, topics, tuple(ranked), looked_at, self.config.ranking, signs)

    def _signs(self, question: str, topics: Sequence[Topic], known: Known) -> Signs:
        """By letters of words: what the plan says of the question, and asks that it does not."""
        kind = kind_asked(question)
        question = without(question, (topic.text for topic in topics))
        asked, plan = word_pieces(question), known.plan
        steps = [relation_text(self.graph, step[0]) for step in plan.steps]
        steps += [humanise(plan.attribute)] if plan.attribute else []
        said = [bool(word_pieces(step) & asked) for step in steps]
        told = word_pieces(known.text)
        if kind and not plan.attribute and not word_pieces(kind) & told:
            asked = self._beside_kind(question, asked, kind, known)
        coverage = len(asked & told) / len(asked) if asked else 0.0
        missed = float(not asked <= told)
        return Signs(coverage, sum(said) / len(said) if said else 1.0, missed)

    def _beside_kind(self, question: str, asked: set[str], kind: str, known: Known) -> set[str]:
        """What is asked beside the kind of the answers, where the graph does not deny that kind."""
        rest = word_pieces(question.replace(kind, " ", 1))
        denied = of_kind(self.graph, known.frontier.tolist(), kind) is False
        return asked if denied or not rest else rest

    def _planned_named(self, question: str) -> Retrieved | None:
        """By the planner, which weighs all that a question names; None where it names nothing."""
        planning, question = self._planning, question[:MOST_CHARACTERS]
        if planning is None:
            return None
        openings, starts = [], []
        for mention in self.mentions.find_overlapping(question):
            for candidate in mention.candidates[: self.config.topics]:
                entity, share = candidate.entity, candidate.score
                openings.append(planning.named(question, mention, entity, share))
                starts.append(Start(self.plans.start(entity), Topic(entity, mention.text, share)))
        return self._planned(planning, question, openings, starts) if starts else None

    def _planned(
        self,
        planning: Planning,
        question: str,
        openings: Sequence[Opening],
        starts: Sequence[Start],
    ) -> Retrieved:
        found, signs = planning.among(openings, [start.known for start in starts])
        ranked = tuple(Ranked(known, starts[i].topic, score) for i, known, score in found)
        # The topic of the best plan comes first: it is the one that is named as such.
        topics = dict.fromkeys([r.topic for r in ranked] + [s.topic for s in starts])
        looked_at = sum(len(opening.first) for opening in openings)
        return Retrieved(question, tuple(topics), ranked, looked_at, PLAN, signs)

    def _path_writer(self) -> PathWriter:
        """Imported here: ranking by words needs no torch."""
        from accord.decode.written_paths import PathWriter
        from accord.model.knowledge_model import KnowledgeModel

        if not isinstance(self.model, KnowledgeModel):
            raise ConfigError("ranking 'model' needs a language model", "give one, or use words")
        return PathWriter.of(self.plans, self.model, self.config.hops, self.config.beams)

    def _written(self, writer: PathWriter, question: str, starts: Sequence[Start]) -> Retrieved:
        worth = [float(np.log(start.topic.score)) for start in starts]
        found = writer(question, [start.known for start in starts], worth)
        topics = tuple(dict.fromkeys(start.topic for start in starts))
        if not found.paths:
            return Retrieved(question, topics, (), found.offered, MODEL)
        # The topic of the best path comes first: it is the one that is named as such.
        topics = tuple(dict.fromkeys([starts[p.start].topic for p in found.paths] + [*topics]))
        whole = float(np.logaddexp.reduce([path.worth for path in found.paths]))
        ranked = tuple(
            Ranked(path.known, starts[path.start].topic, path.worth - whole) for path in found.paths
        )
        signs = self._signs(question, topics, ranked[0].known)
        text = found.paths[0].text
        return Retrieved(question, topics, ranked, found.offered, MODEL, signs, text)

    def _prior(self, known: Known, start: Start) -> float:
        hops = known.plan.hops - start.known.plan.hops
        return float(np.log(start.topic.score)) - self.config.hop_cost * hops

    def _topics(self, mentions: Sequence[Mention]) -> list[Topic]:
        """The best candidates of all mentions; an entity named twice counts once."""
        every = [Topic(c.entity, m.text, c.score) for m in mentions for c in m.candidates]
        every.sort(key=lambda topic: -topic.score)
        distinct = {topic.entity: topic for topic in reversed(every)}
        return sorted(distinct.values(), key=lambda t: -t.score)[: self.config.topics]

    def _asked(self, question: str, start: Start) -> list[Known]:
        """Every plan from a beginning that the word order of the question allows."""
        topic = start.topic.text if start.topic.named else ""
        every = self._known(question, start.known)
        return in_order(self.plans, question, topic, every)

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
