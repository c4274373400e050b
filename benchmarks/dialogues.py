"""Follow-up questions: three-turn dialogues over MetaQA's test questions and over geography.

A dialogue opens with a whole question. Then come, drawn: a pronoun for the topic or for the only
answer, an ellipsis that repeats the question for another entity, or a whole new question. Right
means exactly the set of entities or values that the graph gives. Beside the dialogue stand the same
guide without history, and one that rewrites follow-ups by template before it asks. `unsupported`
counts the names and numbers of the dialogue's replies that nothing cited in them supports.

    python benchmarks/dialogues.py --count 500
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from asking_sets import metaqa

from accord.decode.confidence import Confidence
from accord.decode.dialogue import Dialogue
from accord.decode.guided import Guide
from accord.decode.planner_gold import Gold, plan_of
from accord.decode.planner_training import PlannerConfig
from accord.decode.retrieve import RetrieveConfig
from accord.evaluate.asking import called, learn_planner
from accord.evaluate.faithfulness import Faithfulness, Unsupported
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.synthesis.questions import QuestionConfig, generate_questions
from accord.text.questions import Question
from accord.text.render import entity_name

KINDS = ("pronoun", "answer", "ellipsis", "switch")
PRONOUN = re.compile(r"\bit\b")
ELLIPSIS = re.compile(r"^(?:and|what about) (.+)\?$")
GEOGRAPHY = {
    "capital": "What is the capital of {x}?",
    "currency": "What is the currency of {x}?",
    "continent": "What is the continent of {x}?",
    "population": "What is the population of {x}?",
    "neighbour": "Which country shares a border with {x}?",
    "~capital": "Which country has the capital {x}?",
    "time_zone": "What is the time zone of {x}?",
}


@dataclass(frozen=True)
class Asked:
    """One turn."""

    kind: str
    said: str
    whole: str
    """The question with everything in it."""
    gold: frozenset[str]


class Source:
    """One-step questions of a graph, by topic.

    Args:
        graph: The graph.
        guide: What follows paths.
        forms: Pattern -> wordings with {x} for the topic.
    """

    def __init__(self, graph: KnowledgeGraph, guide: Guide, forms: dict[str, list[str]]) -> None:
        self.graph, self.guide, self.forms = graph, guide, forms
        planning = guide.retriever._planning
        assert planning is not None
        self.schema = planning.schema
        self.gold = Gold(guide.plans, self.schema, guide.retriever.mentions, 1)

    def answers(self, pattern: str, entity: int) -> frozenset[str]:
        """All answers of a one-step question; none where the entity has no such step."""
        path = self.gold.read(pattern)
        if path is None or path[0] not in self.schema.at(entity):
            return frozenset()
        return frozenset(a[0] for a in called(self.guide.plans, plan_of(self.schema, entity, path)))

    def fitting(self, entity: int) -> list[str]:
        """The patterns that can be asked of an entity."""
        return [pattern for pattern in self.forms if self.answers(pattern, entity)]

    def turn(self, rng: random.Random, kind: str, pattern: str, entity: int, said: str) -> Asked:
        """A turn: `said` stands for the topic, or is all that is said of an ellipsis."""
        form, name = rng.choice(self.forms[pattern]), entity_name(self.graph, entity)
        short = said if kind == "ellipsis" else form.format(x=said or name)
        return Asked(kind, short, form.format(x=name), self.answers(pattern, entity))


def dialogue(source: Source, rng: random.Random, topics: Sequence[int]) -> list[Asked]:
    """Three turns."""
    while True:
        topic = rng.choice(topics)
        fitting = source.fitting(topic)
        if len(fitting) > 1:
            break
    pattern = rng.choice(fitting)
    turns = [source.turn(rng, "opening", pattern, topic, "")]
    while len(turns) < 3:
        kind, other = rng.choice(KINDS), rng.choice(topics)
        only = list(turns[-1].gold)
        place = source.graph.entity_ids.find(only[0], source.graph.entity_order)
        if kind == "answer" and len(only) == 1 and place >= 0 and source.fitting(place):
            topic, pattern = place, rng.choice(source.fitting(place))
            turns.append(source.turn(rng, kind, pattern, topic, "it"))
        elif kind == "pronoun" and len(source.fitting(topic)) > 1:
            pattern = rng.choice([p for p in source.fitting(topic) if p != pattern])
            turns.append(source.turn(rng, kind, pattern, topic, "it"))
        elif kind == "ellipsis" and pattern in source.fitting(other):
            topic, name = other, entity_name(source.graph, other)
            said = rng.choice((f"and {name}?", f"what about {name}?"))
            turns.append(source.turn(rng, kind, pattern, topic, said))
        elif kind == "switch" and source.fitting(other):
            topic, pattern = other, rng.choice(source.fitting(other))
            turns.append(source.turn(rng, kind, pattern, topic, ""))
    return turns


def answered(found: object) -> frozenset[str]:
    """Ids, or values, of what was answered."""
    answers = getattr(found, "answers", ())
    return frozenset(a.id or a.name for a in answers)


def measure(name: str, source: Source, made: Sequence[Sequence[Asked]]) -> None:
    """Prints accuracy by turn and by kind for each arm."""
    right: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    check, told = Faithfulness(source.graph), list[Unsupported]()
    for turns in made:
        talk, before, topic = Dialogue(source.guide), "", ""
        for number, turn in enumerate(turns, 1):
            rewritten = rewrite(turn.said, before, topic)
            replied = talk.say(turn.said)
            told.append(check(replied.reply, replied.answered.citations))
            arms = {
                "dialogue": answered(replied.answered),
                "no history": answered(source.guide.ask(turn.said)),
                "rewritten": answered(source.guide.ask(rewritten)),
                "whole question": answered(source.guide.ask(turn.whole)),
            }
            named = source.guide.retriever.named(rewritten)
            before, topic = rewritten, named[0].text if named else topic
            for arm, found in arms.items():
                for key in (f"turn {number}", turn.kind):
                    right[arm][key].append(found == turn.gold)
    for arm, parts in right.items():
        row = {key: round(sum(v) / len(v), 4) for key, v in sorted(parts.items())}
        print(json.dumps({"set": name, "arm": arm, "dialogues": len(made), **row}), flush=True)
    said = sum(one.named + one.counted for one in told)
    row = {"replies": len(told), "names and numbers": said}
    row["unsupported"] = sum(one.count for one in told)
    print(json.dumps({"set": name, **row}), flush=True)


def rewrite(said: str, before: str, topic: str) -> str:
    """A follow-up as a whole question, from the last topic and the last question."""
    match = ELLIPSIS.match(said)
    if match and topic:
        return before.replace(topic, match[1])
    return PRONOUN.sub(lambda _: topic, said) if topic else said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="dialogues of each graph")
    parser.add_argument("--sets", nargs="+", default=["geography", "metaqa"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.sets:
        graph, rng = load_graph(name), random.Random(options.seed)
        train, forms, topics = _material(name, graph, options.seed)
        weights = learn_planner(graph, train, PlannerConfig(hops=1, seed=options.seed))
        config = RetrieveConfig("plan", hops=1)
        guide = Guide(graph, None, config, Confidence(threshold=0), weights)
        source = Source(graph, guide, forms)
        measure(name, source, [dialogue(source, rng, topics) for _ in range(options.count)])


def _material(
    name: str, graph: KnowledgeGraph, seed: int
) -> tuple[list[Question], dict[str, list[str]], list[int]]:
    """(questions to learn from, wordings of each pattern, topics of openings)"""
    if name == "geography":
        config = QuestionConfig((1,), 0.0, 0.3, max_answers=40, seed=seed)
        made = list(generate_questions(graph, 800, config))
        lands = [e for e, key in enumerate(graph.entity_ids) if key.startswith("country/")]
        return made, {pattern: [form] for pattern, form in GEOGRAPHY.items()}, lands
    split = metaqa(False, seed)
    single = [q for q in split.test if q.hops == 1]
    forms: dict[str, set[str]] = defaultdict(set)
    for question in single:
        form = question.question.replace(question.topics[0], "{x}", 1)
        if form.count("{") == 1 and "}" in form:
            forms[question.pattern].add(form)
    named = {name: i for i, name in enumerate(graph.entity_ids)}
    # Some topics of the test questions are in no triple.
    topics = sorted({named[q.topics[0]] for q in single if q.topics[0] in named})
    train = [q for q in split.train if q.hops == 1]
    return train, {pattern: sorted(every) for pattern, every in forms.items()}, topics


if __name__ == "__main__":
    main()
