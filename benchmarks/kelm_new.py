"""A graph before some of its entities were added, and after; for `benchmarks/kelm.py linking`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from accord.graph.builder import GraphBuilder
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.load import load_graph
from accord.text.links import OTHER_IDS, entity_part

Mask = npt.NDArray[np.bool_]


def before_and_after(name: str, folder: Path) -> tuple[Path, Path]:
    """Folders of a graph without the entities that linking is tested on, and of its descendant.

    Args:
        name: A named graph, whose entities have `wikidata_id`.
        folder: Where both are made, once.
    """
    paths = folder / f"{name}-before", folder / f"{name}-after"
    if not paths[1].is_dir():
        graph = load_graph(name)
        old = ~tested(graph)
        first = grow(None, graph, old, name)
        first.save(paths[0])
        grow(load_graph(str(paths[0])), graph, ~old, name).save(paths[1])
    return paths


def tested(graph: KnowledgeGraph) -> Mask:
    """(E,) entities whose mentions are for testing, see `text.links`."""
    found = np.zeros(graph.num_entities, dtype=np.bool_)
    for row in range(len(graph.attributes)):
        item = graph.attribute(row)
        if item.property == OTHER_IDS:
            found[int(graph.attributes[row, 0])] = entity_part(item.value) == "test"
    return found


def grow(
    parent: KnowledgeGraph | None, graph: KnowledgeGraph, chosen: Mask, name: str
) -> KnowledgeGraph:
    """A graph with the chosen entities of another, and its triples between what it then has."""
    builder = GraphBuilder(name, parent)
    ids = graph.entity_ids
    here = chosen.copy()
    if parent is not None:
        here[graph.entities(list(parent.entity_ids))] = True
    for i in np.flatnonzero(here).tolist():
        texts = graph.entity_names[i], graph.entity_descriptions[i], graph.aliases_of(i)
        builder.entity(ids[i], *texts)
        for item in graph.attributes_of(i):
            builder.attribute(ids[i], item.property, item.value, item.datatype, item.language)
    for number, relation in enumerate(graph.relation_ids):
        builder.relation(relation, graph.relation_phrases[number], graph.inverse_phrases[number])
    kept = here[graph.triples[:, 0]] & here[graph.triples[:, 2]]
    pairs = zip(graph.triples[kept].tolist(), graph.split[kept].tolist(), strict=True)
    for (head, relation_number, tail), split in pairs:
        relation = graph.relation_ids[relation_number]
        builder.triple(ids[head], relation, ids[tail], SPLITS[split])
    return builder.build(meta=dict(graph.meta))
