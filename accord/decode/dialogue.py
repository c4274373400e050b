"""A conversation over a graph: questions that follow up on what was said before.

What is in play are the entities of the last turns. A question that names none is about them; one
that names an entity and asks nothing ("what about Peru?") repeats the last question for it.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from accord.decode.beyond import without
from accord.decode.confidence import share
from accord.decode.guided import Answered, Citation, Guide
from accord.decode.planner_features import PRONOUNS
from accord.decode.plans import Plan
from accord.decode.replies import Replies
from accord.decode.retrieve import Ranked, Retrieved, Start, Topic
from accord.errors import ConfigError
from accord.text.function_words import FUNCTION_WORDS
from accord.text.render import entity_name, one_line

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel

PLURAL = re.compile(r"\b(they|them|their|theirs|these|those)\b", re.IGNORECASE)
FADING = 0.5
"""What an entity's weight is multiplied by with every turn since it was named."""
ASKED_ABOUT = 0.7
"""Weight of what the last question was about, beside 1 for its answer."""
MOST_HOPS = 4
ABOUT = "What is known about {}?"
TELLING = frozenset(("tell", "describe", "know", "known", "information", "facts", "talk"))
"""Words by which all that is known of an entity is asked for."""
OF = re.compile(r"\b(?:of|in|from|for)\s+(?:the\s+)?(\w+)\s*\??$", re.IGNORECASE)
IDENTITY = re.compile(
    r"\W*(?:(?:and|so|but)\W+)?(?:who|what)(?:\s+(?:is|are|was|were)|['’]s)\s+(?:the\s+)?\W*",
    re.IGNORECASE,
)
"""'Who is Ann?', without the name."""
WHOLE = re.compile(
    r"\b(?:who|whom|whose|where|when|why|which)\b|^\W*(?:(?:and|so|but)\W+)?"
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will)\b",
    re.IGNORECASE,
)
"""By which a question is one of its own, though it has no further word that says anything."""
REPEATING = "repeating the question before"


@dataclass(frozen=True)
class Turn:
    """A question and what was said to it."""

    question: str
    reply: str
    """What was said."""
    answered: Answered
    plan: Plan | None
    """The plan that was followed; None where nothing was answered."""
    answers: tuple[int, ...]
    """Entity idx that were answered."""

    def to_dict(self) -> dict[str, Any]:
        """The object of a turn that `--json` prints."""
        return {**self.answered.to_dict(), "reply": self.reply}


def conversation(turns: Sequence[Turn]) -> dict[str, Any]:
    """Turns, and the statements they rest on, each once; the object that `--json` prints."""
    cited = dict.fromkeys(citation for turn in turns for citation in turn.answered.citations)
    return {
        "turns": [turn.to_dict() for turn in turns],
        "citations": [asdict(citation) for citation in cited],
    }


class Dialogue:
    """A conversation; it remembers a bounded number of turns.

    Args:
        guide: What answers.
        model: Chooses words for replies; None takes the first wording of each.
        history: Turns that are remembered at most.
    """

    def __init__(
        self, guide: Guide, model: KnowledgeModel | None = None, history: int = 20
    ) -> None:
        if history < 1:
            raise ConfigError(f"history is {history}", "remember 1 turn or more")
        self.guide = guide
        self._replies = Replies(guide.plans, model)
        self._turns: deque[Turn] = deque(maxlen=history)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What is remembered, the oldest first."""
        return tuple(self._turns)

    def say(self, question: str) -> Turn:
        """Answers a question, and remembers both.

        Args:
            question: The question.

        Returns:
            The turn.

        Raises:
            ConfigError: An empty question.
        """
        for _ in self.stream(question):
            pass
        return self._turns[-1]

    def stream(self, question: str) -> Generator[str, None, None]:
        """Answers a question piece by piece.

        The turn is remembered when the last piece was taken; one that is interrupted leaves the
        conversation as it was.

        Args:
            question: The question.

        Yields:
            Pieces of the reply.

        Raises:
            ConfigError: An empty question.
        """
        retrieved, sure = self.understand(question)
        answered = self._replies.completed(self.guide.answer(retrieved, sure), retrieved)
        plan = None if answered.abstained else retrieved.ranked[0].known.plan
        said = []
        for piece in self._replies.stream(answered, plan):
            said.append(piece)
            yield piece
        ids = self.guide.graph.entity_ids
        order = self.guide.graph.entity_order
        answers = tuple(ids.find(a.id, order) for a in answered.answers if a.id)
        self._turns.append(Turn(question, "".join(said), answered, plan, answers))

    def understand(self, question: str) -> tuple[Retrieved, float | None]:
        """What a question asks, given what was said before.

        Args:
            question: The question.

        Returns:
            Plans, best first, and how sure it is that the best is meant; None leaves that to the
            guide's confidence.

        Raises:
            ConfigError: An empty question.
        """
        retriever = self.guide.retriever
        named = retriever.named(question) if question.strip() else []
        rest = without(question, (topic.text for topic in named))
        words = {word for word in _words(rest) if word not in FUNCTION_WORDS}
        if (words and not words - TELLING) or (named and IDENTITY.fullmatch(rest)):
            topics = named or [start.topic for start in self._in_play(question)]
            if topics:
                return self._told(question, max(topics, key=lambda t: t.score))
        last = next((turn for turn in reversed(self._turns) if turn.plan is not None), None)
        if last is None or last.plan is None or not question.strip():
            return retriever(question), None
        pointing = bool(PRONOUNS & set(re.findall(r"\w+", question)))
        if named and not words and not pointing and not WHOLE.search(rest):
            if not last.plan.hops:
                return self._told(question, named[0])
            again = self._repeated(question, last.plan, named)
            # It is as sure as it was of the question before, and of whom the name means.
            if again.ranked:
                return again, last.answered.confidence * share(again.ranked)
        if named and not pointing:
            return retriever(question), None
        found = retriever.among(question, self._in_play(question))
        if named:
            return self._likelier(retriever(question), found)
        if _names_what_is_not_there(question, found):
            return Retrieved(question, (), (), found.looked_at, found.ranking), None
        return found, None

    def why(self) -> str:
        """Why the last turn says what it says, for people."""
        if not self._turns:
            return "nothing was said yet"
        answered = self._turns[-1].answered
        lines = [f"asked: {answered.question}", f"read as: {answered.read_as}", answered.reason]
        lines += [f"  {text}" for text in dict.fromkeys(c.text for c in answered.citations)]
        return "\n".join(line for line in lines if line != "read as: ")

    def citations(self) -> tuple[Citation, ...]:
        """All statements that the remembered turns rest on, each once."""
        return tuple(dict.fromkeys(c for t in self._turns for c in t.answered.citations))

    def graph_text(self) -> str:
        """The part of the graph that the conversation has touched, for people."""
        texts = dict.fromkeys(citation.text for citation in self.citations())
        return "\n".join(texts) if texts else "no statement of the graph was used yet"

    def in_play(self) -> list[str]:
        """Names of the entities that a follow-up may be about, the likeliest first."""
        starts = sorted(self._in_play(""), key=lambda start: -start.topic.score)
        graph = self.guide.graph
        names = (one_line(entity_name(graph, start.topic.entity)) for start in starts)
        return list(dict.fromkeys(names))

    def forget(self) -> None:
        """Forgets all turns, and with them what is in play."""
        self._turns.clear()

    def to_dict(self) -> dict[str, Any]:
        """What is remembered, as `conversation` has it."""
        return conversation(self.turns)

    def _told(self, question: str, topic: Topic) -> tuple[Retrieved, float]:
        """A question for all that is known of an entity: a plan of no step."""
        known = replace(self.guide.plans.start(topic.entity), text=ABOUT.format(self._name(topic)))
        sure = topic.score if topic.named else 1.0  # A name may be that of several.
        return Retrieved(question, (topic,), (Ranked(known, topic, 0.0),), 1, "its words"), sure

    def _likelier(self, named: Retrieved, pointed: Retrieved) -> tuple[Retrieved, float | None]:
        """What a question that has a pronoun and a name is about: 'film' may be a name too."""
        sure = self.guide.confidence(pointed)
        return (pointed, sure) if sure >= self.guide.confidence(named) else (named, None)

    def _name(self, topic: Topic) -> str:
        return one_line(entity_name(self.guide.graph, topic.entity))

    def _repeated(self, question: str, plan: Plan, named: Sequence[Topic]) -> Retrieved:
        """The last plan from another entity; the likeliest from which it leads anywhere."""
        plans, found = self.guide.plans, []
        for topic in named:
            again = Plan(topic.entity, plan.steps, plan.attribute)
            if len(plans.reach(again).entities):
                found.append(Ranked(plans.worded(again), topic, math.log(topic.score)))
        repeated = Retrieved(question, tuple(named), tuple(found), len(found), REPEATING)
        return self.guide.retriever.checked(repeated)

    def _in_play(self, question: str) -> list[Start]:
        """Where plans may go on from what was said, weighed by how lately and in what number."""
        several = bool(PLURAL.search(question))
        plans, play, found = self.guide.plans, self.guide.retriever.in_play, list[Start]()
        for age, turn in enumerate(reversed(self._turns)):
            fade = FADING**age
            if turn.plan is None:
                continue
            topic, one = turn.plan.topic, len(turn.answers) == 1
            if one and not turn.plan.attribute:
                entity = turn.answers[0]
                found.append(Start(plans.start(entity), play(entity, fade)))
            elif turn.answers and turn.plan.hops < MOST_HOPS and age == 0:
                weight = 1.0 if several else ASKED_ABOUT / 2
                followed = plans.worded(turn.plan)
                found.append(Start(followed, play(topic, weight)))
            about = ASKED_ABOUT if one or several else 1.0
            found.append(Start(plans.start(topic), play(topic, fade * about)))
        distinct: dict[Plan, Start] = {}
        for start in found:
            distinct.setdefault(start.known.plan, start)
        return list(distinct.values())[: 2 * self.guide.retriever.config.topics]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _names_what_is_not_there(question: str, found: Retrieved) -> bool:
    """Whether a question that names nothing known has a name of its own: 'capital of Atlantis'.

    A word is taken for one that begins with a capital, or follows 'of' or 'in', where no path from
    what is in play has it.
    """
    known = {word[:4] for ranked in found.ranked for word in _words(ranked.known.text)}
    names = re.findall(r"(?<=\w )[A-Z]\w+", question) + OF.findall(question)
    words = {word.casefold() for word in names} - set(FUNCTION_WORDS)
    return any(word[:4] not in known for word in words)
