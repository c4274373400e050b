"""Batched writing and scoring against one text at a time."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from accord.errors import ModelError
from accord.model import writing
from accord.model.writing import Writer
from tests.conftest import build_tiny_llama

WORDS = ["Japan", "Tokyo", "has", "the", "city", "borders", "Sweden", "a", "of", "x", "is"]


def texts(rng: random.Random, count: int, most: int, opening: str = "") -> list[str]:
    return [opening + " ".join(rng.choices(WORDS, k=rng.randint(1, most))) for _ in range(count)]


def writer(seed: int) -> tuple[Writer, Any, Any]:
    lm, tokenizer = build_tiny_llama(seed)
    return Writer(lm, tokenizer, torch.device("cpu")), lm, tokenizer


def alone(lm: Any, tokenizer: Any, prompt: str, count: int) -> str:
    """What transformers writes after one prompt, greedily."""
    ids = torch.tensor([tokenizer(prompt, add_special_tokens=False)["input_ids"]])
    out = lm.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False,
        pad_token_id=0,
    )  # fmt: skip
    return str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize("opening", ["", "Japan has the city of Tokyo and Sweden borders "])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_batch_writes_what_each_prompt_gives_alone(seed: int, opening: str) -> None:
    made, lm, tokenizer = writer(seed)
    prompts = texts(random.Random(seed), 20, 9, opening)
    expected = [alone(lm, tokenizer, prompt, 12) for prompt in prompts]
    assert made.write(prompts, 12, "") == expected
    assert len(set(expected)) > 3


def test_rows_that_end_leave_and_the_rest_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, tokenizer = writer(3)
    prompts = texts(random.Random(3), 16, 6)
    whole = made.write(prompts, 12, "")
    # Every token that some row writes first ends it: rows leave at different steps.
    made.ends = {int(tokenizer(whole[0], add_special_tokens=False)["input_ids"][1])}
    ended = made.write(prompts, 12, "")
    assert all(long.startswith(short.rstrip("�")) for long, short in zip(whole, ended, strict=True))
    assert ended != whole
    monkeypatch.setattr(writing, "SHRINK", -1.0)
    assert made.write(prompts, 12, "") == ended
    monkeypatch.setattr(writing, "ROWS", 3)
    assert made.write(prompts, 12, "") == ended


def test_a_stop_text_ends_the_answer_and_is_cut_off() -> None:
    made, _, _ = writer(1)
    prompts = texts(random.Random(1), 12, 5)
    whole = made.write(prompts, 10, "")
    stop = next(text[2:4] for text in whole if len(text) > 6 and "�" not in text)
    assert made.write(prompts, 10, stop) == [text.split(stop)[0] for text in whole]


def test_the_last_batch_may_be_one_row_and_prompts_may_repeat() -> None:
    made, _, _ = writer(0)
    prompts = ["Japan has", "Japan has", "Sweden"]
    written = made.write(prompts, 4, "\n")
    assert written[0] == written[1] and len(written) == 3
    assert made.write([], 4, "\n") == []
    assert made.write(["Sweden"], 4, "\n") == written[2:]


@pytest.mark.parametrize("opening", ["", "Japan has the city of Tokyo and Sweden borders "])
def test_scores_are_sums_over_the_continuation_alone(opening: str) -> None:
    made, lm, tokenizer = writer(2)
    rng = random.Random(2)
    some = texts(rng, 5, 8, opening)
    prompts = [rng.choice(some) for _ in range(40)]
    after = [" " + text for text in texts(rng, 39, 4)] + ["x"]

    def logprobs(hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(lm.lm_head(hidden), -1).gather(1, targets)

    found = made.score(prompts, after, logprobs)
    for prompt, continuation, score in zip(prompts, after, found, strict=True):
        first = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        second = tokenizer(continuation, add_special_tokens=False)["input_ids"]
        rows = torch.log_softmax(lm(torch.tensor([first + second])).logits[0].detach(), -1)
        expected = sum(float(rows[len(first) - 1 + i, t]) for i, t in enumerate(second))
        assert score == pytest.approx(expected, abs=1e-4)
    assert len(np.unique(found.round(4))) > 20


def test_a_shared_prompt_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, _ = writer(0)
    read = 0
    run = made.run

    def counted(**inputs: Any) -> Any:
        nonlocal read
        read += int(inputs["input_ids"].numel())
        return run(**inputs)

    monkeypatch.setattr(made, "run", counted)
    made.score(["Japan has the city"] * 50, ["x"] * 50, lambda h, t: torch.zeros(len(h), 1))
    assert read < 50


def test_texts_without_tokens_or_past_the_context_are_refused() -> None:
    made, _, _ = writer(0)
    with pytest.raises(ModelError, match="empty text"):
        made.write([""], 3, "\n")
    with pytest.raises(ModelError, match="the model reads 256"):
        made.score(["Japan " * 300], [" x"], lambda h, t: torch.zeros(len(h), 1))
    with pytest.raises(ModelError, match="empty text"):
        made.score(["Japan"], [""], lambda h, t: torch.zeros(len(h), 1))
