"""Generated questions: complete answers, real paths, determinism, balance, splits."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import ConfigError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.synthesis.questions import QuestionConfig, generate_questions
from accord.synthesis.splitting import path_entities, split_by_entities
from accord.synthesis.steps import Steps
from accord.text.questions import Hop, Question

EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2), st.integers(0, 7)), min_size=1)
ALL = QuestionConfig(hops=(1, 2, 3), intersections=0.4, attributes=0.2)


def build(edges: list[tuple[int, int, int]]) -> KnowledgeGraph:
    builder = GraphBuilder("random")
    for head, relation, tail in edges:
        builder.triple(f"e{head}", f"r{relation}", f"e{tail}")
        builder.attribute(f"e{head}", "size", str(head))
    return builder.build()


def reached(graph: KnowledgeGraph, topic: str, steps: tuple[tuple[str, bool], ...]) -> set[str]:
    """Brute force: what a relation path leads to."""
    ids, names = graph.entity_ids, graph.relation_ids
    rows = [(ids[h], names[r], ids[t]) for h, r, t in graph.triples.tolist()]
    here = {topic}
    for relation, inverse in steps:
        here = {
            (head if inverse else tail)
            for head, name, tail in rows
            if name == relation and (tail if inverse else head) in here
        }
    return here


def steps_of(path: tuple[Hop, ...]) -> tuple[tuple[str, bool], ...]:
    return tuple((hop.relation, hop.inverse) for hop in path)


@settings(max_examples=8)
@given(EDGES)
def test_answers_are_complete_and_every_hop_is_real(edges: list[tuple[int, int, int]]) -> None:
    graph = build(edges)
    stored = {
        (graph.entity_ids[h], graph.relation_ids[r], graph.entity_ids[t])
        for h, r, t in graph.triples.tolist()
    }
    for question in generate_questions(graph, 12, ALL):
        relations = [p[:-1] if p[-1].relation == "size" else p for p in question.paths]
        for path in relations:
            assert all((hop.head, hop.relation, hop.tail) in stored for hop in path)
            assert all(one.end == two.start for one, two in pairwise(path))
        if not question.answer_ids:
            owners = {path[-1].head for path in question.paths}
            assert set(question.answers) == {owner[1:] for owner in owners}
            continue
        ends = {topic: set[str]() for topic in question.topics}
        for path in relations:
            ends[path[0].start] = reached(graph, path[0].start, steps_of(path))
        expected = set.intersection(*ends.values()) - set(question.topics)
        assert set(question.answer_ids) == expected
        assert {path[-1].end for path in relations} == expected


def test_the_same_seed_gives_the_same_questions(tiny_graph: KnowledgeGraph) -> None:
    one, same = (list(generate_questions(tiny_graph, 20, ALL)) for _ in range(2))
    other = list(generate_questions(tiny_graph, 20, QuestionConfig(ALL.hops, seed=1)))
    assert one and one == same and one != other


def test_no_two_questions_are_alike(tiny_graph: KnowledgeGraph) -> None:
    made = list(generate_questions(tiny_graph, 200, ALL))
    assert len({(q.topics, q.pattern, q.question) for q in made}) == len(made)
    assert 0 < len(made) < 200  # The graph has no more, and the search for them ends.


def test_what_is_worded_alike_is_one_question_with_all_its_answers() -> None:
    builder = GraphBuilder("map")
    builder.relation("borders", "borders", "borders")
    builder.relation("capital", "has the capital", "is the capital of")
    # Each border is stored one way only, as data sets do; a reader cannot tell which way.
    borders = ("Peru", "Chile"), ("Chile", "Argentina"), ("Peru", "Brazil"), ("Brazil", "Guyana")
    for one, two in borders:
        builder.triple(one, "borders", two)
    for country in ("Peru", "Chile", "Argentina", "Brazil"):
        builder.triple(country, "capital", f"{country} City")
    made = list(generate_questions(builder.build(), 200, QuestionConfig(hops=(1, 2))))
    assert len({q.question for q in made}) == len(made)
    found = {q.question: q for q in made}
    neighbours = found["What borders Chile?"]
    assert set(neighbours.answers) == {"Peru", "Argentina"}
    assert neighbours.pattern == "borders"
    assert {(p[0].head, p[0].tail, p[0].inverse) for p in neighbours.paths} == {
        ("Peru", "Chile", True),
        ("Chile", "Argentina", False),
    }
    assert set(found["What is a capital of something that borders Peru?"].answers) == {
        "Chile City",
        "Brazil City",
    }
    assert set(found["What borders both Chile and Brazil?"].answers) == {"Peru"}


def test_rare_relations_are_asked_as_often_as_frequent_ones() -> None:
    builder = GraphBuilder("skewed")
    for i in range(400):
        builder.triple(f"a{i}", "frequent", f"b{i}")
    for i in range(40):
        builder.triple(f"c{i}", "rare", f"d{i}")
    _, numbers = Steps(builder.build()).walk(1, 2000, np.random.default_rng(0))
    counts = Counter((numbers % 2).reshape(-1).tolist())
    assert abs(counts[0] - counts[1]) < 200


def test_long_answer_lists_are_left_out() -> None:
    graph = build([(0, 0, i) for i in range(1, 7)])
    made = list(generate_questions(graph, 20, QuestionConfig(hops=(1,), attributes=0)))
    assert made and all(len(q.answers) <= 5 and q.topics != ("e0",) for q in made)


def test_ambiguous_names_are_no_topics() -> None:
    builder = GraphBuilder("namesakes")
    for entity, name in (("x1", "Springfield"), ("x2", "springfield"), ("y", "Ohio")):
        builder.entity(entity, name)
    builder.triple("x1", "located_in", "y")
    builder.triple("x2", "located_in", "y")
    made = list(generate_questions(builder.build(), 20, QuestionConfig(hops=(1,))))
    assert {q.topics for q in made} == {("y",)}


def test_a_graph_without_triples_has_no_questions() -> None:
    builder = GraphBuilder("empty")
    builder.attribute("a", "size", "1")
    graph = builder.build()
    assert list(generate_questions(graph, 5)) == []
    ends = list(
        generate_questions(graph, 5, QuestionConfig(hops=(1,), intersections=0, attributes=1))
    )
    assert [(q.question, q.answers) for q in ends] == [("What is the size of a?", ("1",))]


@pytest.mark.parametrize(
    "wrong", [{"hops": (4,)}, {"hops": ()}, {"intersections": 2.0}, {"max_answers": 0}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        QuestionConfig(**wrong)  # type: ignore[arg-type]


TRIPLES = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))


def asked(index: int, entities: tuple[int, int, int]) -> Question:
    a, b, c = (f"e{e}" for e in entities)
    return Question(str(index), "?", (c,), (a,), (c,), ((Hop(a, "r", b), Hop(b, "r", c)),))


@given(st.lists(TRIPLES, max_size=60), st.sampled_from(["paths", "disjoint"]), st.integers(0, 3))
def test_no_path_is_shared_between_splits(
    rows: list[tuple[int, int, int]], mode: str, seed: int
) -> None:
    questions = [asked(i, row) for i, row in enumerate(rows)]
    split = split_by_entities(questions, mode=mode, seed=seed)  # type: ignore[arg-type]
    owners: dict[object, str] = {}
    for question in split:
        keys: list[object] = list(path_entities(question))
        keys += question.topics if mode == "disjoint" else ()
        for key in keys:
            assert owners.setdefault(key, question.split) == question.split
    assert [q.id for q in split] == sorted((q.id for q in split), key=int)


def test_independent_questions_are_all_kept_in_the_shares_asked_for() -> None:
    questions = [asked(i, (3 * i, 3 * i + 1, 3 * i + 2)) for i in range(200)]
    counts = Counter(q.split for q in split_by_entities(questions, mode="disjoint"))
    assert counts == {"train": 160, "valid": 20, "test": 20}


def test_paraphrases_of_one_path_stay_together() -> None:
    questions = [asked(i, (i // 10, 50 + i // 10, 90)) for i in range(100)]
    split = split_by_entities(questions)
    assert len(split) == 100
    assert all(len({q.split for q in split[i : i + 10]}) == 1 for i in range(0, 100, 10))


def test_shares_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="sum to 1"):
        split_by_entities([], (0.5, 0.1, 0.1))
