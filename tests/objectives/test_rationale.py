"""The rationale objective: closed forms, divergences against brute force, one reading a text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.config import to_toml
from accord.errors import ConfigError
from accord.evaluate.by_run import mode_of
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.model import load
from accord.model.saving import trainable
from accord.objectives.base import Teacher, TeacherOutput
from accord.objectives.language import divergence
from accord.objectives.rationale import Part, Rationale, RationaleConfig, Text, teacher_right
from accord.text.examples import Sequence, length
from accord.text.qa_prompts import question_prompt
from accord.text.questions import Hop, Question
from accord.train.fact_texts import fact_texts
from accord.train.questions import questions_of
from accord.train.setup import attach_cache
from accord.train.start import measure_teacher
from tests.train.tiny import (
    ALL_PARTS,
    QUESTIONS,
    assert_same,
    gradients,
    one_step,
    step_of,
    tiny_recipe,
    tiny_setup,
)

seeds = st.integers(0, 10**6)
OFF: dict[str, Any] = {name: {"weight": 0.0} for name in ("contrastive", "completion", "language")}


def setup_of(**parts: Any) -> Any:
    """Recipe, model and objectives that learn from questions alone."""
    model = parts.pop("model", None)
    recipe = tiny_recipe(model, **OFF, rationale={"weight": 1.0, **parts})
    return recipe, *tiny_setup(recipe, questions=QUESTIONS)


def logs(seed: int, rows: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, rows, size, generator=generator, dtype=torch.float64) * 2
    first, second = logits.log_softmax(-1)
    return first, second


def brute(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return (first.exp() * (first - second)).sum(-1)


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(2, 12), st.integers(1, 11), st.booleans())
def test_the_divergence_is_that_of_the_events(seed: int, size: int, k: int, reverse: bool) -> None:
    teacher, student = logs(seed, 5, size)
    k = min(k, size - 1)
    top = teacher.topk(k, dim=-1)
    rest = torch.ones_like(teacher).scatter(-1, top.indices, 0)

    def events(values: torch.Tensor) -> torch.Tensor:
        other = (values.exp() * rest).sum(-1, keepdim=True).log()
        return torch.cat([values.gather(-1, top.indices), other], dim=-1)

    pair = (events(student), events(teacher)) if reverse else (events(teacher), events(student))
    chosen = student.gather(-1, top.indices)
    found = divergence(top.values, chosen, reverse)
    torch.testing.assert_close(found, brute(*pair), atol=1e-5, rtol=1e-4)
    whole = brute(student, teacher) if reverse else brute(teacher, student)
    assert (found <= whole + 1e-5).all()
    assert (found >= -1e-5).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_with_the_whole_vocabulary_it_is_the_true_divergence(reverse: bool) -> None:
    teacher, student = logs(3, 6, 9)
    top = teacher.topk(9, dim=-1)
    found = divergence(top.values, student.gather(-1, top.indices), reverse)
    whole = brute(student, teacher) if reverse else brute(teacher, student)
    torch.testing.assert_close(found, whole)
    torch.testing.assert_close(divergence(top.values, top.values, reverse), torch.zeros(6).double())


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("weights", ["start", "current"])
def test_the_step_gives_the_divergence_of_the_two_prompts(
    direction: str, temperature: float, weights: str
) -> None:
    recipe, model, objectives = setup_of(
        answer=0.0, kl=1.0, direction=direction, temperature=temperature, teacher=weights, top_k=999
    )
    step = step_of(recipe, model, objectives)
    with torch.no_grad():
        for parameter in trainable(model).values():
            parameter.add_(0.05)
    objective = objectives[0][0]
    log = step(0)
    found = gradients(model, objectives)
    batch = objective.batch(0)

    def full(part: Part) -> torch.Tensor:
        hidden = model.reader.last_hidden(part.sequences)
        states = hidden[part.points.rows, part.points.positions]
        logits: torch.Tensor = load.output_weights(model.lm)(states).float()
        return torch.log_softmax(logits / temperature, dim=-1)

    with torch.no_grad():
        if weights == "start":
            with step.first_weights():
                taught = full(batch.parts["teacher"])
        else:
            taught = full(batch.parts["teacher"])
    student = full(batch.parts["student"])
    pair = (student, taught) if direction == "reverse" else (taught, student)
    each = brute(*pair)
    mean = torch.stack(
        [each[batch.parts["student"].points.rows == row].mean() for row in range(batch.items)]
    ).mean()
    assert log["rationale/kl"] == pytest.approx(float(mean.detach()), rel=1e-4, abs=1e-6)
    assert log["rationale/loss"] == pytest.approx(temperature**2 * float(mean.detach()), rel=1e-4)
    (temperature**2 * mean).backward()  # type: ignore[no-untyped-call]
    assert_same(gradients(model, objectives), found, 1e-4)


def test_cross_entropies_are_means_over_questions_of_means_over_tokens() -> None:
    recipe, model, objectives = setup_of(answer_with=0.3, write=0.2, facts=0.4, rows=4)
    objective: Rationale = objectives[0][0]
    log, _ = one_step(recipe, model, objectives)
    batch = objective.batch(0)
    for name in ("answer", "answer_with", "write", "facts"):
        part = batch.parts[name]
        expected = 0.0
        for row, sequence in enumerate(part.sequences):
            positions = part.points.positions[part.points.rows == row]
            ids = torch.tensor(sequence)
            with torch.no_grad():
                out = model.lm(input_ids=ids).logits[0].log_softmax(-1)
            learnt = [-float(out[at, sequence[0][at + 1]]) for at in positions]
            assert positions[-1] == length(sequence) - 2
            expected += sum(learnt) / len(learnt)
        count = 2 if name == "facts" else 4
        assert log[f"rationale/{name}"] == pytest.approx(expected / count, rel=1e-4), name
    parts = {"answer": 1.0, "answer_with": 0.3, "write": 0.2, "facts": 0.4}
    total = sum(weight * log[f"rationale/{name}"] for name, weight in parts.items())
    assert log["rationale/loss"] == pytest.approx(total, rel=1e-5)


def test_what_is_learnt_is_what_evaluation_asks_for() -> None:
    _, model, objectives = setup_of(answer_with=1.0, write=1.0, kl=1.0)
    objective: Rationale = objectives[0][0]
    decode = model.tokenizer.decode
    item, asked = objective.items[0], QUESTIONS[0]
    plain, shown, told = item.plain, item.shown, item.told
    assert shown is not None and told is not None
    assert decode(plain.sequence[0][: plain.given]) == question_prompt(asked.question)
    assert decode(plain.sequence[0][plain.given :]) == " Tokyo</s>"
    assert decode(shown.sequence[0][: shown.given]) == question_prompt(
        asked.question, asked.rationale
    )
    assert decode(shown.sequence[0][shown.given :]) == " Tokyo</s>"
    assert decode(told.sequence[0][told.given :]) == (
        f"\nRationale: {asked.rationale}\nAnswer: Tokyo</s>"
    )
    assert told.sequence == shown.sequence, "one reading serves both"
    student, teacher = (objective.batch(0).parts[name] for name in ("student", "teacher"))
    assert torch.equal(student.targets, teacher.targets)
    assert int(model.tokenizer.eos_token_id) not in student.targets.tolist()
    request = objective.requests(objective.batch(0))["teacher"]
    assert isinstance(request, Teacher) and request.given is not None
    for row, given_tokens in enumerate(request.given):
        first = min(teacher.points.positions[teacher.points.rows == row])
        assert first == given_tokens - 1


def test_each_text_is_read_once_and_the_start_teacher_once_in_a_run() -> None:
    recipe, model, objectives = setup_of(**ALL_PARTS, rows=4, fact_rows=4)
    step = step_of(recipe, model, objectives)
    read: list[Sequence] = []
    real = model.reader.states_at

    def counted(sequences: list[Sequence], *places: Any) -> torch.Tensor:
        read.extend(sequences)
        states: torch.Tensor = real(sequences, *places)
        return states

    model.reader.states_at = counted
    first = step(0)
    taught = len(objectives[0][0].batch(0).parts["teacher"].sequences)
    assert len(read) == len(set(read)) + taught
    assert first["tokens"] == sum(map(length, read[:-taught]))
    asked = len(read)
    step(1)  # the same four questions in another order
    assert len(read) - asked == asked - taught


def test_the_teacher_counts_only_where_it_is_right() -> None:
    recipe, model, objectives = setup_of(answer=0.0, kl=1.0, only_right=True)
    log, found = one_step(recipe, model, objectives)
    assert log["rationale/teacher_right"] == 0
    assert log["rationale/loss"] == 0
    assert log["rationale/kl"] > 0
    assert all(not g.any() for g in found.values())


def test_a_teacher_is_right_where_all_its_tokens_are() -> None:
    texts = [Text(((1, 2, 3, 4),), 1), Text(((1, 5, 6),), 1)]
    part = Part.of(texts, end=False)
    assert part.targets.tolist() == [2, 3, 5]
    tokens = torch.tensor([[2, 0], [9, 3], [5, 1]])
    assert teacher_right(part, TeacherOutput(tokens, tokens.float())).tolist() == [0, 1]


def test_the_weight_rises_over_a_share_of_the_steps() -> None:
    recipe = tiny_recipe(
        **OFF,
        rationale={"weight": 1.0, "kl": 0.8, "anneal": 0.5},
        loop={"steps": 8, "accumulation": 2},
    )
    objective: Any = tiny_setup(recipe, questions=QUESTIONS)[1][0][0]
    found = [objective.batch(step).kl for step in range(12)]
    assert found[:8] == pytest.approx([0.1 * n for n in range(1, 9)])
    assert found[8:] == [0.8] * 4


def test_small_batches_add_up_to_a_large_one() -> None:
    recipe, model, objectives = setup_of(**ALL_PARTS, rows=4, fact_rows=4)
    _, large = one_step(recipe, model, objectives, 0)
    small = tiny_recipe(
        **OFF, rationale={**ALL_PARTS, "rows": 1, "fact_rows": 1}, loop={"accumulation": 4}
    )
    _, parts = tiny_setup(small, questions=QUESTIONS)
    step = step_of(small, model, parts)
    for number, scale in enumerate(step.scales(range(4))):
        assert scale == {"rationale": 0.25}
        step(number, scale)
    assert_same(large, gradients(model, parts))


@pytest.mark.parametrize("weights", ["start", "current"])
@pytest.mark.parametrize("reading", ["full", "segments"])
def test_kept_frozen_layers_give_the_same_gradient(
    weights: str, reading: str, tmp_path: Path
) -> None:
    recipe, model, objectives = setup_of(
        **ALL_PARTS, teacher=weights, model={"freeze_layers": 2, "reading": reading}
    )
    log, anew = one_step(recipe, model, objectives, 1)
    assert attach_cache(recipe, model, objectives, tmp_path) > 0
    model.reader.read_pieces = lambda _: pytest.fail("not in the cache")
    again, kept = one_step(recipe, model, objectives, 1)
    assert_same(anew, kept)
    assert again == pytest.approx(log, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("rows", "steps"), [(1, 2), (2, 3), (4, 9)])
def test_what_a_run_reads_beforehand_is_what_its_steps_ask_for(rows: int, steps: int) -> None:
    recipe = tiny_recipe(
        **OFF,
        rationale={**ALL_PARTS, "rows": rows, "fact_rows": rows, "fact_form": "both"},
        loop={"steps": steps},
    )
    objective: Any = tiny_setup(recipe, questions=QUESTIONS)[1][0][0]
    batches = [objective.batch(step) for step in range(objective.batches)]
    asked = {s for batch in batches for part in batch.parts.values() for s in part.sequences}
    assert asked == set(objective.sequences())
    everything = len(objective.items) <= rows * steps and len(objective.facts) <= rows * steps
    assert everything == (rows == 4)


def test_gradient_caching_gives_the_gradient_of_kept_graphs() -> None:
    parts = {**ALL_PARTS, "teacher": "current"}
    kept, model, objectives = setup_of(**parts)
    _, first = one_step(kept, model, objectives)
    cut = tiny_recipe(**OFF, rationale=parts, loop={"keep_tokens": 1, "chunk_tokens": 60})
    _, second = one_step(cut, model, objectives)
    assert_same(first, second)


def test_facts_are_learnt_as_answers_and_in_both_places_of_a_rationale() -> None:
    _, model, alone = setup_of(facts=1.0)
    _, _, both = setup_of(facts=1.0, fact_form="both")
    facts, decode = both[0][0].facts, model.tokenizer.decode
    answers = facts[::3]
    assert answers == alone[0][0].facts
    subjects = []
    for answer, *said in zip(answers, facts[1::3], facts[2::3], strict=True):
        right = decode(answer.sequence[0]).removesuffix("</s>").split("\nAnswer: ")[1]
        for text in said:
            learnt = decode(text.sequence[0][text.given :])
            # All answers are learnt, and nothing else; the text goes on behind them.
            assert learnt.strip(" .").replace(" and ", ", ").split(", ") == right.split("; ")
            assert not learnt.endswith("</s>")
        first, second = (
            decode(text.sequence[0][: text.given]).split("\nRationale: ") for text in said
        )
        subjects.append(first[1])
        assert second[1].endswith(f". {first[1]}")
        names = [name for name in ("Japan", "Osaka", "Tōkyō", "Peru") if first[1].startswith(name)]
        assert all(name in first[0] for name in names), "the first step's question names it"
    first = QUESTIONS[0].rationale.split(". ")[0]
    assert any(first.startswith(subject) for subject in subjects), "worded as rationales are"


def chain_graph(starts: str = "ax") -> KnowledgeGraph:
    builder = GraphBuilder("chain")
    builder.relation("in", "lies in", "holds")
    builder.relation("of", "is part of", "has the part")
    for head in starts:
        builder.triple(head, "in", "b")
    builder.triple("b", "of", "c")
    return builder.build()


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_leads_to_a_fact_is_no_two_steps_of_a_held_out_question(split: str) -> None:
    recipe, model, _ = setup_of(facts=1.0)
    config = replace(recipe.rationale, fact_form="both")
    path = (Hop("a", "in", "b"), Hop("b", "of", "c"))
    known = Question("1", "?", ("c",), paths=(path,), split=split)
    more = (Hop("x", "in", "b"), Hop("b", "of", "c", False), Hop("b", "in", "a", True))
    every = [known, Question("2", "?", ("a",), paths=(more[:1], more[2:]), split="train")]
    seen = set()
    for seed in range(20):
        texts = fact_texts(model, chain_graph(), every, config, seed)
        said = [model.tokenizer.decode(text.sequence[0]) for text in texts[2::3]]
        seen |= {text.split("Rationale: ")[1] for text in said if text.endswith("part of c.")}
    assert seen == {f"{a} lies in b. b is part of c." for a in "ax" if (split, a) != ("test", "a")}


@pytest.mark.parametrize("seed", range(8))
def test_where_nothing_may_lead_to_a_fact_no_other_gives_it_away(seed: int) -> None:
    recipe, model, _ = setup_of(facts=1.0)
    config = replace(recipe.rationale, fact_form="both")
    path = (Hop("a", "in", "b"), Hop("b", "of", "c"))
    every = [Question("1", "?", ("c",), paths=(path,), split="test")]
    texts = fact_texts(model, chain_graph("a"), every, config, seed)
    said = [
        model.tokenizer.decode(text.sequence[0]).split("Rationale: ")[1] for text in texts[2::3]
    ]
    (last,) = (text for text in said if text.endswith("b is part of c."))
    assert last == "b is part of c.", "not behind itself, nor behind the test's own first step"


def test_facts_are_the_paths_hops_first_and_then_the_relations_of_the_graph() -> None:
    _, model, objectives = setup_of(facts=1.0)
    texts = [model.tokenizer.decode(fact.sequence[0]) for fact in objectives[0][0].facts]
    assert any("Japan" in text and text.endswith("Answer: Tōkyō</s>") for text in texts)
    assert not any("loves" in text for text in texts), "no path walks along it"
    first = [text for text in texts[:2] if "Osaka" in text or "Japan" in text]
    assert len(first) == 2
    _, model, objectives = setup_of(facts=1.0, fact_limit=1)
    assert len(objectives[0][0].facts) == 1


def test_facts_that_are_worded_alike_are_learnt_once_with_all_their_answers() -> None:
    recipe, model, _ = setup_of(facts=1.0)
    builder = GraphBuilder("map")
    builder.relation("borders", "borders", "borders")
    builder.triple("Peru", "borders", "Chile")
    builder.triple("Chile", "borders", "Argentina")
    path = (Hop("Peru", "borders", "Chile", True),)
    asked = Question("1", "?", ("Peru",), ("Chile",), paths=(path,))
    facts = fact_texts(model, builder.build(), [asked], recipe.rationale, 0)
    texts = [model.tokenizer.decode(fact.sequence[0]) for fact in facts]
    assert len(set(texts)) == len(texts) == 3
    assert "What borders Chile?" in texts[0]
    assert "Peru" in texts[0] and "Argentina" in texts[0]


def test_a_run_is_asked_as_it_has_learnt_to_answer(tmp_path: Path) -> None:
    assert mode_of(tmp_path) == mode_of("smollm2-135m-q4") == "direct"
    for write, mode in ((0.3, "direct"), (0.5, "rationale-written")):
        recipe = tiny_recipe(rationale={"weight": 1.0, "answer": 0.3, "write": write})
        (tmp_path / "config.toml").write_text(to_toml(recipe), encoding="utf-8")
        assert mode_of(tmp_path) == recipe.rationale.mode == mode


def test_the_teacher_is_measured_as_it_would_write() -> None:
    recipe, model, objectives = setup_of(kl=1.0)
    step = step_of(recipe, model, objectives)
    objective: Rationale = objectives[0][0]
    assert measure_teacher(step, objective, None) == 0.0
    prompts = [question_prompt(q.question, q.rationale) for q in QUESTIONS if q.rationale]
    assert not any(w.strip() == "Tokyo" for w in model.generate(prompts, 4))
    shown = sum(item.shown is not None for item in objective.items)
    assert shown == 3, "valid questions are never taught, one has no rationale"


def test_the_context_may_be_no_more_than_the_answer() -> None:
    _, model, objectives = setup_of(kl=1.0, context="answer")
    items = objectives[0][0].items
    assert all(item.shown for item in items)
    assert "Rationale: The answer is Tokyo; Osaka.\n" in model.tokenizer.decode(
        items[1].shown.sequence[0]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 0}, "rationale.rows is 0"),
        ({"kl": -1.0}, "rationale.kl is -1.0"),
        ({"tokens": 7}, "rationale.tokens is 7"),
        ({"temperature": 0.0}, "temperature"),
        ({"anneal": 1.5}, "anneal"),
        ({"weight": 1.0, "answer": 0.0}, "every part"),
    ],
)
def test_settings_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RationaleConfig(**change)


def test_questions_that_cannot_be_learnt() -> None:
    recipe = tiny_recipe(**OFF, rationale={"weight": 1.0, "kl": 1.0})
    with pytest.raises(ConfigError, match="has a rationale"):
        tiny_setup(recipe, questions=QUESTIONS[3:4])
    with pytest.raises(ConfigError, match="split train"):
        tiny_setup(recipe, questions=QUESTIONS[4:])
    with pytest.raises(ConfigError, match="no question"):
        tiny_setup(recipe)
    short = tiny_recipe(**OFF, rationale={"weight": 1.0, "tokens": 8})
    with pytest.raises(ConfigError, match="no question"):
        tiny_setup(short, questions=QUESTIONS)
    none = tiny_recipe({"adapter": "none"}, **OFF, rationale={"weight": 1.0})
    with pytest.raises(ConfigError, match="adapter=none"):
        tiny_setup(none, questions=QUESTIONS)


def test_without_splits_every_question_is_train() -> None:
    from dataclasses import replace

    bare = [replace(question, split="") for question in QUESTIONS]
    assert questions_of(bare, "train") == bare
    assert questions_of(bare, "valid") == []
    assert [q.id for q in questions_of(QUESTIONS, "valid")] == ["5"]
