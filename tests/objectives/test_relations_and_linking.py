"""Relations and linking: losses against closed forms, places of mentions, gradients, learning."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import ConfigError
from accord.model.knowledge_model import KnowledgeModel
from accord.model.span_heads import link_logits, link_parameters, span_features
from accord.objectives.base import Encode, Points, Requests, States, last_points
from accord.objectives.linking import FLOOR, NIL, Linking, LinkingConfig, lacking
from accord.objectives.relations import RelationsConfig, Vocabulary, threshold_loss
from accord.text.distant import DistantSource
from accord.text.examples import LabelledSpan, RelationExample
from accord.text.mentions import MentionIndex
from accord.text.span_tokens import span_tokens
from accord.train.extraction import read_examples
from accord.train.recipe import Recipe
from accord.train.setup import build_objectives
from accord.train.step import plan_reading
from tests.conftest import build_tiny_graph, build_tiny_tokenizer
from tests.train.tiny import assert_same, one_step, tiny_model, tiny_recipe

TEXTS = ("Osaka lies in Japan. Sweden borders Norway, and 東京 is in Nippon.", "Orebro, Sverige.")


def kelm_recipe(**changes: object) -> Recipe:
    """Both objectives on tiny batches, without the others."""
    tiny = tiny_recipe(completion={"weight": 0.0}, language={"weight": 0.0})
    relations = RelationsConfig(weight=1.0, rows=3, width=8, negatives=2)
    linking = LinkingConfig(weight=0.5, rows=4, candidates=3)
    off = replace(tiny.contrastive, weight=0.0)
    made = replace(tiny, contrastive=off, relations=relations, linking=linking)
    return replace(made, **changes)  # type: ignore[arg-type]


def examples() -> list[RelationExample]:
    graph = build_tiny_graph()
    source = DistantSource(graph, MentionIndex(graph))
    return [*source.texts(TEXTS), *source.descriptions()]


def test_threshold_loss_is_its_closed_form() -> None:
    logits = torch.tensor([[0.5, 2.0, -1.0, 1.0]])
    none = threshold_loss(logits, torch.tensor([[False, False, False]]))
    every = sum(math.exp(x) for x in (0.5, 2.0, -1.0, 1.0))
    assert float(none) == pytest.approx(-math.log(math.exp(0.5) / every), abs=1e-6)
    two = threshold_loss(logits, torch.tensor([[True, False, True]]))
    above = math.exp(0.5) + math.exp(2.0) + math.exp(1.0)
    below = math.exp(0.5) + math.exp(-1.0)
    expected = -(2.0 - math.log(above)) - (1.0 - math.log(above)) - (0.5 - math.log(below))
    assert float(two) == pytest.approx(expected, abs=1e-5)


@given(st.text(alphabet="aé 🙂東\u0301-Ö.", min_size=1, max_size=30), st.data())
def test_places_are_the_tokens_of_the_span(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    tokenizer = build_tiny_tokenizer()
    span = LabelledSpan(start, end)
    once = span_tokens(tokenizer, text, [span], twice=False)
    twice = span_tokens(tokenizer, text, [span], twice=True)
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    pairs = offsets["offset_mapping"]
    inside = [i for i, (a, b) in enumerate(pairs) if a < end and b > start]
    first, last = once.places[0].tolist()
    assert (first, last) == (inside[0], inside[-1])
    flat = [token for segment in twice.sequence for token in segment]
    shift = len(flat) - len(once.sequence[0])
    assert twice.places[0].tolist() == [first + shift, last + shift]
    assert flat[first + shift : last + shift + 1] == list(once.sequence[0][first : last + 1])


def test_states_are_read_with_the_others_and_equal_texts_once() -> None:
    long, short = ((1, 2), (3,)), ((1, 2),)
    points = Points(np.array([0, 1], dtype=np.int64), np.array([1, 0], dtype=np.int64))
    plan = plan_reading({("a", "x"): States([long, short], points)})
    assert plan.texts == [long] and plan.positions.tolist() == [1, 0] and not plan.quiet.any()
    assert last_points([long]).positions.tolist() == [2]


def test_features_are_the_mean_of_a_things_mentions() -> None:
    states = torch.randn(6, 4)
    features = span_features(states, torch.tensor([1, 0, 1]), 2)
    rows = torch.nn.functional.layer_norm(states.reshape(3, 8), (8,))
    assert torch.allclose(features[1], (rows[0] + rows[2]) / 2)
    assert torch.allclose(features[0], rows[1])


def test_a_link_head_begins_at_the_name_prior() -> None:
    head = link_parameters(8, 4, 0)
    with torch.no_grad():
        head["log_scale"].fill_(-30.0)
    prior = torch.tensor([[0.7, 0.2]]).log()
    rows = torch.tensor([[0, 1]])
    logits = link_logits(head, torch.randn(1, 8), torch.randn(2, 4), rows, prior)
    assert torch.allclose(logits[:, 1:].exp(), prior.exp(), atol=1e-6)
    mentions, vectors, rows = torch.randn(1, 8), torch.randn(2, 4), torch.tensor([[0, 1]])
    both = link_parameters(8, 4, 0, memory=3)
    memory = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]])  # the first one has no vector
    plain = link_logits(both, mentions, vectors, rows, prior)
    assert torch.equal(link_logits(both, mentions, vectors, rows, prior, memory), plain)
    with torch.no_grad():
        both["memory_gate"].fill_(0.5)
    moved = link_logits(both, mentions, vectors, rows, prior, memory) - plain
    asked = torch.nn.functional.normalize(mentions @ both["memory_map"].T, dim=-1)[0]
    expected = 10 * 0.5 * (asked @ memory[1] / 3)
    assert torch.allclose(moved, torch.tensor([[0.0, 0.0, float(expected.detach())]]), atol=1e-5)
    rows = torch.tensor([[0, -1]])
    logits = link_logits(head, torch.randn(1, 8), torch.randn(2, 4), rows, prior)
    assert logits[0, 2] == -torch.inf


def test_batches_hold_facts_and_right_candidates() -> None:
    recipe = kelm_recipe(linking=LinkingConfig(weight=1.0, rows=50, candidates=3, nil=0.5))
    model = tiny_model(recipe)
    (relations, _), (linking, _) = build_objectives(
        recipe, model, build_tiny_graph(), examples=examples()
    )
    batch = relations.batch(0)
    assert batch.labels.any(1).sum() >= 1 and len(batch.pairs) == len(batch.labels)
    assert int(batch.pairs.max()) < len(batch.kinds) == int(batch.groups.max()) + 1
    found = linking.batch(1)
    again = linking.batch(1)
    assert torch.equal(found.candidates, again.candidates)
    nil = (found.targets == 0).float().mean()
    assert 0.1 < float(nil) < 0.9
    for row, target in zip(found.candidates.tolist(), found.targets.tolist(), strict=True):
        assert len({r for r in row if r >= 0}) == sum(r >= 0 for r in row) >= 1
        assert target == 0 or row[target - 1] >= 0


def test_without_an_entity_the_prior_is_that_of_a_graph_that_lacks_it() -> None:
    assert lacking({1: 0.6, 2: 0.3, 3: 0.1, 4: 8e-4}, 1) == pytest.approx(
        {2: 0.75, 3: 0.25, 4: 8e-4}
    )
    assert lacking({1: 1.0, 4: 8e-4, 5: 2e-4}, 1) == {4: 8e-4, 5: 2e-4}, "no other is called so"
    assert lacking({1: FLOOR, 2: 0.9, 3: 0.1}, 1) == {2: 0.9, 3: 0.1}, "it was not called so"


def test_a_mention_that_loses_its_entity_has_the_prior_without_it() -> None:
    recipe = kelm_recipe(linking=LinkingConfig(weight=1.0, rows=9, candidates=3, nil=0.999))
    objectives = build_objectives(
        recipe, tiny_model(recipe), build_tiny_graph(), examples=examples()
    )
    linking = objectives[1][0]
    assert isinstance(linking, Linking)
    item = replace(linking.items[0], candidates=(0, 1, 2), prior=(0.8, 0.1, 0.1), entity=0)
    drawn = linking._drawn(item, np.random.default_rng(0))
    assert drawn.entity == NIL and drawn.candidates[:2] == (1, 2)
    assert drawn.prior[:2] == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("keep", [10**6, 1])
def test_every_parameter_gets_its_gradient_however_the_texts_are_read(keep: int) -> None:
    recipe = kelm_recipe()
    model = tiny_model(recipe)
    objectives = build_objectives(recipe, model, build_tiny_graph(), examples=examples())
    _, whole = one_step(recipe, model, objectives)
    chunked = replace(recipe, loop=replace(recipe.loop, chunk_tokens=64, keep_tokens=keep))
    log, parts = one_step(chunked, model, objectives)
    assert_same(whole, parts, atol=1e-4)
    for name in ("relations.out", "relations.both", "linking.map", "linking.nil"):
        assert float(parts[name].abs().max()) > 0
    assert log["relations/loss"] > 0 and 0 <= log["linking/right"] <= 1


def test_a_frozen_cache_of_lower_layers_changes_nothing() -> None:
    recipe = kelm_recipe()
    frozen = replace(recipe, model=replace(recipe.model, freeze_layers=2, reading="full"))
    model = tiny_model(frozen)
    objectives = build_objectives(frozen, model, build_tiny_graph(), examples=examples())
    asked = {s for o, _ in objectives for s in o.sequences()}
    for step in range(3):
        for objective, _ in objectives:
            for request in objective.requests(objective.batch(step)).values():
                assert set(request.sequences) <= asked
    assert one_step(frozen, model, objectives)[0]["relations/loss"] > 0


@torch.no_grad()
def read_outputs(model: KnowledgeModel, requests: Requests) -> dict[str, torch.Tensor]:
    """What a step would give for requests of states and embeddings."""
    found = {}
    for key, request in requests.items():
        if isinstance(request, States):
            points = request.points
            found[key] = model.reader.states_at(request.sequences, points.rows, points.positions)
        elif isinstance(request, Encode):
            found[key] = torch.from_numpy(model.embed(request.sequences, request.view))
    return found


def test_heads_alone_learn_a_batch() -> None:
    recipe = kelm_recipe(linking=LinkingConfig(weight=1.0, rows=4, candidates=3, nil=0.0))
    model = tiny_model(recipe)
    for objective, _ in build_objectives(recipe, model, build_tiny_graph(), examples=examples()):
        batch = objective.batch(0)
        outputs = read_outputs(model, objective.requests(batch))
        optimizer = torch.optim.Adam(list(objective.parameters.values()), lr=0.05)
        losses = []
        for _ in range(40):
            optimizer.zero_grad()
            loss = objective.loss(outputs, batch)
            loss.value.backward()  # type: ignore[no-untyped-call]
            losses.append(float(loss.value.detach()))
            optimizer.step()
        assert losses[-1] < 0.3 * losses[0], objective.name
        assert objective.loss(outputs, batch).parts["right"] > 0.7


def test_labels_are_those_of_the_vocabulary() -> None:
    model = tiny_model(kelm_recipe())
    made = examples()
    vocabulary = Vocabulary.of(made)
    assert vocabulary.kinds == ("",) and "city_of" in vocabulary.relations
    fewer = Vocabulary(("city_of",), ("", "LOC"))
    for example, read in zip(made, read_examples(model, made, fewer), strict=True):
        stated = {(h, t) for h, r, t in example.facts if r == "city_of"}
        rows = np.flatnonzero(read.labels[:, 0]).tolist()
        assert {example.asked[i] for i in rows} == stated
        assert len(read.text.places) == sum(map(len, example.things))


def test_nothing_to_learn_from_says_so() -> None:
    recipe = kelm_recipe()
    graph, model = build_tiny_graph(), tiny_model(recipe)
    with pytest.raises(ConfigError, match="no labelled pair") as error:
        build_objectives(recipe, model, graph)
    assert "--data" in error.value.hint
    alone = replace(recipe, relations=RelationsConfig())
    with pytest.raises(ConfigError, match="no mention of an entity"):
        build_objectives(alone, model, graph)
    with pytest.raises(ConfigError, match="nil"):
        LinkingConfig(nil=1.0)
    with pytest.raises(ConfigError, match="rows"):
        RelationsConfig(rows=0)
    assert NIL == -1
