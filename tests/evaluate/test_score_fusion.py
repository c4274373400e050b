"""Text and structure scores together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accord.errors import GraphError, ModelError
from accord.evaluate.by_run import link_prediction_of
from accord.evaluate.link_prediction import (
    LinkPredictionConfig,
    evaluate_link_prediction,
    evaluate_scorer,
)
from accord.evaluate.protocol import Float32, Int64
from accord.evaluate.score_fusion import (
    SHRINKAGES,
    FusedScorer,
    ScoreWeights,
    _fit,
    _Scored,
    evaluate_with_structure,
    learn_weights,
)
from accord.evaluate.structure import StructureScorer, evaluate_structure
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.model.memory import EntityMemory
from accord.model.structure import StructureVectors
from tests.evaluate.fakes import FakeEmbeddings, random_graph

KNOWN = ("train", "valid")


class Table:
    """Given scores: right answers of some relations stand out, all else is noise."""

    def __init__(self, graph: KnowledgeGraph, good: set[int], seed: int, scale: float) -> None:
        rng = np.random.default_rng(seed)
        entities, numbers = graph.num_entities, 2 * graph.num_relations
        self.table = rng.normal(size=(entities, numbers, entities)).astype(np.float32)
        for head, relation, tail in graph.triples.tolist():
            back = relation + graph.num_relations
            if relation in good:
                self.table[head, relation, tail] += 4
                self.table[tail, back, head] += 4
        self.table *= scale

    def scores(self, queries: Int64) -> Float32:
        found: Float32 = self.table[queries[:, 0], queries[:, 1]]
        return found


def structure_of(graph: KnowledgeGraph, seed: int = 3) -> StructureVectors:
    rng = np.random.default_rng(seed)
    memory = EntityMemory.of(graph, rng.normal(size=(graph.num_entities, 4)), "structure", "x")
    relations = rng.normal(size=(2, graph.num_relations, 4)).astype(np.float32)
    ids = list(graph.relation_ids)
    return StructureVectors("distmult", 2, memory, ids, relations[0], relations[1])


def mrr(scorer: Any, graph: KnowledgeGraph) -> float:
    config = LinkPredictionConfig("test", KNOWN, baseline=False)
    return evaluate_scorer(scorer, graph, config.drawn(graph), config).mrr


def test_each_relation_learns_which_of_the_two_to_trust() -> None:
    graph = random_graph(entities=60, relations=2, triples=480)
    text, structure = Table(graph, {0}, 1, 0.01), Table(graph, {1}, 2, 50.0)
    weights = learn_weights(text, structure, graph, graph.triples_of("valid"), KNOWN)
    assert weights.shrinkage < SHRINKAGES[-1]
    for number, better in ((0, 0), (2, 0), (1, 1), (3, 1)):
        assert weights.relations[number, better] > 3 * abs(weights.relations[number, 1 - better])
    both = mrr(FusedScorer(text, structure, weights), graph)
    assert both > max(mrr(text, graph), mrr(structure, graph)) + 0.1


def test_a_relation_that_valid_lacks_has_the_common_weights() -> None:
    graph = random_graph(entities=60, relations=3, triples=480)
    text, structure = Table(graph, {0, 1, 2}, 1, 1.0), Table(graph, set(), 2, 1.0)
    valid = graph.triples_of("valid")
    weights = learn_weights(text, structure, graph, valid[valid[:, 1] != 2], KNOWN)
    assert weights.relations[2].tolist() == pytest.approx(weights.common.tolist())
    assert weights.common[0] > 5 * abs(weights.common[1]), "noise counts for little"


def test_shrinkage_holds_relations_to_the_common_weights() -> None:
    graph = random_graph(entities=60, relations=2, triples=480)
    scorers = (Table(graph, {0}, 1, 1.0), Table(graph, {1}, 2, 1.0))
    data = _Scored.of(scorers, graph, graph.triples_of("valid"), KNOWN)
    spread = [float(_fit(data, 4, s)[1].abs().max()) for s in SHRINKAGES]
    assert spread == sorted(spread, reverse=True)
    assert spread[0] > 0.3 and spread[-1] < 1e-3


def test_known_other_answers_do_not_count_in_learning() -> None:
    graph = random_graph(entities=12, relations=2, triples=100)
    valid = graph.triples_of("valid")
    data = _Scored.of([Table(graph, set(), 1, 1.0)] * 2, graph, valid, KNOWN)
    known = {tuple(t) for s in KNOWN for t in graph.triples_of(s).tolist()}
    for row, (head, relation, tail) in enumerate(valid.tolist()):
        for entity in range(12):
            closed = entity != tail and (head, relation, entity) in known
            assert bool(np.isinf(float(data.scores[0, row, entity]))) == closed


def test_the_sum_is_of_scores_over_their_spread() -> None:
    graph = random_graph()
    text, structure = Table(graph, set(), 1, 1.0), Table(graph, set(), 2, 1.0)
    relations = np.arange(12, dtype=np.float64).reshape(6, 2)
    weights = ScoreWeights(np.array([2.0, 4.0]), np.ones(2), relations, 1.0)
    queries = np.array([[3, 1], [5, 4]])
    found = FusedScorer(text, structure, weights).scores(queries)
    first, second = text.scores(queries), structure.scores(queries)
    assert np.allclose(found[0], 2 / 2 * first[0] + 3 / 4 * second[0], atol=1e-5)
    assert np.allclose(found[1], 8 / 2 * first[1] + 9 / 4 * second[1], atol=1e-5)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_each_alone_stands_beside_unchanged(split: str) -> None:
    graph, model = random_graph(triples=120), FakeEmbeddings()
    vectors, config = structure_of(graph), LinkPredictionConfig(split)
    found = evaluate_with_structure(model, vectors, graph, config).to_dict()
    text = evaluate_link_prediction(model, graph, config).to_dict()
    assert {key: found[key] for key in text} == text, "keys that were there stay as they were"
    alone = evaluate_structure(vectors, graph, config).to_dict()
    assert found["fusion"]["text"]["both"] == text["both"]
    assert found["fusion"]["structure"]["both"] == alone["both"]
    assert found["fusion"]["fused"]["both"] != alone["both"]
    assert ("per_relation" in found["fusion"]) == (split == "test")


def test_on_valid_no_half_is_judged_by_weights_it_taught() -> None:
    # Scores that only say which triple of valid is asked for: nothing to gain from the other half.
    graph = random_graph(entities=20, relations=2, triples=300)
    vectors, model = structure_of(graph), FakeEmbeddings()
    beside = evaluate_with_structure(model, vectors, graph).beside
    assert beside is not None
    valid = graph.triples_of("valid")
    first = np.arange(len(valid)) % 2 == 0
    text, structure = _scorers(model, vectors, graph)
    weights = learn_weights(text, structure, graph, valid[~first], KNOWN)
    fused = FusedScorer(text, structure, weights)
    config = LinkPredictionConfig("valid", KNOWN, baseline=False)
    half = evaluate_scorer(fused, graph, valid[first], config).ranks
    mask = np.concatenate([first, first])
    assert beside.fused.where(mask).optimistic.tolist() == half.optimistic.tolist()


def _scorers(model: Any, vectors: StructureVectors, graph: KnowledgeGraph) -> tuple[Any, Any]:
    from accord.evaluate.known import queries_of
    from accord.evaluate.scorers import EmbeddingScorer

    queries = queries_of(graph.triples, graph.num_relations)[0]
    return EmbeddingScorer(model, graph, queries), StructureScorer(vectors, graph)


def test_what_came_after_the_embeddings_scores_in_the_middle() -> None:
    graph = random_graph()
    builder = GraphBuilder(graph.name, parent=graph)
    builder.triple("new", "r0", "e1")
    builder.triple("e0", "later", "e1")
    later = builder.build()
    found = StructureScorer(structure_of(graph), later).scores(
        np.array([[0, 0], [later.entity("new"), 0], [0, later.relation("later")], [0, 4]])
    )
    old = StructureScorer(structure_of(graph), graph).scores(np.array([[0, 0], [0, 3]]))
    assert np.allclose(found[0, :12], old[0]) and found[0, 12] == pytest.approx(old[0].mean())
    assert np.ptp(found[1]) == np.ptp(found[2]) == 0
    assert np.allclose(found[3, :12], old[1]), "r0 backwards, whatever relations came later"


def test_structure_of_another_graph_or_of_none_is_refused() -> None:
    vectors = structure_of(random_graph())
    with pytest.raises(GraphError, match="does not descend"):
        evaluate_structure(vectors, random_graph(seed=9))
    with pytest.raises(ModelError, match="no structure embeddings"):
        link_prediction_of("base", random_graph(), structure="nowhere")


def test_a_graph_without_valid_teaches_no_weights() -> None:
    builder = GraphBuilder("small")
    builder.triple("e0", "r0", "e1")
    builder.triple("e1", "r0", "e0", "test")
    graph = builder.build()
    with pytest.raises(GraphError, match="0 valid triples"):
        evaluate_with_structure(
            FakeEmbeddings(), structure_of(graph), graph, LinkPredictionConfig("test")
        )
