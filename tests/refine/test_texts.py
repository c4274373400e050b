"""Scores by texts: of heads that did not see the triple, on states that did not see the graph."""

from __future__ import annotations

import numpy as np
import pytest

from accord.graph.graph import KnowledgeGraph
from accord.refine import texts
from accord.refine.flag import FlagConfig, judge_triples
from accord.refine.folds import FoldConfig, fold_numbers
from accord.refine.rules import Rules
from accord.refine.steps import Float64
from accord.refine.texts import TextFolds, text_states
from tests.refine.test_rules import lawful_graph
from tests.train.tiny import tiny_model, tiny_recipe

FEW = FoldConfig(folds=2, epochs=20, dimension=8, batch_size=64, dropout=0.0)


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return lawful_graph()


def kinds(graph: KnowledgeGraph) -> Float64:
    """States that say of what kind an entity is, and nothing else."""
    letters = [entity[0] for entity in graph.entity_ids]
    found: Float64 = np.eye(3)[[sorted(set(letters)).index(x) for x in letters]]
    centred: Float64 = found - found.mean(axis=0)
    return centred


def test_heads_know_kinds_of_triples_that_they_did_not_see(graph: KnowledgeGraph) -> None:
    found = TextFolds.train(graph, kinds(graph), FEW)
    train = graph.triples.astype(np.int64)
    assert (found.folds == fold_numbers(len(train), 2, 0)).all()
    right = found.scores(train, found.folds)
    ends = graph.entity("c3"), graph.relation("in"), graph.entity("t7.2")
    wrong = found.scores(np.array([ends]), np.zeros(1, dtype=np.int64))
    own = train[:, 1] == ends[1]
    assert wrong[0, 0] < right[own, 0].min() - 1


def test_their_evidence_stands_beside_the_rest(graph: KnowledgeGraph) -> None:
    heads = TextFolds.train(graph, kinds(graph), FEW)
    rules = Rules(graph)
    found = judge_triples(graph, rules, None, None, FlagConfig(), heads)
    assert set(found.arms) == {"rules", "text"} and np.isfinite(found.arms["text"]).all()
    without = judge_triples(graph, rules, None, None, FlagConfig())
    assert (found.arms["rules"] == without.arms["rules"]).all()
    assert (found.logits != without.logits).any()


@pytest.mark.parametrize("frozen", [0, 1])
def test_states_are_of_layers_that_never_learn(tiny_graph: KnowledgeGraph, frozen: int) -> None:
    settings = {"rank": 2, "freeze_layers": frozen}
    before, after = (
        text_states(tiny_model(tiny_recipe(model=settings), awake), tiny_graph)
        for awake in (False, True)
    )
    assert before is not None and after is not None
    assert before.shape == (tiny_graph.num_entities, tiny_graph.num_entities - 1)
    assert np.allclose(before, after) and before.std() == pytest.approx(1, abs=0.01)


def test_no_states_where_every_layer_learns_or_texts_are_too_many(
    tiny_graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tiny_model(tiny_recipe(model={"adapter": "full"}))
    assert text_states(full, tiny_graph) is None
    monkeypatch.setattr(texts, "READ", 3)
    assert text_states(tiny_model(tiny_recipe()), tiny_graph) is None
