"""Texts for the knowledge objective: statements of an entity, and what they must not say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.knowledge import Begin, Knowledge, KnowledgeConfig, KnownText
from accord.text.collate import tokens
from accord.text.render import entity_name, one_line
from accord.text.telling import telling_prompt
from accord.text.wording import attribute_statement, triple_statement
from accord.train.recipe import Recipe


class _Told(NamedTuple):
    """A statement, what in it is supported, and other names or values of the same kind."""

    text: str
    name: str
    rivals: tuple[str, ...]


def build_knowledge(recipe: Recipe, model: KnowledgeModel, graph: KnowledgeGraph) -> Knowledge:
    """The knowledge objective over a graph's train triples and attributes.

    Args:
        recipe: The recipe.
        model: Whose tokenizer cuts the texts.
        graph: The graph.

    Returns:
        The objective; entities whose text is longer than wanted are left out.

    Raises:
        ConfigError: A model that does not predict next tokens, or nothing that is short enough.
    """
    if not model.reader.causal:
        raise ConfigError(
            "the knowledge objective predicts next tokens, which an encoder does not",
            "set knowledge.weight=0",
        )
    config = recipe.knowledge
    rng = np.random.default_rng([recipe.seed, 17])
    order = rng.permutation(graph.num_entities)
    found: list[KnownText] = []
    for entity in order.tolist():
        if len(found) == config.texts:
            break
        told = list(_told(graph, entity, config, rng))
        text = _known_text(model, one_line(entity_name(graph, entity)), told) if told else None
        if text is not None and len(text.sequence[0]) <= config.tokens:
            found.append(text)
    return Knowledge(found, config, recipe.seed)


def _told(
    graph: KnowledgeGraph, entity: int, config: KnowledgeConfig, rng: np.random.Generator
) -> Iterator[_Told]:
    """Some statements of an entity, triples of train and attributes."""
    out = graph.out_edges[graph.out_offsets[entity] : graph.out_offsets[entity + 1]]
    rows = [("triple", int(row)) for row in out[graph.split[out] == 0]]
    rows += [("attribute", int(row)) for row in graph.attribute_rows(entity)]
    for at in sorted(rng.permutation(len(rows))[: config.facts].tolist()):
        kind, row = rows[at]
        if kind == "triple":
            yield _triple(graph, row, config.rivals, rng)
        else:
            yield _attribute(graph, row, config.rivals, rng)


def _triple(graph: KnowledgeGraph, row: int, count: int, rng: np.random.Generator) -> _Told:
    head, relation, tail = (int(x) for x in graph.triples[row])
    around = graph.outgoing(head)
    known = around[around[:, 1] == relation, 2]
    # Any split's answers are no rivals: what is held out must not be unlearnt.
    others = graph.triples[rng.integers(len(graph.triples), size=16 * count)]
    rivals = np.setdiff1d(others[others[:, 1] == relation, 2], known)[:count]
    names = tuple(one_line(entity_name(graph, int(rival))) for rival in rivals)
    text = triple_statement(graph, head, relation, tail)
    return _Told(text, one_line(entity_name(graph, tail)), names)


def _attribute(graph: KnowledgeGraph, row: int, count: int, rng: np.random.Generator) -> _Told:
    entity, prop = int(graph.attributes[row, 0]), int(graph.attributes[row, 1])
    own = {a.value for a in graph.attributes_of(entity)}
    others = rng.integers(len(graph.attributes), size=16 * count)
    same = others[graph.attributes[others, 1] == prop].tolist()
    values = dict.fromkeys(one_line(graph.attribute(other).value) for other in same)
    rivals = tuple(value for value in values if value not in own)[:count]
    return _Told(attribute_statement(graph, row), one_line(graph.attribute(row).value), rivals)


def _known_text(model: KnowledgeModel, name: str, told: list[_Told]) -> KnownText:
    """Prompt and statements as one segment, with the places of names and numbers."""
    tokenizer = model.tokenizer
    prompt = tokens(tokenizer, telling_prompt(name, (said.text for said in told)))
    ids = list(prompt)
    marks: list[bool] = []
    begins: list[Begin] = []
    for said in told:
        text = f" {said.text}"
        read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        spans = [_span(text, part) for part in (said.name, name)]
        inside = [
            [a < end and start < b for start, end in spans] for a, b in read["offset_mapping"]
        ]
        first = next((i for i, hits in enumerate(inside) if hits[0]), None)
        if first is not None:
            own = read["input_ids"][first]
            begins.append(Begin(len(ids) + first, _firsts(model, said.rivals, own)))
        ids += read["input_ids"]
        marks += [any(hits) for hits in inside]
    end = int(tokenizer.eos_token_id)
    return KnownText(((*ids, end),), len(prompt), (*marks, False), tuple(begins))


def _span(text: str, name: str) -> tuple[int, int]:
    """The last place of a name in a statement, where objects stand; empty where it is not there."""
    start = text.rfind(name) if name else -1
    return (start, start + len(name)) if start >= 0 else (0, 0)


def _firsts(model: KnowledgeModel, names: tuple[str, ...], own: int) -> tuple[int, ...]:
    """Different tokens with which names begin, other than one."""
    cut = (tokens(model.tokenizer, f" {name}") for name in names)
    return tuple(dict.fromkeys(ids[0] for ids in cut if ids and ids[0] != own))
