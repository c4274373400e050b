"""From questions and a graph to what the rationale objective learns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.rationale import Item, Rationale, RationaleConfig, Text
from accord.progress import say
from accord.text.asking import Asking, Step
from accord.text.collate import tokens
from accord.text.qa_prompts import (
    answer_line,
    answer_rationale,
    question_opening,
    question_prompt,
    rationale_line,
)
from accord.text.questions import Question
from accord.text.render import entity_name, one_line
from accord.text.wording import attribute_statement, triple_statement, triples_statement
from accord.train.recipe import Recipe

Query = tuple[int, int | str]
"""Entity idx and relation number (r + R for the inverse), or the property of an attribute."""


def questions_of(questions: Iterable[Question], split: str) -> list[Question]:
    """Questions of a split; all of them are train where none says its split.

    Raises:
        ConfigError: There are splits, and none is train.
    """
    known = list(questions)
    if split == "train" and not any(question.split for question in known):
        return known
    found = [question for question in known if question.split == split]
    if split == "train" and not found:
        raise ConfigError(
            f"none of the {len(known)} questions is of the split train",
            'give questions with "split": "train", or without any split',
        )
    return found


def build_rationale(
    recipe: Recipe, model: KnowledgeModel, graph: KnowledgeGraph, questions: Iterable[Question]
) -> Rationale:
    """The rationale objective over the train questions.

    Args:
        recipe: The recipe.
        model: Its tokenizer is used.
        graph: Where one-hop facts come from; only its train split.
        questions: All questions of `--qa`. Those of other splits are not shown, but the facts on
            their paths come before the graph's other facts: what is asked has to stay known.

    Raises:
        ConfigError: Nothing to learn from, or `model.adapter=none`, which leaves nothing to train.
    """
    config, questions = recipe.rationale, list(questions)
    if recipe.model.adapter == "none":
        raise ConfigError(
            "model.adapter=none trains no part that answers questions", "use lora or full"
        )
    train = questions_of(questions, "train")
    items = [question_item(model, question, config) for question in train]
    kept = [item for item in items if fits(item, config)]
    _say_left_out(len(items) - len(kept), kept, config)
    every = [*train, *questions]
    facts = fact_texts(model, graph, every, config, recipe.seed) if config.facts else []
    batches = recipe.loop.steps * recipe.loop.accumulation
    return Rationale(kept, facts, config, recipe.seed, batches)


def fits(item: Item, config: RationaleConfig) -> bool:
    """Whether all texts of a question are short enough."""
    texts = (item.plain, item.shown, item.told)
    return max(len(text.sequence[0]) for text in texts if text) <= config.tokens


def _say_left_out(long: int, items: list[Item], config: RationaleConfig) -> None:
    if long:
        say(f"{long} questions are left out: longer than {config.tokens} tokens (rationale.tokens)")
    bare = sum(item.shown is None for item in items)
    if bare and config.needs_rationale:
        say(f"{bare} of {len(items)} questions have no rationale: they teach their answer only")


def question_item(model: KnowledgeModel, question: Question, config: RationaleConfig) -> Item:
    """A question as token sequences, as evaluation puts it to the model."""
    answers = question.answers[: config.answers]
    end = answer_line(answers)
    plain = _text(model, question_prompt(question.question), end)
    rationale = question.rationale
    if config.context == "answer":
        rationale = answer_rationale(answers)
    if not rationale.strip():
        return Item(plain)
    prompt = question_prompt(question.question, rationale)
    shown = _text(model, prompt, end)
    opening = question_opening(question.question)
    told = _text(model, opening, prompt.removeprefix(opening) + end)
    # Where the words are cut alike, both are learnt from one reading.
    same = told.sequence == shown.sequence
    return Item(plain, shown, Text(shown.sequence, told.given) if same else told)


def _text(model: KnowledgeModel, given: str, learnt: str) -> Text:
    before = tokens(model.tokenizer, given)
    end = (int(model.tokenizer.eos_token_id),)
    return Text((before + tokens(model.tokenizer, learnt) + end,), len(before))


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
        seed: Of the choice where there are more than `fact_limit`.

    Returns:
        Those on the questions' own paths first.
    """
    asking = Asking(graph)
    walked = dict.fromkeys(_walked(graph, asking, questions))
    known = _answers(graph, asking, {asked for _, asked in walked if isinstance(asked, str)})
    first = [query for query in walked if query in known]
    asked = {relation for _, relation in first} or {relation for _, relation in known}
    others = [q for q in known if q[1] in asked and q not in walked]
    order = np.random.default_rng([seed, 6]).permutation(len(others)).tolist()
    chosen = [*first, *(others[i] for i in order)][: config.fact_limit]
    worded = [_worded(asking, query, len(known[query])) for query in chosen]
    right = [dict(list(known[query].items())[: config.answers]) for query in chosen]
    alone = [
        _text(model, question_prompt(question), answer_line(answers))
        for question, answers in zip(worded, right, strict=True)
    ]
    if config.fact_form == "answer":
        return alone
    facts = [
        _Fact(question, *_stated(graph, query, answers))
        for question, query, answers in zip(worded, chosen, right, strict=True)
    ]
    # Each fact stands behind another: as the second step of a rationale, where the question does
    # not name its subject.
    order = np.random.default_rng([seed, 7]).permutation(len(facts))
    before = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    said = [_said(model, facts[before[i]], fact) for i, fact in enumerate(facts)]
    return [text for pair in zip(alone, said, strict=True) for text in pair]


class _Fact(NamedTuple):
    """A query with the statement of its answers."""

    question: str
    statement: str
    """As rationales by template state it."""
    given: int
    """Characters of the statement before its first answer."""


def _stated(graph: KnowledgeGraph, query: Query, answers: Mapping[str, int]) -> tuple[str, int]:
    """The statement that holds a query's answers, and where in it they begin."""
    entity, asked = query
    name, *_ = answers
    places = list(answers.values())
    if isinstance(asked, str):
        each = [attribute_statement(graph, row) for row in places]
        first, statement = each[0], " ".join(each)
    else:
        first = triple_statement(graph, entity, asked, places[0])
        statement = triples_statement(graph, entity, asked, places)
    return statement, max(0, first.rfind(one_line(name)))


def _said(model: KnowledgeModel, other: _Fact, fact: _Fact) -> Text:
    """The answers of a fact's statement, as the next sentence of a rationale of another fact."""
    opening = question_opening(other.question) + rationale_line(other.statement)
    given = f"{opening} {fact.statement[: fact.given]}".rstrip()
    before = tokens(model.tokenizer, given)
    after = f"{opening} {fact.statement}"[len(given) :]
    return Text((before + tokens(model.tokenizer, after),), len(before))


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


def _walked(
    graph: KnowledgeGraph, asking: Asking, questions: Iterable[Question]
) -> Iterator[Query]:
    """The queries that the questions' paths walk along; steps outside the graph are passed over."""
    entities = {name: i for i, name in enumerate(graph.entity_ids)}
    relations = {name: i for i, name in enumerate(graph.relation_ids)}
    hops = (hop for question in questions for path in question.paths for hop in path)
    for hop in hops:
        if hop.start in entities and hop.end in entities and hop.relation in relations:
            number = relations[hop.relation] + graph.num_relations * hop.inverse
            yield entities[hop.start], asking.alike(number)[0]
        elif hop.start in entities:
            yield entities[hop.start], hop.relation


def _worded(asking: Asking, query: Query, answers: int) -> str:
    """A one-hop question, worded as evaluation asks for single facts."""
    entity, asked = query
    if isinstance(asked, str):
        return asking.attribute(entity, [], asked)
    return asking.chain(entity, [Step(asked, answers == 1)])
