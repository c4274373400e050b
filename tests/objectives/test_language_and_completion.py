"""KL to the base model against its definition; the completion loss against transformers'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import ConfigError, DataError
from accord.graph.graph import KnowledgeGraph
from accord.model.saving import trainable
from accord.objectives.completion import Completion, CompletionConfig
from accord.objectives.language import Language, LanguageConfig, coarse_kl
from accord.objectives.triples import TripleSource
from accord.text.examples import Sequence, length
from accord.train.setup import language_texts, own_continuations
from tests.train.tiny import one_step, step_of, tiny_model, tiny_recipe, tiny_setup

seeds = st.integers(0, 10**6)


def distributions(seed: int, rows: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, rows, size, generator=generator, dtype=torch.float64)
    first, second = logits.log_softmax(-1)
    return first, second


def cut(teacher: torch.Tensor, student: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    top = teacher.topk(k, dim=-1)
    return top.values, student.gather(-1, top.indices)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(2, 12), st.integers(1, 12))
def test_the_kl_of_equal_distributions_is_zero(seed: int, size: int, k: int) -> None:
    teacher, _ = distributions(seed, 3, size)
    values, same = cut(teacher, teacher, min(k, size))
    assert float(coarse_kl(values, same)) == 0


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(2, 12), st.integers(1, 12))
def test_the_kl_lies_between_zero_and_the_full_one(seed: int, size: int, k: int) -> None:
    teacher, student = distributions(seed, 3, size)
    full = float((teacher.exp() * (teacher - student)).sum(-1).mean())
    found = float(coarse_kl(*cut(teacher, student, min(k, size))))
    assert -1e-9 <= found <= full + 1e-9
    if k >= size:
        assert found == pytest.approx(full, abs=1e-5)


def test_learning_from_the_kl_moves_towards_the_teacher() -> None:
    teacher, _ = distributions(0, 1, 6)
    top = teacher.topk(3, dim=-1)
    logits = torch.zeros(1, 6, dtype=torch.float64, requires_grad=True)
    before = coarse_kl(top.values, logits.log_softmax(-1).gather(-1, top.indices))
    before.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    # The gradient of the full KL is student - teacher; tokens of the tail share theirs.
    expected = torch.full((1, 6), 1 / 6, dtype=torch.float64) - teacher.exp()
    rest = [i for i in range(6) if i not in top.indices[0]]
    expected[0, rest] = expected[0, rest].mean()
    torch.testing.assert_close(logits.grad, expected)


def test_the_completion_loss_is_transformers_own(tiny_graph: KnowledgeGraph) -> None:
    recipe = tiny_recipe(
        contrastive={"weight": 0.0}, language={"weight": 0.0}, completion={"weight": 1.0, "rows": 5}
    )
    model, objectives = tiny_setup(recipe, tiny_graph)
    batch = objectives[0][0].batch(2)
    width = max(length(s) for s in batch.sequences)
    ids = torch.zeros(5, width, dtype=torch.long)
    labels = torch.full((5, width), -100)
    mask = torch.zeros(5, width, dtype=torch.long)
    for row, sequence in enumerate(batch.sequences):
        flat = [token for segment in sequence for token in segment]
        start = length(sequence[:-1])
        ids[row, : len(flat)] = torch.tensor(flat)
        mask[row, : len(flat)] = 1
        labels[row, start : len(flat)] = torch.tensor(flat[start:])
    lm: Any = model.lm
    with torch.no_grad():
        expected = lm(input_ids=ids, attention_mask=mask, labels=labels).loss
    log, _ = one_step(recipe, model, objectives, 2)
    assert log["completion/loss"] == pytest.approx(float(expected), rel=1e-5)
    assert int((labels >= 0).sum()) == len(batch.targets) == objectives[0][0].size(batch)


def test_a_completion_is_the_query_the_name_and_the_end(tiny_graph: KnowledgeGraph) -> None:
    model = tiny_model(tiny_recipe())
    texts = model.texts(tiny_graph)
    completion = Completion(TripleSource(tiny_graph, 0), texts, CompletionConfig(rows=3), 3)
    for sequence in completion.batch(0).sequences:
        assert sequence[-1][-1] == model.tokenizer.eos_token_id
        assert sequence[:-1] in {
            texts.query(h, r) for h, r in completion.source.triples[:, :2].tolist()
        }
    assert set(completion.batch(1).sequences) <= set(completion.sequences())


def test_the_temperature_is_trained() -> None:
    recipe = tiny_recipe(loop={"learning_rate": 0.01})
    model, objectives = tiny_setup(recipe)
    objective = objectives[0][0]
    optimizer = torch.optim.AdamW([*objective.parameters.values()], lr=0.01)
    before = float(objective.parameters["log_temperature"].detach())
    _, found = one_step(recipe, model, objectives)
    gradient = found["contrastive.log_temperature"]
    assert float(gradient.abs()) > 1e-4
    objective.parameters["log_temperature"].grad = gradient
    optimizer.step()
    after = float(objective.parameters["log_temperature"].detach())
    assert (after - before) * float(gradient) < 0


def test_language_batches_are_pure_and_lie_in_their_texts() -> None:
    texts: list[Sequence] = [((1, 2, 3),), ((4, 5),), ((6,),), ((7, 8, 9, 10),)]
    language = Language(texts, LanguageConfig(rows=2, points=3), 0)
    assert len(language.all) == 3, "a single token predicts nothing"
    for step in range(5):
        batch = language.batch(step)
        again = Language(texts, LanguageConfig(rows=2, points=3), 0).batch(step)
        assert batch.points.positions.tolist() == again.points.positions.tolist()
        ends = [length(batch.sequences[row]) for row in batch.points.rows]
        assert all(p < e - 1 for p, e in zip(batch.points.positions, ends, strict=True))
        assert language.size(batch) == len(batch.points.rows) <= 3
    with pytest.raises(ConfigError, match="two tokens"):
        Language([((1,),)], LanguageConfig(), 0)


def test_own_continuations_are_seeded_and_end_before_the_end_token() -> None:
    recipe = tiny_recipe()
    model = tiny_model(recipe, awake=False)
    first = own_continuations(model, 4, 10, 0)
    assert first == own_continuations(model, 4, 10, 0) != own_continuations(model, 4, 10, 1)
    end = model.tokenizer.eos_token_id
    assert all(end not in text[0][1:] and 1 <= length(text) <= 11 for text in first)


def test_texts_from_files_are_cut_into_windows(tmp_path: Path) -> None:
    recipe = tiny_recipe(language={"tokens": 5, "texts": 3})
    model = tiny_model(recipe)
    (tmp_path / "a.txt").write_text("A country in northern Europe. " * 10, encoding="utf-8")
    texts = language_texts(recipe, model, [tmp_path / "a.txt"])
    assert len(texts) == 3
    assert all(2 <= length(text) <= 5 for text in texts)
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match=r"b\.txt"):
        language_texts(recipe, model, [tmp_path / "b.txt"])
    with pytest.raises(DataError, match=r"missing\.txt"):
        language_texts(recipe, model, [tmp_path / "missing.txt"])
    (tmp_path / "c.txt").write_text("")
    with pytest.raises(ConfigError, match="no text"):
        language_texts(recipe, model, [tmp_path / "c.txt"])


def test_the_start_is_no_distance_from_itself() -> None:
    recipe = tiny_recipe()
    model, objectives = tiny_setup(recipe)
    step = step_of(recipe, model, objectives)
    assert step(0)["language/kl"] == pytest.approx(0, abs=1e-6)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(0.3)
    assert step(0)["language/kl"] > 1e-4
