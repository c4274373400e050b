"""Queries are embedded alike in training, in ranking and from text alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.model.config import ModelConfig
from accord.model.heads import compose
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.base import Encode
from accord.text.examples import QueryForm, Sequence
from accord.text.render import entity_text
from accord.train.setup import build_objectives, start_projection
from tests.train.tiny import tiny_model, tiny_recipe

FORMS: tuple[QueryForm, ...] = ("text", "product")
forms = pytest.mark.parametrize("form", FORMS)
QUERIES = np.array([[0, 0], [3, 3], [1, 7]])


def model_of(form: QueryForm) -> KnowledgeModel:
    return tiny_model(tiny_recipe(model={"projection": 6, "query": form}))


@forms
def test_the_objective_reads_what_the_model_ranks_with(
    form: QueryForm, tiny_graph: KnowledgeGraph
) -> None:
    recipe = tiny_recipe(model={"projection": 6, "query": form}, completion={"weight": 0.0})
    model = tiny_model(recipe)
    objective = build_objectives(recipe, model, tiny_graph)[0][0]
    batch = objective.batch(0)
    asked = {view: r for view, r in objective.requests(batch).items() if view != "tail"}
    parts = {
        request.view: torch.from_numpy(model.embed(request.sequences, request.view))
        for request in asked.values()
        if isinstance(request, Encode)
    }
    ranked = model.embed_queries(tiny_graph, batch.pairs)
    np.testing.assert_allclose(compose(parts).numpy(), ranked, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(ranked, axis=1), 1, atol=1e-5)


@forms
def test_an_entity_outside_the_graph_is_read_as_one_inside(
    form: QueryForm, tiny_graph: KnowledgeGraph
) -> None:
    model = model_of(form)
    texts = [entity_text(tiny_graph, int(e), model.text) for e, _ in QUERIES]
    inside = model.embed_queries(tiny_graph, QUERIES)
    outside = model.embed_query_texts(tiny_graph, texts, QUERIES[:, 1].tolist())
    np.testing.assert_allclose(inside, outside, atol=1e-5)


def test_a_product_needs_no_reading_of_pairs(tiny_graph: KnowledgeGraph) -> None:
    model, read = model_of("product"), list[Sequence]()
    real = model.reader.states_at

    def counted(sequences, rows, positions):  # type: ignore[no-untyped-def]
        read.extend(sequences)
        return real(sequences, rows, positions)

    model.reader.states_at = counted  # type: ignore[method-assign]
    heads, numbers = np.arange(tiny_graph.num_entities), np.arange(2 * tiny_graph.num_relations)
    everything = np.stack(np.meshgrid(heads, numbers), axis=-1).reshape(-1, 2)
    model.embed_queries(tiny_graph, everything)
    assert len(read) <= len(heads) + len(numbers)


def test_the_start_takes_away_what_all_states_share(tiny_graph: KnowledgeGraph) -> None:
    recipe = tiny_recipe(model={"projection": 6, "query": "product"})
    model = tiny_model(recipe)
    start_projection(recipe, model, tiny_graph)
    texts = model.texts(tiny_graph)
    drawn = tiny_graph.triples_of("train")
    tails = [texts.tail(e) for e in [*drawn[:, 2].tolist(), *drawn[:, 0].tolist()]]
    with torch.no_grad():
        mapped = model.projection(torch.from_numpy(model.hidden_states(tails, "tail")), "tail")
    assert float(mapped.mean(0).norm()) < 0.2 * float(mapped.norm(dim=-1).mean())


def test_a_product_without_maps_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiplies mapped"):
        ModelConfig(query="product")
