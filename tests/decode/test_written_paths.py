"""Paths that a model writes: all of them exist, and the model's own likings decide among them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.decode.confidence import Confidence
from accord.decode.guided import Guide
from accord.decode.plans import Known, Plan, Plans
from accord.decode.retrieve import MODEL, RetrieveConfig
from accord.decode.written_paths import PathWriter, step_texts, worked_paths
from accord.errors import ConfigError, ModelError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.text.collate import tokens
from accord.text.path_prompts import END, STEP
from tests.conftest import build_tiny_graph
from tests.graph.random_graphs import graphs
from tests.model.fused import fused_model
from tests.train.tiny import tiny_model, tiny_recipe

MODEL_OF_TESTS = tiny_model(tiny_recipe())
TOKENIZER = MODEL_OF_TESTS.tokenizer


class Rigged:
    """Rows that have read a text: they like its next token, and the end token behind its end."""

    room = 200

    def __init__(self, liked: Sequence[str], starts: Sequence[str]) -> None:
        self._liked = [tokens(TOKENIZER, text) for text in liked]
        self._rows: list[tuple[int, ...]] = [() for _ in starts]

    def next(self) -> torch.Tensor:
        found = torch.full((len(self._rows), len(TOKENIZER)), -9.0)
        for row, written in enumerate(self._rows):
            for liked in self._liked:
                if liked[: len(written)] == written and len(liked) > len(written):
                    found[row, liked[len(written)]] = -0.1
        return found

    def go_on(self, rows: Sequence[int], ids: Sequence[int]) -> None:
        self._rows = [(*self._rows[row], token) for row, token in zip(rows, ids, strict=True)]


def rigged(graph: KnowledgeGraph, *liked: str, hops: int = 2, beams: int = 4) -> PathWriter:
    """What writes the liked texts where they exist."""
    texts = [f" {text}{END}" for text in liked]
    return PathWriter(Plans(graph), TOKENIZER, lambda a, b, s: Rigged(texts, s), hops, beams)


def written(writer: PathWriter, graph: KnowledgeGraph, topic: str) -> list[str]:
    start = Plans(graph).start(graph.entity(topic))
    return [path.text for path in writer("?", [start], [0.0]).paths]


@cache
def guide(hops: int = 2, beams: int = 4) -> Guide:
    config = RetrieveConfig(MODEL, hops=hops, beams=beams)
    return Guide(build_tiny_graph(), MODEL_OF_TESTS, config, Confidence(threshold=0))


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.integers(1, 2))
def test_whatever_is_written_exists(graph: KnowledgeGraph, hops: int) -> None:
    plans = Plans(graph)
    writer = PathWriter.of(plans, MODEL_OF_TESTS, hops, 2)
    starts = [plans.start(entity) for entity in range(min(2, graph.num_entities))]
    found = writer("why so long?", starts, [0.0, -1.0][: len(starts)])
    for path in found.paths:
        plan = path.known.plan
        assert plan.topic == starts[path.start].plan.topic and 1 <= plan.hops <= hops
        assert plans.exists(plan)
        reached = plans.reach(plan)
        assert len(reached.attributes if plan.attribute else reached.entities)
        said = f"{STEP} ".join(" ".join(text.split()) for text in step_texts(plans, plan))
        assert " ".join(path.text.split()) == " ".join(said.split())
    worths = [path.worth for path in found.paths]
    assert worths == sorted(worths, reverse=True)


def test_the_path_that_is_liked_wins(tiny_graph: KnowledgeGraph) -> None:
    wanted = "has the capital > has the population"
    writer = rigged(tiny_graph, wanted, "is loved by")
    paths = writer("?", [Plans(tiny_graph).start(tiny_graph.entity("japan"))], [0.0]).paths
    best = paths[0].known.plan
    assert paths[0].text == wanted and best.attribute == "population"
    assert [step[0] for step in best.steps] == [tiny_graph.relation("has_capital")]
    assert paths[0].worth > paths[1].worth + 5
    assert rigged(tiny_graph, wanted, hops=1)("?", [], []).paths == ()
    short = written(rigged(tiny_graph, wanted, "has the capital", hops=1), tiny_graph, "japan")
    assert short[0] == "has the capital" and not any(STEP in text for text in short)


def test_a_path_may_end_or_go_on(tiny_graph: KnowledgeGraph) -> None:
    both = ("has the capital", "has the capital > has the population")
    assert set(written(rigged(tiny_graph, *both), tiny_graph, "japan")[:2]) == set(both)


def test_a_property_and_a_relation_that_read_alike_are_both_given() -> None:
    builder = GraphBuilder("alike")
    builder.relation("weight", "has the weight", "weighs")
    builder.triple("stone", "weight", "three")
    builder.attribute("stone", "weight", "3")
    graph = builder.build()
    start = Plans(graph).start(graph.entity("stone"))
    first, second = rigged(graph, "has the weight")("?", [start], [0.0]).paths[:2]
    assert first.worth == second.worth
    assert {first.known.plan.attribute, second.known.plan.attribute} == {"", "weight"}


def test_beginnings_count_with_what_they_are_worth(tiny_graph: KnowledgeGraph) -> None:
    plans = Plans(tiny_graph)
    starts = [plans.start(tiny_graph.entity(name)) for name in ("sweden", "norway")]
    writer = rigged(tiny_graph, "borders")
    assert writer("?", starts, [-3.0, 0.0]).paths[0].start == 1
    assert writer("?", starts, [0.0, -3.0]).paths[0].start == 0


def test_a_beginning_with_steps_is_gone_on_from(tiny_graph: KnowledgeGraph) -> None:
    plans = Plans(tiny_graph)
    capital = Plan(tiny_graph.entity("japan"), ((tiny_graph.relation("has_capital"),),))
    writer = PathWriter.of(plans, MODEL_OF_TESTS, 1, 4)
    paths = writer("and its population?", [plans.worded(capital)], [0.0]).paths
    assert paths and all(path.known.plan.steps[:1] == capital.steps for path in paths)
    assert {path.known.plan.hops for path in paths} == {2}


def test_a_topic_without_relations_and_a_graph_without_triples() -> None:
    builder = GraphBuilder("facts")
    builder.entity("air", "Air")
    builder.attribute("stone", "weight", "3")
    graph = builder.build()
    asked = Guide(graph, MODEL_OF_TESTS, RetrieveConfig(MODEL), Confidence(threshold=0))
    silent = asked.ask("What is in the Air?")
    assert silent.abstained and "states nothing about 'Air'" in silent.reason
    assert [answer.name for answer in asked.ask("How heavy is stone?").answers] == ["3"]
    assert asked.ask("What is in the sea?").reason == "the question names no entity of the graph"


def test_a_hub_costs_the_steps_that_it_has_and_no_more() -> None:
    builder = GraphBuilder("hub")
    builder.relation("part", "is part of", "has the part")
    for i in range(3000):
        builder.triple(f"n{i}", "part", "hub")
        builder.triple(f"n{i}", f"own {i % 50}", f"m{i}")
    graph = builder.build()
    plans = Plans(graph)
    found = rigged(graph, "has the part")("?", [plans.start(graph.entity("hub"))], [0.0])
    assert found.paths[0].text == "has the part" and len(found.paths) <= 4
    assert len(plans.reach(found.paths[0].known.plan).entities) == 3000
    assert found.offered <= 1 + 52  # one step leads on from the hub, 51 from its parts


def test_the_same_again_and_shares_that_sum_to_one() -> None:
    first, second = (guide().retriever("Which cities are in Japan?") for _ in range(2))
    assert [(r.known.text, r.logprob) for r in first.ranked] == [
        (r.known.text, r.logprob) for r in second.ranked
    ]
    shares = torch.tensor([r.logprob for r in first.ranked]).exp()
    assert len(shares) >= 4 and torch.isclose(shares.sum(), torch.tensor(1.0))
    assert first.ranking == MODEL and repr(first.written) in first.why()
    assert f"among {first.looked_at} steps" in first.why() and "'Japan' named" in first.why()


def test_batch_mates_do_not_matter() -> None:
    """A topic's paths are worth the same beside another topic, whose name is longer."""
    graph = build_tiny_graph()
    plans = Plans(graph)
    writer = PathWriter.of(plans, MODEL_OF_TESTS, 1, 8)
    japan, other = (plans.start(graph.entity(name)) for name in ("japan", "narcissus"))
    alone = {p.text: p.worth for p in writer("Japan?", [japan], [0.0]).paths}
    both = writer("Japan?", [japan, other], [0.0, 0.0]).paths
    mine = {p.text: p.worth for p in both if p.start == 0}
    assert mine and mine.keys() <= alone.keys()
    assert all(abs(alone[text] - worth) < 1e-3 for text, worth in mine.items())


def test_the_question_and_the_memory_are_read() -> None:
    graph = build_tiny_graph()
    plans = Plans(graph)
    start = plans.start(graph.entity("japan"))

    def worths(model: KnowledgeModel, question: str) -> list[float]:
        found = PathWriter.of(plans, model, 1, 8)(question, [start], [0.0])
        return [path.worth for path in found.paths]

    other = worths(MODEL_OF_TESTS, "Loved by whom?")
    assert worths(MODEL_OF_TESTS, "Which cities?") != other
    told, alone = (worths(fused_model(gate=g), "Osaka is near Japan and?") for g in (0.7, 0.0))
    assert told != alone


def test_worked_examples_are_of_the_graph_and_differ(tiny_graph: KnowledgeGraph) -> None:
    found = worked_paths(Plans(tiny_graph), 2)
    assert len(found) == 3 and found == worked_paths(Plans(tiny_graph), 2)
    steps = [step for example in found for step in example.steps]
    assert len(set(steps)) == len(steps) and [len(e.steps) for e in found] == [1, 1, 2]
    assert len(worked_paths(Plans(tiny_graph), 1)) == 2


def test_bad_settings_and_models(tiny_graph: KnowledgeGraph) -> None:
    with pytest.raises(ConfigError, match="needs a language model"):
        Guide(tiny_graph, None, RetrieveConfig(MODEL))
    with pytest.raises(ConfigError, match="beams"):
        RetrieveConfig(MODEL, beams=0)
    with pytest.raises(ConfigError, match="empty"):
        guide().ask(" ")
    writer = rigged(tiny_graph)

    class Broken(Rigged):
        def next(self) -> torch.Tensor:
            return super().next() * float("nan")

    broken = PathWriter(Plans(tiny_graph), TOKENIZER, lambda a, b, s: Broken([], s), 1, 2)
    start: Known = Plans(tiny_graph).start(0)
    assert writer("?", [start], [0.0]).paths
    with pytest.raises(ModelError, match="not a number"):
        broken("?", [start], [0.0])
