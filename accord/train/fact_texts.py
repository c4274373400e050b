"""From a graph to single facts to learn: asked for, and stated as rationales state them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.rationale import RationaleConfig, Text
from accord.text.asking import Asking, Step
from accord.text.collate import tokens
from accord.text.qa_prompts import answer_line, question_opening, question_prompt, rationale_line
from accord.text.questions import Hop, Question
from accord.text.render import entity_name, one_line
from accord.text.wording import attribute_statement, triple_statement, triples_statement

Query = tuple[int, int | str]
"""Entity idx and relation number (r + R for the inverse), or the property of an attribute."""
DRAWS = 8
"""Facts that are looked at where none leads to another's subject."""


class _Fact(NamedTuple):
    """A query with its answers, and the statement of them."""

    query: Query
    answers: Mapping[str, int]
    """Name -> its entity, or its row of `graph.attributes`."""
    question: str
    statement: str = ""
    """As rationales by template state it."""
    given: int = 0
    """Characters of the statement before its first answer."""

    @property
    def ends(self) -> list[int]:
        """The entities that answer it."""
        return [] if isinstance(self.query[1], str) else list(self.answers.values())


def fact_texts(
    model: KnowledgeModel,
    graph: KnowledgeGraph,
    questions: list[Question],
    config: RationaleConfig,
    seed: int,
) -> list[Text]:
    """One-hop questions over the graph's train triples with all their answers.

    Args:
        model: Its tokenizer is used.
        graph: The graph.
        questions: Their paths say which relations are asked for, and in which direction; where
            they have none, every relation is.
        config: Settings.
        seed: Of the choice where there are more than `fact_limit`, and of what stands before
            statements.

    Returns:
        Those on the questions' own paths first. With `fact_form="both"` each question is followed
        by its fact's statement in a rationale's first place and in its second.
    """
    asking = Asking(graph)
    walks = list(_walks(graph, asking, questions))
    facts = _chosen(graph, asking, [walk for _, walk in walks], config, seed)
    alone = [
        learnt_text(model, question_prompt(fact.question), answer_line(fact.answers))
        for fact in facts
    ]
    if config.fact_form == "answer":
        return alone
    facts = [_stated(graph, fact) for fact in facts]
    # Neighbouring steps of questions that are not learnt from.
    held = (walk for split, walk in walks if split not in ("", "train"))
    places = _Places(facts, {pair for walk in held for pair in pairwise(walk)}, seed)
    found: list[Text] = []
    for i, text in enumerate(alone):
        first, second = places.naming(i).question, places.leading(i)
        before = (first, "") if second is None else (second.question, second.statement)
        found += [text, _said(model, facts[i], first), _said(model, facts[i], *before)]
    return found


def learnt_text(model: KnowledgeModel, given: str, learnt: str, ends: bool = True) -> Text:
    """A text whose last part is learnt, with the end token where it ends there."""
    before = tokens(model.tokenizer, given)
    end = (int(model.tokenizer.eos_token_id),) if ends else ()
    return Text((before + tokens(model.tokenizer, learnt) + end,), len(before))


def _chosen(
    graph: KnowledgeGraph,
    asking: Asking,
    walks: Iterable[Sequence[Query]],
    config: RationaleConfig,
    seed: int,
) -> list[_Fact]:
    walked = dict.fromkeys(query for walk in walks for query in walk)
    known = _answers(graph, asking, {asked for _, asked in walked if isinstance(asked, str)})
    first = [query for query in walked if query in known]
    asked = {relation for _, relation in first} or {relation for _, relation in known}
    others = [q for q in known if q[1] in asked and q not in walked]
    order = np.random.default_rng([seed, 6]).permutation(len(others)).tolist()
    chosen = [*first, *(others[i] for i in order)][: config.fact_limit]
    found = []
    for query in chosen:
        answers = dict(list(known[query].items())[: config.answers])
        question = _worded(asking, query, len(known[query]))
        found.append(_Fact(query, answers, question))
    return found


class _Places:
    """What stands before a fact's statement where a rationale states it.

    Args:
        facts: All facts that are learnt.
        apart: Pairs of queries, one step after the other, that are kept for held-out questions.
        seed: Of the draws.
    """

    def __init__(self, facts: Sequence[_Fact], apart: set[tuple[Query, Query]], seed: int) -> None:
        self._facts = facts
        self._apart = apart
        self._rng = np.random.default_rng([seed, 7])
        self._about: defaultdict[int, list[int]] = defaultdict(list)
        self._to: defaultdict[int, list[int]] = defaultdict(list)
        for i, fact in enumerate(facts):
            self._about[fact.query[0]].append(i)
            for end in fact.ends:
                self._to[end].append(i)

    def naming(self, i: int) -> _Fact:
        """A fact whose question names the subject, its own or another: as a first step's does."""
        return self._facts[self._drawn(self._about[self._facts[i].query[0]])]

    def leading(self, i: int) -> _Fact | None:
        """A fact that leads to the subject, as the step before does, or else any other.

        None where each of a few that were drawn would give the fact away.
        """
        fact = self._facts[i]
        near = [j for j in self._to[fact.query[0]] if self._may_lead(self._facts[j], fact)]
        # Where the subject is one of few, the statement says which is meant.
        least = min((len(self._facts[j].answers) for j in near), default=0)
        near = [j for j in near if len(self._facts[j].answers) == least]
        if near:
            return self._facts[self._drawn(near)]
        drawn = (self._facts[self._drawn(range(len(self._facts)))] for _ in range(DRAWS))
        return next((other for other in drawn if self._may_lead(other, fact)), None)

    def _may_lead(self, before: _Fact, fact: _Fact) -> bool:
        # The answer would stand there already.
        given = before.query[0] in fact.ends or before.query == fact.query
        return not given and (before.query, fact.query) not in self._apart

    def _drawn(self, among: Sequence[int]) -> int:
        return among[int(self._rng.integers(len(among)))]


def _stated(graph: KnowledgeGraph, fact: _Fact) -> _Fact:
    """The fact with the statement that holds its answers, and where in it they begin."""
    entity, asked = fact.query
    name, *_ = fact.answers
    places = list(fact.answers.values())
    if isinstance(asked, str):
        each = [attribute_statement(graph, row) for row in places]
        first, statement = each[0], " ".join(each)
    else:
        first = triple_statement(graph, entity, asked, places[0])
        statement = triples_statement(graph, entity, asked, places)
    return fact._replace(statement=statement, given=max(0, first.rfind(one_line(name))))


def _said(model: KnowledgeModel, fact: _Fact, question: str, before: str = "") -> Text:
    """The answers of a fact's statement in a question's rationale, alone or behind another."""
    whole = question_opening(question) + rationale_line(f"{before} {fact.statement}")
    given = whole[: -len(one_line(fact.statement[fact.given :]))].rstrip()
    return learnt_text(model, given, whole[len(given) :], ends=False)


def _answers(
    graph: KnowledgeGraph, asking: Asking, properties: set[str]
) -> dict[Query, dict[str, int]]:
    """Every query's answers in train, and attributes of some properties, in graph order.

    Returns:
        The answer's name -> its entity, or its row of `graph.attributes`. Queries that are worded
        alike are one, with all their answers.
    """
    found: defaultdict[Query, dict[str, int]] = defaultdict(dict)
    first = [asking.alike(number)[0] for number in range(2 * graph.num_relations)]
    for head, relation, tail in graph.triples_of("train").tolist():
        found[head, first[relation]].setdefault(entity_name(graph, tail), tail)
        back = first[relation + graph.num_relations]
        found[tail, back].setdefault(entity_name(graph, head), head)
    for entity in range(graph.num_entities) if properties else ():
        for row in graph.attribute_rows(entity):
            item = graph.attribute(int(row))
            if item.property in properties:
                found[entity, item.property].setdefault(item.value, int(row))
    return dict(found)


def _walks(
    graph: KnowledgeGraph, asking: Asking, questions: Iterable[Question]
) -> Iterator[tuple[str, list[Query]]]:
    """Each path's split and the queries along it; steps outside the graph are left out."""
    entities = {name: i for i, name in enumerate(graph.entity_ids)}
    relations = {name: i for i, name in enumerate(graph.relation_ids)}

    def query(hop: Hop) -> Iterator[Query]:
        if hop.start in entities and hop.end in entities and hop.relation in relations:
            number = relations[hop.relation] + graph.num_relations * hop.inverse
            yield entities[hop.start], asking.alike(number)[0]
        elif hop.start in entities:
            yield entities[hop.start], hop.relation

    for question in questions:
        for path in question.paths:
            yield question.split, [one for hop in path for one in query(hop)]


def _worded(asking: Asking, query: Query, answers: int) -> str:
    """A one-hop question, worded as evaluation asks for single facts."""
    entity, asked = query
    if isinstance(asked, str):
        return asking.attribute(entity, [], asked)
    return asking.chain(entity, [Step(asked, answers == 1)])
