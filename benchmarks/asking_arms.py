"""The arms of `benchmarks/asking.py` in which a language model writes the answers itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accord.decode.places import Names
from accord.decode.processor import write_constrained
from accord.decode.trie import TokenTrie
from accord.evaluate.asking import Judged
from accord.evaluate.qa_answers import judge
from accord.graph.graph import Int64, KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.progress import track
from accord.text.collate import tokens
from accord.text.qa_prompts import STOP, question_prompt, read_answers
from accord.text.questions import Question
from accord.text.wording import triple_statement

FACTS = 30
"""Statements that stand in a prompt at most."""
MOST_NAMES = 30_000
"""Entities whose names can be written, at most; MetaQA has 24,000 within three hops."""
ROWS = 16
"""Questions that are answered side by side, each with a trie of its own."""
WRITTEN = 32
"""Tokens of an answer at most."""


def closed(model: KnowledgeModel, test: Sequence[Question]) -> list[Judged]:
    """Answers of the model alone."""
    return _free(model, test, [question_prompt(q.question) for q in test])


def prompted(
    graph: KnowledgeGraph, model: KnowledgeModel, test: Sequence[Question]
) -> list[Judged]:
    """Answers behind facts around the topic and the question."""
    pairs = ((facts(graph, q), question_prompt(q.question)) for q in test)
    return _free(model, test, [f"{said}\n\n{asked}" for said, asked in pairs])


def constrained(
    graph: KnowledgeGraph, model: KnowledgeModel, test: Sequence[Question]
) -> list[Judged]:
    """Answers of the model alone, held to the names that stand around the topic."""
    # A line break ends an answer, as it does where the model writes freely.
    end, found = tokens(model.tokenizer, STOP)[-1], list[Judged]()
    with track("writing", len(test), "answers") as advance:
        for start in range(0, len(test), ROWS):
            part = test[start : start + ROWS]
            around = [neighbourhood(graph, topic_of(graph, q), q.hops) for q in part]
            places = [Names(graph, tuple(entities.tolist())) for entities in around]
            tries = [TokenTrie(place, model.tokenizer, end) for place in places]
            prompts = [question_prompt(q.question) for q in part]
            written = write_constrained(model, prompts, tries, 1, WRITTEN)
            found += [_read(q, w.text) for q, (w,) in zip(part, written, strict=True)]
            advance(len(part))
    return found


def topic_of(graph: KnowledgeGraph, question: Question) -> int:
    """The topic that a question gives; -1 where the graph does not have it."""
    return graph.entity_ids.find(question.topics[0], graph.entity_order)


def neighbourhood(graph: KnowledgeGraph, topic: int, hops: int, most: int = MOST_NAMES) -> Int64:
    """(n,) entity idx that a walk from a topic leads to, the nearest first.

    From two steps on the topic itself is one: a person is a child of their mother.

    Args:
        graph: The graph; its triples are walked both ways.
        topic: Entity idx; -1 for none, around which there is nothing.
        hops: Steps at most.
        most: Entities at most; of those equally near, the first of the graph are kept.
    """
    heads, tails = graph.triples[:, 0], graph.triples[:, 2]
    seen = np.zeros(graph.num_entities, dtype=np.bool_)
    rings = [np.array([topic] if topic >= 0 else [], dtype=np.int64)]
    for _ in range(hops):
        here = np.zeros_like(seen)
        here[rings[-1]] = True
        new = np.zeros_like(seen)
        new[tails[here[heads]]] = True
        new[heads[here[tails]]] = True
        rings.append(np.flatnonzero(new & ~seen))
        seen |= new
    return np.concatenate(rings[1:])[:most]


def facts(graph: KnowledgeGraph, question: Question) -> str:
    """Statements around the topic, which is given: the first of each entity on the way."""
    topic, said = topic_of(graph, question), list[str]()
    level, seen = [topic] if topic >= 0 else [], {topic}
    while level and len(said) < FACTS:
        further = []
        for entity in level:
            ahead, back = graph.outgoing(entity).tolist(), graph.incoming(entity).tolist()
            for h, r, t in [*ahead, *back][: FACTS - len(said)]:
                said.append(triple_statement(graph, h, r, t))
                further += [e for e in (h, t) if e not in seen]
                seen |= {h, t}
        level = further
    return "\n".join(said)


def _free(model: KnowledgeModel, test: Sequence[Question], prompts: Sequence[str]) -> list[Judged]:
    texts = model.generate(list(prompts), WRITTEN)
    return [_read(question, text) for question, text in zip(test, texts, strict=True)]


def _read(question: Question, text: str) -> Judged:
    answers = read_answers(text)
    score = judge(answers, question.answers)
    given, exact = bool(answers), score.exact_match
    return Judged(question, text, given, score.hits_at_1, score.f1, exact, 1.0)
