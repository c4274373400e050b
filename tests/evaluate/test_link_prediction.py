"""Link prediction against a loop over everything, and what must not change it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import ConfigError, GraphError, ModelError
from accord.evaluate import link_prediction
from accord.evaluate.known import default_filter
from accord.evaluate.link_prediction import (
    LinkPredictionConfig,
    evaluate_link_prediction,
    evaluate_scorer,
)
from accord.evaluate.protocol import Float32, Int64
from accord.evaluate.rerank import Neighbourhoods, StructureBoost
from accord.evaluate.scorers import EmbeddingScorer, FrequencyScorer
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from tests.evaluate.fakes import ConstantScorer, FakeEmbeddings, random_graph


def naive_ranks(
    model: FakeEmbeddings, graph: KnowledgeGraph, split: str, filters: tuple[str, ...]
) -> list[float]:
    entities, count = model.embed_entities(graph), graph.num_relations
    known = {tuple(map(int, t)) for name in filters for t in graph.triples_of(name)}
    ranks = []
    for side in ("tail", "head"):
        for head, relation, tail in graph.triples_of(split).tolist():
            given_entity, answer = (head, tail) if side == "tail" else (tail, head)
            number = relation + (count if side == "head" else 0)
            query = model.embed_queries(graph, np.array([[given_entity, number]]))[0]
            mine = float(entities[answer] @ query)
            better = equal = 0
            for other in range(graph.num_entities):
                fact = (head, relation, other) if side == "tail" else (other, relation, tail)
                if other == answer or fact in known:
                    continue
                score = float(entities[other] @ query)
                better, equal = better + (score > mine), equal + (score == mine)
            ranks.append(1 + better + equal / 2)
    return ranks


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["train", "valid", "test"]))
def test_ranks_are_those_of_a_loop_over_everything(seed: int, split: str) -> None:
    graph, model = random_graph(seed=seed), FakeEmbeddings(seed)
    result = evaluate_link_prediction(model, graph, LinkPredictionConfig(split))
    expected = naive_ranks(model, graph, split, default_filter(split))
    assert result.ranks.realistic.tolist() == expected


def test_test_triples_do_not_filter_while_tuning() -> None:
    assert default_filter("valid") == ("train", "valid")
    assert default_filter("train") == ("train", "valid")
    assert default_filter("test") == ("train", "valid", "test")


def test_filter_splits_change_the_ranks() -> None:
    graph, model = random_graph(triples=120), FakeEmbeddings(3)
    few = evaluate_link_prediction(model, graph, LinkPredictionConfig("test", ("test",)))
    many = evaluate_link_prediction(model, graph, LinkPredictionConfig("test"))
    assert few.ranks.realistic.mean() > many.ranks.realistic.mean()


def test_block_size_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, model = random_graph(), FakeEmbeddings(1)
    config = LinkPredictionConfig("train", boost=StructureBoost(1))
    whole = evaluate_link_prediction(model, graph, config)
    monkeypatch.setattr(link_prediction, "BLOCK_BYTES", 1)
    single = evaluate_link_prediction(model, graph, config)
    assert whole.to_dict() == single.to_dict()


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(12)))
def test_order_of_entities_does_not_matter(order: list[int]) -> None:
    model = FakeEmbeddings(5)
    config = LinkPredictionConfig("train", boost=StructureBoost(2))
    plain = evaluate_link_prediction(model, random_graph(), config)
    moved = random_graph(relabel=np.array(order))
    again = evaluate_link_prediction(model, moved, config)
    assert plain.to_dict() == again.to_dict()


def test_constant_scorer_gives_the_mid_rank_of_what_is_left() -> None:
    graph = random_graph()
    config = LinkPredictionConfig("test")
    result = evaluate_scorer(ConstantScorer(graph), graph, config.drawn(graph), config)
    assert (result.ranks.optimistic == 1).all()
    known = {tuple(map(int, t)) for t in graph.triples}
    head, relation, _ = map(int, graph.triples_of("test")[0])
    others = sum((head, relation, e) not in known for e in range(graph.num_entities))
    assert result.ranks.realistic[0] == 1 + others / 2


def test_each_text_is_read_once() -> None:
    graph, model = random_graph(entities=5, relations=2), FakeEmbeddings()
    result = evaluate_link_prediction(model, graph, LinkPredictionConfig("train"))
    distinct = len(np.unique(result.queries, axis=0))
    assert distinct < len(result.queries)
    assert model.read == graph.num_entities + distinct


def test_entities_of_equal_text_tie_exactly() -> None:
    class Twins(FakeEmbeddings):
        def embed_entities(self, graph, entities=None):  # type: ignore[no-untyped-def]
            rng = np.random.default_rng(0)
            vectors = rng.normal(size=(graph.num_entities, 33)).astype(np.float32)
            vectors[7] = vectors[2]
            return vectors

        def embed_queries(self, graph, queries):  # type: ignore[no-untyped-def]
            return np.random.default_rng(1).normal(size=(len(queries), 33)).astype(np.float32)

    graph = random_graph(entities=30)
    queries = np.array([[e, 0] for e in range(30)])
    scorer = EmbeddingScorer(Twins(), graph, queries)
    scores = scorer.scores(queries)
    assert np.array_equal(scores[:, 7], scores[:, 2])
    assert scores.shape == (30, 30)


def test_result_has_the_contract_keys_and_consistent_figures() -> None:
    graph = random_graph(triples=90)
    result = evaluate_link_prediction(FakeEmbeddings(), graph).to_dict()
    assert result["split"] == "valid"
    assert result["queries"] == 2 * len(graph.triples_of("valid"))
    for side in ("both", "head", "tail"):
        for kind in ("realistic", "optimistic", "pessimistic"):
            assert set(result[side][kind]) == {"mr", "mrr", "hits@1", "hits@3", "hits@10"}
        optimistic, pessimistic = (result[side][k]["mrr"] for k in ("optimistic", "pessimistic"))
        assert pessimistic <= result[side]["realistic"]["mrr"] <= optimistic
    mean = (result["head"]["realistic"]["mrr"] + result["tail"]["realistic"]["mrr"]) / 2
    assert result["both"]["realistic"]["mrr"] == pytest.approx(mean)
    weighted = sum(r["both"]["mrr"] * r["queries"] for r in result["per_relation"].values())
    assert weighted / result["queries"] == pytest.approx(result["both"]["realistic"]["mrr"])
    json.dumps(result)


def test_frequency_counts_train_only() -> None:
    graph = random_graph(triples=100)
    scorer = FrequencyScorer(graph)
    train = graph.triples_of("train")
    scores = scorer.scores(np.array([[0, 1], [0, 1 + graph.num_relations], [3, 1]]))
    for entity in range(graph.num_entities):
        assert scores[0, entity] == ((train[:, 1] == 1) & (train[:, 2] == entity)).sum()
        assert scores[1, entity] == ((train[:, 1] == 1) & (train[:, 0] == entity)).sum()
    assert np.array_equal(scores[0], scores[2])
    assert scores[0, scorer.best(1)] == scores[0].max()


def test_dump_has_a_line_a_query(tmp_path: Path) -> None:
    graph = random_graph()
    config = LinkPredictionConfig("test", boost=StructureBoost())
    result = evaluate_link_prediction(FakeEmbeddings(), graph, config)
    lines = [json.loads(line) for line in result.dump(tmp_path / "q.jsonl").open()]
    assert len(lines) == len(result.queries)
    known = {
        (graph.entity_ids[int(h)], graph.relation_ids[int(r)], graph.entity_ids[int(t)])
        for h, r, t in graph.triples_of("test")
    }
    assert {(x["head"], x["relation"], x["tail"]) for x in lines} == known
    assert [x["realistic"] for x in lines] == result.ranks.realistic.tolist()
    assert {x["predicts"] for x in lines} == {"head", "tail"}
    assert list(tmp_path.iterdir()) == [tmp_path / "q.jsonl"]


def test_limit_keeps_each_relations_share() -> None:
    graph = random_graph(triples=300, relations=2)
    config = LinkPredictionConfig("train", limit=40, seed=4)
    result = evaluate_link_prediction(FakeEmbeddings(), graph, config)
    assert len(result.queries) == 80
    train = graph.triples_of("train")
    share = (train[:, 1] == 0).mean()
    assert abs((result.queries[:40, 1] == 0).mean() - share) <= 1 / 40
    again = evaluate_link_prediction(FakeEmbeddings(), graph, config)
    assert np.array_equal(result.queries, again.queries)


def test_split_without_triples_says_so() -> None:
    graph = random_graph(triples=4)  # too few for a test split
    with pytest.raises(GraphError, match="no test triples"):
        evaluate_link_prediction(FakeEmbeddings(), graph, LinkPredictionConfig("test"))
    with pytest.raises(GraphError, match="no split 'dev'"):
        LinkPredictionConfig("dev")
    with pytest.raises(GraphError, match="no split 'tests'"):
        LinkPredictionConfig("test", ("train", "tests"))


def test_one_entity_ranks_first() -> None:
    graph = random_graph(entities=1, relations=1, triples=1)
    result = evaluate_link_prediction(FakeEmbeddings(), graph, LinkPredictionConfig("train"))
    assert result.mrr == 1.0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_neighbourhood_is_a_naive_search(seed: int, hops: int) -> None:
    graph = random_graph(entities=15, triples=20, seed=seed)
    train = graph.triples_of("train").tolist()
    reached = {0}
    for _ in range(hops):
        reached |= {t for h, _, t in train if h in reached} | {
            h for h, _, t in train if t in reached
        }
    if not any(h == t == 0 for h, _, t in train):
        reached.discard(0)
    assert Neighbourhoods(graph).within(0, hops).tolist() == sorted(reached)


def test_boost_adds_its_weight_to_near_candidates_only() -> None:
    graph = random_graph(entities=15, triples=20)
    config = LinkPredictionConfig("train", ("train",), StructureBoost(hops=1, weight=0.5))
    result = evaluate_scorer(ConstantScorer(graph), graph, config.drawn(graph), config)
    # every answer is one hop away in train: nothing unconnected can tie with it any longer
    assert result.boosted is not None
    assert result.boosted.realistic.mean() < result.ranks.realistic.mean()
    assert (result.boosted.optimistic == 1).all()
    assert "structure" in result.to_dict()
    assert "structure 1 hops" in result.to_text()


def test_hops_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="hops must be at least 1"):
        StructureBoost(hops=0)


def test_graph_without_train_triples_can_be_measured() -> None:
    builder = GraphBuilder("new facts")
    builder.triple("e1", "r0", "e2", "test")
    config = LinkPredictionConfig("test", boost=StructureBoost())
    result = evaluate_link_prediction(FakeEmbeddings(), builder.build(), config)
    assert result.frequency is not None and (result.frequency.realistic == 1.5).all()
    assert np.array_equal(result.ranks.realistic, result.boosted.realistic)  # type: ignore[union-attr]


def test_broken_embeddings_are_an_error() -> None:
    class Broken(FakeEmbeddings):
        def embed_queries(self, graph: KnowledgeGraph, queries: Int64) -> Float32:
            return np.full((len(queries), self.dim), np.nan, dtype=np.float32)

    with pytest.raises(ModelError, match="NaN"):
        evaluate_link_prediction(Broken(), random_graph(), LinkPredictionConfig("test"))


@pytest.mark.real_model
def test_untrained_embedded_model_on_umls(accord_data: Path) -> None:
    from accord.graph.datasets import load_dataset
    from accord.model.saving import load_model

    graph = load_dataset("umls", accord_data)
    config = LinkPredictionConfig("test", limit=40)
    result = evaluate_link_prediction(load_model("smollm2-135m-q4"), graph, config)
    assert 0.02 < result.mrr < 0.2
    frequency = result.to_dict()["baseline"]["frequency"]["both"]["realistic"]["mrr"]
    assert 0.5 < frequency < 0.8  # the trivial baseline is far above an untrained model
