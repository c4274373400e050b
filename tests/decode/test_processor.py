"""Constrained writing: whatever a model is, all that it writes is in the graph."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.decode.places import Literals, Names, Walk
from accord.decode.processor import GraphConstraint, write_constrained
from accord.decode.trie import Place, TokenTrie
from accord.errors import DecodingError
from accord.graph.graph import KnowledgeGraph
from tests.conftest import build_tiny_graph
from tests.graph.random_graphs import graphs
from tests.model.fused import fused_model
from tests.train.tiny import tiny_model, tiny_recipe

MODEL = tiny_model(tiny_recipe())
END = int(MODEL.tokenizer.eos_token_id)


def walk(graph: KnowledgeGraph, entity: int, hops: int = 2) -> TokenTrie:
    return TokenTrie(Walk(graph, entity, hops), MODEL.tokenizer, END)


def check_path(graph: KnowledgeGraph, entity: int, values: list[int]) -> None:
    """Relation numbers and entities by turns, each step a triple of the graph."""
    stated = set(map(tuple, graph.triples.tolist()))
    for number, end in zip(values[::2], values[1::2], strict=True):
        relation = number % graph.num_relations
        inverse = number >= graph.num_relations
        assert ((end, relation, entity) if inverse else (entity, relation, end)) in stated
        entity = end


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.sampled_from([1, 3]))
def test_every_output_is_in_the_graph(graph: KnowledgeGraph, beams: int) -> None:
    topics = list(range(min(2, graph.num_entities)))
    tries = [walk(graph, topic) for topic in topics]
    found = write_constrained(MODEL, ["a", "why so long"][: len(topics)], tries, beams, 120)
    for topic, outputs in zip(topics, found, strict=True):
        for written in outputs:
            for way in written.ways:
                check_path(graph, topic, [int(str(option.value)) for option in way])
    stuck = [t for t, outputs in zip(topics, found, strict=True) if not outputs[0].ways]
    for topic in stuck:  # nothing goes on from it, or the tokens ran out
        longest = max(len(w.text) for w in found[topics.index(topic)])
        assert longest == 0 or longest > 20


@pytest.mark.parametrize("beams", [1, 3])
def test_batches_with_tries_of_their_own(beams: int) -> None:
    graph = build_tiny_graph()
    places: list[Place] = [
        Names(graph, (0, 1), join=""),
        Names(graph, (3,), join=""),
        Literals(graph, (0,), ""),
    ]
    tries = [TokenTrie(place, MODEL.tokenizer, END) for place in places]
    prompts = ["Answer:", "A much longer prompt than the others. Answer:", "x"]
    together = write_constrained(MODEL, prompts, tries, beams)
    texts = [outputs[0].text for outputs in together]
    assert texts[0] in ("Japan", "Tōkyō") and texts[1:] == ["Sweden", "13960000"]
    alone = [
        write_constrained(MODEL, [p], [t], beams)[0][0] for p, t in zip(prompts, tries, strict=True)
    ]
    assert [written.text for written in alone] == texts


def test_several_answers_are_different_ones() -> None:
    graph = build_tiny_graph()
    trie = TokenTrie(Names(graph, (0, 2, 3)), MODEL.tokenizer, END)
    for written in write_constrained(MODEL, ["All of them:"], [trie], 4, 80)[0]:
        for way in written.ways:
            values = [option.value for option in way]
            assert len(set(values)) == len(values) and set(values) <= {0, 2, 3}


def test_the_state_is_a_function_of_what_is_written() -> None:
    """Rows may be reordered, repeated and asked again: each gets what it would get alone."""
    graph = build_tiny_graph()
    trie = walk(graph, 0)
    rows = [[9, 9], [9, 9]]
    for _ in range(4):
        rows = [[*row, int(trie.allowed(row[2:])[-1 if i else 0])] for i, row in enumerate(rows)]
    ids = torch.tensor([rows[1], rows[0], rows[1], [9, 9, END, END, END, END]])
    scores = torch.randn(4, len(MODEL.tokenizer))
    out = GraphConstraint([trie], 2)(ids, scores)
    for row, written, before in zip(out, ids.tolist(), scores, strict=True):
        kept = torch.isfinite(row).nonzero()[:, 0].tolist()
        wanted = [END] if END in written else walk(graph, 0).allowed(written[2:]).tolist()
        assert kept == wanted and torch.equal(row[kept], before[kept])


def test_bad_input() -> None:
    trie = walk(build_tiny_graph(), 0)
    with pytest.raises(DecodingError):
        write_constrained(MODEL, ["a", "b"], [trie])
    with pytest.raises(DecodingError):
        write_constrained(MODEL, [""], [trie])
    with pytest.raises(DecodingError, match="3 rows for 2 tries"):
        GraphConstraint([trie, trie], 1)(torch.zeros(3, 2).long(), torch.zeros(3, 320))
    assert write_constrained(MODEL, [], []) == []


@pytest.mark.parametrize("beams", [1, 2])
def test_writing_under_constraint_reads_with_the_memory(beams: int) -> None:
    graph = build_tiny_graph()
    found = []
    for gate in (0.7, 0.0):
        model = fused_model(gate=gate)
        trie = TokenTrie(Names(graph, join=""), model.tokenizer, END)
        found.append(write_constrained(model, ["Osaka is near Japan and"], [trie], beams)[0])
    told, alone = ([written.score for written in written_by] for written_by in found)
    assert max(abs(a - b) for a, b in zip(told, alone, strict=True)) > 1e-4
