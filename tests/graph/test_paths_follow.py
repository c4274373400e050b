"""Following relation paths, against the definition and against MetaQA's own answers."""

from __future__ import annotations

import gzip
import json
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import GraphError
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.paths import follow
from tests.graph.random_graphs import graphs


def ends(
    graph: KnowledgeGraph, start: int, relation: int, inverse: bool, splits: tuple[str, ...]
) -> dict[int, tuple[int, int, int]]:
    """Where one step leads, and by which triple."""
    found = {}
    for row, triple in enumerate(graph.triples.tolist()):
        head, middle, tail = triple
        origin, goal = (tail, head) if inverse else (head, tail)
        if (origin, middle) == (start, relation) and SPLITS[graph.split[row]] in splits:
            found[goal] = (head, middle, tail)
    return found


@given(st.data())
def test_answers_and_rows_are_complete(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    idx = st.integers(0, graph.num_entities - 1)
    step = st.tuples(st.integers(0, graph.num_relations - 1), st.booleans())
    starts, path = data.draw(st.sets(idx)), data.draw(st.lists(step, min_size=1, max_size=3))
    exclude = data.draw(st.dictionaries(st.integers(1, 3), st.sets(idx)))
    splits = data.draw(st.sampled_from([SPLITS, ("train",), ("valid", "test")]))
    walks: list[tuple[int, tuple[tuple[int, int, int], ...]]] = [(i, ()) for i in starts]
    for number, (relation, inverse) in enumerate(path, 1):
        walks = [
            (goal, (*before, triple))
            for here, before in walks
            for goal, triple in ends(graph, here, relation, inverse, splits).items()
            if goal not in exclude.get(number, ())
        ]
    found = follow(graph, starts, path, exclude, splits)
    assert found.answers.tolist() == sorted({goal for goal, _ in walks})
    for number, rows in enumerate(found.rows):
        triples = [tuple(row) for row in graph.triples[rows].tolist()]
        assert len(triples) == len(set(triples))
        assert set(triples) == {walk[number] for _, walk in walks}


def test_bad_input_is_named(tiny_graph: KnowledgeGraph) -> None:
    with pytest.raises(GraphError, match="no entity 99"):
        follow(tiny_graph, [99], [(0, False)])
    with pytest.raises(GraphError, match="no relation -1"):
        follow(tiny_graph, [0], [(-1, False)])
    with pytest.raises(GraphError, match="at least one step"):
        follow(tiny_graph, [0], [])
    assert follow(tiny_graph, [], [(0, False)]).answers.tolist() == []


WORDS = {
    "director": "directed_by",
    "writer": "written_by",
    "actor": "starred_actors",
    "genre": "has_genre",
    "tags": "has_tags",
    "year": "release_year",
    "language": "in_language",
}


@pytest.mark.parametrize("length", [1, 2, 3])
def test_metaqa_answers_come_out_exactly(accord_data: Path, length: int) -> None:
    """The question's type names the path; after the second step the topic is left out."""
    from accord.graph.load import load_graph

    graph = load_graph("metaqa")
    file = accord_data / "metaqa" / f"{length}hop_test.jsonl.gz"
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        asked = [json.loads(line) for line in islice(lines, 400)]
    checked = 0
    for item in asked:
        kinds = item["qtype"].split("_to_")
        if not item["kb_ok"] or not set(kinds) <= {*WORDS, "movie"}:
            continue
        path = [
            (graph.relation(WORDS[one if two == "movie" else two]), two == "movie")
            for one, two in pairwise(kinds)
        ]
        topic = graph.entity(item["topic"])
        found = follow(graph, [topic], path, exclude={2: [topic]})
        assert {graph.entity_ids[i] for i in found.answers} == set(item["answers"]), item
        checked += 1
    assert checked > 100
