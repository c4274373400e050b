"""The parts of `benchmarks/grounded_text.py` and `deciding.py` that need no model."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from accord.evaluate.decisions import fit_weights
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from benchmarks import deciding, faithful, grounded_text

ITEM = grounded_text.Item(
    "one",
    "City",
    (
        ("São_Paulo", "country", "Brazil"),
        ("São_Paulo", "populationTotal", "12000.0"),
        ("Santos_(town)", "isPartOf", '"São Paulo"'),
    ),
    ("Sao Paulo in Brazil has 12,000 people, and Santos is part of it.",),
)


def test_a_set_is_a_graph_of_names_and_literals() -> None:
    graph = grounded_text.graph_of(ITEM)
    cited = grounded_text.license_of(graph)
    assert len(cited) == 3 and sum(c.attribute for c in cited) == 1
    assert "São Paulo" in graph.entity_names and len(graph.triples) == 2


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        (ITEM.texts[0], 3),
        ("São Paulo is in Brazil.", 1),
        ("SAO PAULO: 12000 people", 1),
        ("Brazil has 112000 people", 0),
        ("", 0),
    ],
)
def test_coverage(text: str, covered: int) -> None:
    assert grounded_text.judged(ITEM, text).covered == covered


def test_figures_are_over_all_names_and_numbers() -> None:
    good, bad = (grounded_text.judged(ITEM, t) for t in (ITEM.texts[0], "He met Ann Lee, 77."))
    assert good.unsupported.count == 0 and good.unsupported.counted == 1
    found = grounded_text.figures([good, bad])
    assert found["coverage"] == 0.5 and found["texts_with_unsupported"] == 0.5
    assert found["unsupported_numbers"] == 0.5
    assert grounded_text.gain({"guided": [good]}) == {}
    gained = grounded_text.gain({"guided": [good, good], "unguided": [bad, bad]})
    assert gained["coverage"]["difference"] == 1 and gained["unsupported"]["difference"] < 0


def test_files_are_read_and_drawn_by_kind(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl.gz"
    rows = [
        {"category": c, "triples": [["a", "r", "b"]], "texts": ["A b."]}
        for c in "xxxxyy"
        for _ in "12"
    ]
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    items = grounded_text.read_items(path)
    assert len(items) == 12 and len({item.key for item in items}) == 12
    some = grounded_text.drawn(items, 6, 0)
    assert [item.category for item in some].count("y") == 2
    assert some == grounded_text.drawn(items, 6, 0) and len(grounded_text.drawn(items, 0, 0)) == 12


def ward() -> KnowledgeGraph:
    builder = GraphBuilder("ward")
    for i in range(6):
        split = ("train", "train", "train", "train", "test", "test")[i]
        builder.triple(f"p{i}", "has", f"d{i}", split)
        builder.triple(f"p{i}", "has", "d0", "train")
    return builder.build()


def test_items_ask_from_both_ends_about_what_is_not_known() -> None:
    graph = ward()
    items = deciding.typed_items(graph, "test", 6, 0)
    assert len(items) == 6 and items == deciding.typed_items(graph, "test", 6, 0)
    assert len(deciding.asked_about(items)) == 4  # two triples from two ends
    stated = set(map(tuple, graph.triples.tolist()))
    for item in items:
        relation, inverse = item.number % graph.num_relations, item.number >= graph.num_relations
        said = [
            ((o, relation, item.head) if inverse else (item.head, relation, o)) in stated
            for o in item.options
        ]
        assert len(set(item.options)) == deciding.OPTIONS
        assert [i for i, true in enumerate(said) if true] == [item.answer]
    counts = deciding.frequencies(graph, items[0])
    assert len(counts) == deciding.OPTIONS and min(counts) >= 0


def test_too_few_options_give_no_item() -> None:
    builder = GraphBuilder("small")
    builder.triple("a", "r", "b", "test")
    assert deciding.typed_items(builder.build(), "test", 10, 0) == []


def test_calibration_mends_what_is_too_sure() -> None:
    rng = np.random.default_rng(0)
    answers = rng.integers(4, size=2000)
    signs = rng.normal(size=(2000, 4, 2))
    signs[np.arange(2000), answers, 0] += 1
    half, natural = 1000, np.array([20.0, 0.0])
    learnt = fit_weights(signs[:half], answers[:half])
    found, right = deciding.measured(signs[half:], answers[half:], natural, learnt)
    assert found["ece_before"] > 0.2 > 0.05 > found["ece_after"]
    assert abs(learnt[0] - 1) < 0.2 and abs(learnt[1]) < 0.1
    assert found["accuracy_after"] == right.mean() > 0.4 and found["n"] == half
    tied = deciding.credits_of(np.full((2, 4), 0.25), np.array([0, 3]))
    assert tied.tolist() == [0.25, 0.25]


def test_a_poorer_graph_is_asked_for_what_it_still_has(tiny_graph: KnowledgeGraph) -> None:
    asked = faithful.questions(tiny_graph, 40, 0)
    assert len(asked) > 5
    whole = [False] * len(asked)
    same = faithful.still_right(tiny_graph, asked, whole)
    assert not any(whole)
    assert [set(q.answers) for q in same] == [set(q.answers) for q in asked]
    poorer, gone = faithful.without_topics(tiny_graph, asked, 0.3, 0)
    before = list(gone)
    for question, was, now, left in zip(
        asked, before, gone, faithful.still_right(poorer, asked, gone), strict=True
    ):
        assert now or not was, "what has lost its topic cannot be answered"
        if not now:
            assert set(left.answers) <= set(question.answers)
