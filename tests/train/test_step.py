"""One step: however it is chunked, cached, accumulated or merged, the gradient is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import ConfigError, ModelError
from accord.model import load
from accord.model.knowledge_model import KnowledgeModel
from accord.model.reading import flat
from accord.model.saving import trainable
from accord.objectives.base import (
    Encode,
    Loss,
    Points,
    Score,
    Stateless,
    States,
    Teacher,
    last_points,
    points_after,
)
from accord.text.examples import Sequence, length
from accord.train.cache import build_cache, plan_pieces
from accord.train.plan_steps import pooled_seconds, step_seconds
from accord.train.setup import Weighted, attach_cache, keep_pooled, start_projection
from accord.train.step import plan_reading
from tests.conftest import build_tiny_graph
from tests.train.tiny import (
    assert_same,
    gradients,
    one_step,
    step_of,
    tiny_model,
    tiny_recipe,
    tiny_setup,
)

READINGS: list[dict[str, Any]] = [
    {},
    {"freeze_layers": 2},
    {"freeze_layers": 2, "reading": "segments"},
    {"adapter": "full", "freeze_layers": 2},
    {"projection": 5},
    {"projection": 5, "query": "product"},
    {"projection": 5, "query": "product", "freeze_layers": 2},
    {"projection": 5, "freeze_layers": 2, "pooling": "both"},
    {"projection": 5, "freeze_layers": 2, "pooling": "all"},
    {"projection": 5, "freeze_layers": 2, "pooling": "rare"},
]
NAMES = [
    "all",
    "frozen",
    "segments",
    "full",
    "p",
    "product",
    "product-frozen",
    "both",
    "means",
    "rare",
]
readings = pytest.mark.parametrize("model", READINGS, ids=NAMES)


@readings
def test_gradient_caching_gives_the_gradient_of_kept_graphs(model: dict[str, Any]) -> None:
    kept = tiny_recipe(model, contrastive={"self_negatives": True, "extra_negatives": 2})
    cached = tiny_recipe(
        model,
        contrastive={"self_negatives": True, "extra_negatives": 2},
        loop={"keep_tokens": 1, "chunk_tokens": 40},
    )
    pair = tiny_setup(kept)
    log, first = one_step(kept, *pair, 3)
    again, second = one_step(cached, *pair, 3)
    assert_same(first, second)
    assert again == pytest.approx(log, rel=1e-4, abs=1e-6)


@readings
def test_many_small_chunks_give_the_gradient_of_one(model: dict[str, Any]) -> None:
    big = tiny_recipe(model, loop={"chunk_tokens": 100_000})
    small = tiny_recipe(model, loop={"chunk_tokens": 1})
    pair = tiny_setup(big)
    assert_same(one_step(big, *pair)[1], one_step(small, *pair)[1])


def test_the_step_gives_the_gradient_of_plain_autograd() -> None:
    recipe = tiny_recipe(model={"projection": 6})
    model, objectives = tiny_setup(recipe)
    step = step_of(recipe, model, objectives)
    learn(model)
    step(2)
    found = gradients(model, objectives)
    for objective, weight in objectives:
        batch = objective.batch(2)
        outputs: dict[str, Any] = {}
        for key, request in objective.requests(batch).items():
            hidden = model.reader.last_hidden(request.sequences)
            if isinstance(request, Encode):
                ends = last_points(request.sequences)
                outputs[key] = model.pool(hidden[ends.rows, ends.positions], request.view)
            elif isinstance(request, Teacher):
                with step.first_weights(), torch.no_grad():
                    base = model.reader.last_hidden(request.sequences)
                    logits = load.output_weights(model.lm)(base)
                top = logits.log_softmax(-1).topk(request.top_k)
                places = request.points
                values, tokens = (t[places.rows, places.positions] for t in top)
                outputs[key] = step.teach(request)
                torch.testing.assert_close(outputs[key].logprobs, values)
                assert torch.equal(outputs[key].tokens, tokens)
            else:
                assert isinstance(request, Score)
                states = hidden[request.points.rows, request.points.positions]
                targets = request.targets
                targets = outputs[targets].tokens if isinstance(targets, str) else targets
                outputs[key] = model.logprobs(states, targets)
        (weight * objective.loss(outputs, batch).value).backward()  # type: ignore[no-untyped-call]
    assert_same(gradients(model, objectives), found)


def test_eight_small_batches_are_one_large_for_completion() -> None:
    only: dict[str, Any] = {"contrastive": {"weight": 0.0}, "language": {"weight": 0.0}}
    large = tiny_recipe(**only, completion={"rows": 8})
    small = tiny_recipe(**only, completion={"rows": 1}, loop={"accumulation": 8})
    model, objectives = tiny_setup(large)
    _, first = one_step(large, model, objectives, 1)
    _, parts = tiny_setup(small)
    step = step_of(small, model, parts)
    batches = range(8, 16)
    scales = step.scales(batches)
    assert len({scale["completion"] for scale in scales}) > 1, "names of unequal length"
    for number, scale in zip(batches, scales, strict=True):
        step(number, scale)
    assert_same(first, gradients(model, parts))


def test_shares_of_accumulated_batches_sum_to_one() -> None:
    recipe = tiny_recipe(loop={"accumulation": 3})
    step = step_of(recipe, *tiny_setup(recipe))
    sums = {o.name: 0.0 for o, _ in step.objectives}
    for scale in step.scales(range(3, 6)):
        sums = {name: value + scale[name] for name, value in sums.items()}
    assert sums == pytest.approx(dict.fromkeys(sums, 1.0))
    assert step.scales([5]) == [dict.fromkeys(sums, 1.0)]


def test_each_text_is_read_once_and_queries_within_completions() -> None:
    recipe = tiny_recipe(loop={"chunk_tokens": 30}, language={"weight": 0.0})
    model, objectives = tiny_setup(recipe)
    step = step_of(recipe, model, objectives)
    read: list[Sequence] = []
    real = model.reader.last_hidden

    def counted(sequences: list[Sequence]) -> torch.Tensor:
        read.extend(sequences)
        return real(sequences)

    model.reader.last_hidden = counted  # type: ignore[method-assign]
    log = step(0)
    contrastive = next(o for o, _ in objectives if o.name == "contrastive").batch(0)
    completion = next(o for o, _ in objectives if o.name == "completion").batch(0)
    flat = [tuple(t for segment in s for t in segment) for s in read]
    assert len(set(flat)) == len(flat)
    hosted = {s[:-1] for s in completion.sequences}
    assert hosted & set(contrastive.readings["query"]), "some query is completed too"
    assert not hosted & set(read)
    assert set(contrastive.tails) <= set(read)
    assert log["tokens"] == sum(map(length, read))


segments = st.lists(st.integers(3, 5), min_size=1, max_size=2).map(tuple)
sequences = st.lists(st.lists(segments, min_size=1, max_size=4).map(tuple), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(sequences, sequences)
def test_places_lie_in_texts_that_begin_with_the_sequence(
    encoded: list[Sequence], scored: list[Sequence]
) -> None:
    points, targets = points_after(scored, [1] * len(scored))
    requests: dict[tuple[str, str], Any] = {
        ("a", "e"): Encode(encoded, "query"),
        ("b", "s"): Score(scored, points, torch.from_numpy(targets)[:, None]),
        ("b", "t"): Teacher([((9, 9),)], last_points([((9, 9),)]), 2),
    }
    plan = plan_reading(requests)
    assert set(plan.spans) == {("a", "e"), ("b", "s")}
    for key, asked, places in (
        (("a", "e"), encoded, last_points(encoded)),
        (("b", "s"), scored, points),
    ):
        rows = plan.rows[plan.spans[key]]
        np.testing.assert_array_equal(plan.positions[plan.spans[key]], places.positions)
        for text, row in zip(rows, places.rows, strict=True):
            sequence = asked[row]
            assert plan.texts[text][: len(sequence)] == sequence
    for text in plan.texts:
        assert text in encoded or text in scored
        assert not any(other != text and other[: len(text)] == text for other in plan.texts)


def test_a_text_of_which_nothing_is_asked_is_not_read() -> None:
    """A step may draw no place from a short text, which could then stand in a chunk of its own."""
    recipe = tiny_recipe(language={"weight": 1.0, "points": 1, "rows": 4})
    model, objectives = tiny_setup(recipe)
    texts: list[Sequence] = [((3, 4),), ((5, 6, 7, 8, 9, 3, 4, 5, 6, 7),)]
    points = Points(np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64))
    asked: dict[tuple[str, str], Any] = {("a", "s"): States(texts, points)}
    assert plan_reading(asked).texts == texts[:1]
    for step in range(4):
        one_step(recipe, model, objectives, step)


def test_the_means_beside_the_last_token_are_of_frozen_states_and_of_embeddings() -> None:
    model, _ = tiny_setup(tiny_recipe({"projection": 5, "freeze_layers": 2, "pooling": "all"}))
    table = load.base_model(model.lm).get_input_embeddings().weight  # type: ignore[operator]
    texts: list[Sequence] = [((3, 4, 5, 6),), ((7,),), ((3, 4),)]
    found = torch.from_numpy(model.hidden_states(texts, "tail"))
    for text, states in zip(texts, found, strict=True):
        lower = model.reader.lower([text]).states[0]
        kept = lower[1:] if len(lower) > 1 else lower
        scaled = kept / kept.square().mean(-1, keepdim=True).sqrt()
        last = model.reader.last_hidden([text])[0, -1]
        words = table[list(text[0])]
        words = words / words.square().mean(-1, keepdim=True).sqrt()
        expected = torch.cat([last, scaled.mean(0), words.mean(0)]).detach()
        torch.testing.assert_close(states, expected, atol=1e-4, rtol=1e-4)


def test_means_by_rarity_weigh_embeddings_and_one_favours_the_beginning() -> None:
    model, _ = tiny_setup(tiny_recipe({"projection": 5, "freeze_layers": 2, "pooling": "rare"}))
    table = load.base_model(model.lm).get_input_embeddings().weight  # type: ignore[operator]
    weights = torch.rand(len(table)) + 0.1
    model.projection.rarity.copy_(weights)  # type: ignore[union-attr]
    texts: list[Sequence] = [((3, 4, 5, 6),), ((7,),), ((3, 4),)]
    found = torch.from_numpy(model.hidden_states(texts, "tail"))
    for text, states in zip(texts, found, strict=True):
        ids = list(text[0])
        words = table[ids] / table[ids].square().mean(-1, keepdim=True).sqrt()
        early = weights[ids] / torch.arange(1, len(ids) + 1)
        for part, share in ((2, weights[ids]), (3, early)):
            mean = (share[:, None] * words).sum(0) / share.sum()
            torch.testing.assert_close(
                states.view(4, -1)[part], mean.detach(), atol=1e-3, rtol=1e-3
            )


def test_rarity_is_the_logarithm_of_how_few_texts_hold_a_token() -> None:
    recipe = tiny_recipe({"projection": 5, "freeze_layers": 2, "pooling": "rare"})
    model, _ = tiny_setup(recipe)
    graph = build_tiny_graph()
    start_projection(recipe, model, graph)
    texts = [set(flat(model.texts(graph).tail(e))) for e in range(graph.num_entities)]
    for token in range(load.vocabulary(model.lm)):
        held = sum(token in text for text in texts)
        expected = max(0.01, np.log((len(texts) + 1) / (held + 1)))
        assert float(model.projection.rarity[token]) == pytest.approx(expected)  # type: ignore[index]


def test_states_kept_for_trained_maps_give_the_same_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = {"adapter": "none", "projection": 5, "freeze_layers": 2, "pooling": "rare"}
    recipe = tiny_recipe({**changes, "query": "product"}, completion={"weight": 0.0})
    model, objectives = pair = tiny_setup(recipe)
    start_projection(recipe, model, build_tiny_graph())
    _, anew = one_step(recipe, *pair, 5)
    keep_pooled(recipe, model, objectives)
    assert model.reader.pooled is not None

    def refuse(_: Any) -> Any:
        raise AssertionError("a kept text was read")

    only = [pair for pair in objectives if pair[0].name == "contrastive"]
    _, read = one_step(recipe, model, only, 5)
    monkeypatch.setattr(model.reader, "lower", refuse)
    log, kept = one_step(recipe, model, only, 5)
    assert log["contrastive/loss"] > 0
    assert_same(kept, read)
    assert {name for name in read if "projection" in name} <= set(anew)


def test_a_plan_times_steps_of_maps_without_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"adapter": "none", "projection": 5, "freeze_layers": 2, "pooling": "rare"}
    recipe = tiny_recipe(
        {**changes, "query": "product"}, completion={"weight": 0.0}, language={"weight": 0.0}
    )
    model, objectives = tiny_setup(recipe)
    assert pooled_seconds(recipe, model, objectives) > 0
    monkeypatch.setattr(model.reader, "lower", lambda _: pytest.fail("a kept text was read"))
    seconds, _, _ = step_seconds(recipe, model, objectives)
    assert seconds > 0


def test_states_are_not_kept_where_the_language_model_trains() -> None:
    recipe = tiny_recipe({"projection": 5, "freeze_layers": 2, "pooling": "all"})
    model, objectives = tiny_setup(recipe)
    keep_pooled(recipe, model, objectives)
    assert model.reader.pooled is None


@pytest.mark.parametrize("model", READINGS[1:3], ids=["full", "segments"])
def test_kept_frozen_layers_give_the_same_gradient(model: dict[str, Any], tmp_path: Path) -> None:
    recipe = tiny_recipe(model, text={"neighbours": 2})
    pair = tiny_setup(recipe)
    log, anew = one_step(recipe, *pair, 5)
    plain, objectives = pair
    asked = [s for o, _ in objectives for s in o.sequences()]
    plain.reader.store = build_cache(
        plain.reader, plan_pieces(plain.reader, asked), tmp_path, 1.0, "x"
    )
    reads: list[int] = []
    real = plain.reader.read_pieces

    def counted(keys: Any) -> torch.Tensor:
        reads.append(len(keys))
        return real(keys)

    plain.reader.read_pieces = counted  # type: ignore[method-assign]
    kept, second = one_step(recipe, *pair, 5)
    assert not reads, "everything a step asks for is in the cache"
    assert_same(anew, second)
    assert kept == pytest.approx(log, rel=1e-4, abs=1e-6)


def test_a_half_precision_cache_is_close_and_the_cap_is_hard(tmp_path: Path) -> None:
    recipe = tiny_recipe({"freeze_layers": 2, "reading": "segments"})
    model, objectives = tiny_setup(recipe)
    _, anew = one_step(recipe, model, objectives)
    asked = [s for o, _ in objectives for s in o.sequences()]
    pieces = plan_pieces(model.reader, asked)
    values = sum(len(tokens) for _, tokens in pieces) * 16
    store = build_cache(model.reader, pieces, tmp_path, values * 3 / 1e9, "x")
    assert store.rows.dtype == np.float16
    assert (tmp_path / "hidden.npy").stat().st_size <= values * 3
    model.reader.store = store
    _, second = one_step(recipe, model, objectives)
    assert_same(anew, second, atol=2e-2)
    with pytest.raises(ConfigError, match="cache_gb"):
        build_cache(model.reader, pieces, tmp_path / "b", values * 1.9 / 1e9, "x")


def test_a_cache_is_reused_only_for_the_same_pieces_and_model(tmp_path: Path) -> None:
    recipe = tiny_recipe({"freeze_layers": 2})
    model, objectives = tiny_setup(recipe)
    pieces = plan_pieces(model.reader, [s for o, _ in objectives for s in o.sequences()])
    first = build_cache(model.reader, pieces, tmp_path, 1.0, "x")
    stamp = (tmp_path / "hidden.npy").stat().st_mtime_ns
    again = build_cache(model.reader, pieces, tmp_path, 1.0, "x")
    assert (tmp_path / "hidden.npy").stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(first.rows, again.rows)
    build_cache(model.reader, pieces, tmp_path, 1.0, "another model")
    assert (tmp_path / "hidden.npy").stat().st_mtime_ns != stamp


def test_states_of_another_run_are_copied_and_the_rest_is_read(tmp_path: Path) -> None:
    recipe = tiny_recipe({"freeze_layers": 2})
    model, objectives = tiny_setup(recipe)
    pieces = plan_pieces(model.reader, [s for o, _ in objectives for s in o.sequences()])
    half = len(pieces) // 2
    build_cache(model.reader, pieces[:half], tmp_path / "a", 1.0, "x")
    whole = build_cache(model.reader, pieces, tmp_path / "b", 1.0, "x")
    read: list[int] = []
    real = model.reader.read_pieces

    def counted(keys: Any) -> torch.Tensor:
        read.append(len(keys))
        return real(keys)

    model.reader.read_pieces = counted  # type: ignore[method-assign]
    others = [tmp_path / "a", tmp_path / "none"]
    mixed = build_cache(model.reader, pieces, tmp_path / "c", 1.0, "x", others)
    assert sum(read) == len(pieces) - half
    expected = whole.rows.astype(np.float32)
    np.testing.assert_allclose(mixed.rows.astype(np.float32), expected, atol=1e-5)
    other = build_cache(model.reader, pieces, tmp_path / "d", 1.0, "y", [tmp_path / "b"])
    assert sum(read) == 2 * len(pieces) - half, "states of another model do not serve"
    np.testing.assert_allclose(other.rows.astype(np.float32), expected, atol=1e-5)


def test_a_cut_record_of_a_cache_is_read_anew(tmp_path: Path) -> None:
    recipe = tiny_recipe({"freeze_layers": 2})
    model, objectives = tiny_setup(recipe)
    assert attach_cache(recipe, model, objectives, tmp_path) > 0
    (tmp_path / "hidden.json").write_text('{"mark": "')
    assert attach_cache(recipe, model, objectives, tmp_path) > 0


def test_dropout_is_the_same_when_a_chunk_is_read_again() -> None:
    dropped = tiny_recipe({"dropout": 0.5})
    pair = tiny_setup(dropped)
    _, kept = one_step(dropped, *pair)
    again = tiny_recipe({"dropout": 0.5}, loop={"keep_tokens": 1})
    _, cached = one_step(again, *pair)
    assert_same(kept, cached)
    _, other = one_step(dropped, *pair, 1)
    assert any(not torch.equal(kept[k], other[k]) for k in kept)
    none = tiny_recipe()
    calm = tiny_setup(none)
    _, plain = one_step(none, *calm)
    assert any(not torch.allclose(kept[k], plain[k], atol=1e-5) for k in kept), "dropout is on"


def test_dropout_is_off_outside_a_step() -> None:
    recipe = tiny_recipe({"dropout": 0.5})
    model, objectives = tiny_setup(recipe)
    sequences = [model.texts(objectives[0][0].source.graph).tail(e) for e in range(4)]  # type: ignore[attr-defined]
    before = model.embed(sequences, "tail")
    np.testing.assert_array_equal(before, model.embed(sequences, "tail"))
    one_step(recipe, model, objectives)
    np.testing.assert_array_equal(before, model.embed(sequences, "tail"))


def learn(model: KnowledgeModel, change: float = 0.3) -> None:
    """Moves everything that is trained."""
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(change)


def teacher_request(objectives: Weighted, weights: str = "start") -> Teacher:
    language = next(o for o, _ in objectives if o.name == "language")
    request = language.requests(language.batch(0))["base"]
    assert isinstance(request, Teacher)
    return replace(request, weights=weights)  # type: ignore[arg-type]


@pytest.mark.parametrize("awake", [False, True], ids=["fresh", "a run's"])
@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_the_teacher_is_the_start_whatever_was_learnt(adapter: str, awake: bool) -> None:
    recipe = tiny_recipe({"adapter": adapter})
    model, (_, objectives) = tiny_model(recipe, awake), tiny_setup(recipe)
    request = teacher_request(objectives)
    expected = step_of(recipe, model, objectives).teach(request)
    step = step_of(recipe, model, objectives)
    learn(model)
    learnt = {k: p.detach().clone() for k, p in trainable(model).items()}
    torch.testing.assert_close(step.teach(request), expected)
    assert not torch.equal(step_of(recipe, model, objectives).teach(request)[1], expected[1])
    for name, parameter in trainable(model).items():
        assert torch.equal(parameter, learnt[name]), "the weights are back, bit by bit"


def test_a_fresh_adapter_at_the_start_is_the_base_model() -> None:
    recipe = tiny_recipe()
    model, (_, objectives) = tiny_model(recipe, awake=False), tiny_setup(recipe)
    request = teacher_request(objectives)
    with load.adapter_off(model.lm):
        expected = step_of(recipe, model, objectives).teach(request)
    found = step_of(recipe, model, objectives).teach(request)
    assert torch.equal(found.tokens, expected.tokens)
    assert torch.equal(found.logprobs, expected.logprobs)


def test_a_teacher_keeps_only_the_places_that_may_be_asked_for() -> None:
    recipe = tiny_recipe()
    model, objectives = tiny_setup(recipe)
    step = step_of(recipe, model, objectives)
    sequences: list[Sequence] = [((5, 6, 7, 8, 9),), ((9, 8, 7),)]
    points, _ = points_after(sequences, [3, 2])
    whole = step.teach(Teacher(sequences, points, 4))
    cut = step.teach(Teacher(sequences, points, 4, given=(3, 2)))
    torch.testing.assert_close(whole, cut)
    kept = [len(t.tokens) for k, t in step._taught.items() if k[1]]
    assert kept == [3, 2]


@readings
def test_the_current_teacher_is_read_with_the_step_and_without_gradient(
    model: dict[str, Any],
) -> None:
    recipe = tiny_recipe(model)
    trained = tiny_model(recipe)
    sequences: list[Sequence] = [((5, 6, 7, 8, 9),), ((9, 8, 7),)]
    other: list[Sequence] = [((9, 9, 5, 6, 7),)]
    points, targets = points_after(sequences, [3, 2])
    seen: list[Any] = []

    class Distil(Stateless):
        name = "distil"

        def batch(self, step: int) -> Any:
            return None

        def requests(self, batch: Any) -> Any:
            return {
                "quiet": Teacher(other, last_points(other), 3, "current", 2.0),
                "taught": Teacher(sequences, points, 3, "current"),
                "read": Score(sequences, points, torch.from_numpy(targets)[:, None]),
            }

        def loss(self, outputs: Any, batch: Any) -> Loss:
            seen.append(outputs)
            return Loss(-outputs["read"].mean())

        def size(self, batch: Any) -> int:
            return 1

        def sequences(self) -> Any:
            return sequences

    learn(trained)
    distil: Any = Distil()
    step = step_of(recipe, trained, [(distil, 1.0)])
    learn(trained, 0.1)
    log = step(0)
    found = gradients(trained, [])
    assert log["tokens"] == 5 + 3 + 5
    hidden = trained.reader.last_hidden(other)[0, -1]
    logits = load.output_weights(trained.lm)(hidden).float() / 2.0
    expected = logits.log_softmax(-1).topk(3)
    torch.testing.assert_close(seen[0]["quiet"].logprobs[0], expected.values)
    assert torch.equal(seen[0]["quiet"].tokens[0], expected.indices)
    assert not seen[0]["quiet"].logprobs.requires_grad
    assert not seen[0]["taught"].logprobs.requires_grad
    alone: Any = Distil()
    alone.requests = lambda batch: {
        "read": Score(sequences, points, torch.from_numpy(targets)[:, None])
    }
    step_of(recipe, trained, [(alone, 1.0)])(0)
    assert_same(gradients(trained, []), found)


def test_a_loss_that_is_not_finite_stops_and_adds_no_gradient() -> None:
    recipe = tiny_recipe(language={"weight": 0.0})
    model, objectives = tiny_setup(recipe)
    completion = next(o for o, _ in objectives if o.name == "completion")
    real = completion.loss
    broken: Any = lambda o, b: Loss(real(o, b).value * float("nan"))  # noqa: E731
    completion.loss = broken  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="completion loss is nan at step 7"):
        step_of(recipe, model, objectives)(7)
    assert not gradients(model, objectives)


def test_shares_of_the_gradient_sum_to_one() -> None:
    recipe = tiny_recipe()
    model, objectives = tiny_setup(recipe)
    log = step_of(recipe, model, objectives)(0, None, True)
    shares = [value for key, value in log.items() if key.endswith("/share")]
    assert len(shares) == 3
    assert sum(shares) == pytest.approx(1)
    parts = sum(weight * log[f"{o.name}/loss"] for o, weight in objectives)
    assert log["loss"] == pytest.approx(parts, rel=1e-5)
