"""Soft fusion: a distribution whatever was written, and weights that texts teach."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.decode.paragraph import Author
from accord.decode.pen import Pen
from accord.decode.soft import SoftFusion, SoftWeights, find_soft, fit_soft, mixture, soft_signs
from accord.errors import ConfigError, DataError
from accord.evaluate.soft_fusion import evaluate_soft_fusion, read_examples, write_soft
from accord.text.collate import tokens
from tests.conftest import build_tiny_graph
from tests.train.tiny import tiny_model, tiny_recipe

MODEL = tiny_model(tiny_recipe())
SAID = ("Japan has the capital Tokyo.", "Japan has the city Osaka.")
NAMES = ("Japan", "Tokyo", "Osaka")
LINE = {"triples": [["Japan", "capital", '"Tokyo"']], "texts": ["Tokyo is the capital of Japan."]}


def fusion(weights: SoftWeights | None = None) -> SoftFusion:
    return SoftFusion(MODEL.tokenizer, SAID, NAMES, weights)


@settings(max_examples=25)
@given(st.text(max_size=12), st.integers(0, 10**6))
def test_a_mixture_is_a_distribution(text: str, seed: int) -> None:
    written = list(tokens(MODEL.tokenizer, text))
    ahead = fusion().ahead(written)
    assert sum(ahead.shares) == pytest.approx(1) and len(set(ahead.tokens)) == len(ahead.tokens)
    logs = torch.randn(320, generator=torch.Generator().manual_seed(seed)).log_softmax(-1)
    assert float(fusion().mix(logs, written).exp().sum()) == pytest.approx(1, abs=1e-4)


def test_statements_go_on_where_they_match() -> None:
    written = list(tokens(MODEL.tokenizer, " Japan has the capital"))
    ahead = fusion().ahead(written)
    assert ahead.match == min(8, len(written))
    assert ahead.tokens == tokens(MODEL.tokenizer, " Tokyo")[:1]
    nothing = fusion().ahead([])
    assert nothing.match == 0 and len(nothing.tokens) <= 3
    empty = SoftFusion(MODEL.tokenizer, (), ())
    logs = torch.zeros(4).log_softmax(-1)
    assert torch.equal(empty.mix(logs, [1]), logs)


def test_with_all_weight_on_the_statements_they_are_written() -> None:
    pen = Pen(MODEL, "Tell:")
    said = "".join(pen.free(40, ".", fusion(SoftWeights(30.0, 0.0, 0.0))))
    assert said.strip() and any(said.strip() in text for text in SAID)
    written = list(tokens(MODEL.tokenizer, "".join(f" {text}" for text in SAID)))
    assert fusion().ahead(written).tokens == ()  # all was told


def test_the_fit_finds_the_share() -> None:
    rng = np.random.default_rng(0)
    match = rng.integers(0, 9, 6000).astype(float)
    share = 1 / (1 + np.exp(-(-2 + 0.8 * match)))
    copied = rng.random(6000) < share
    own = np.where(copied, 0.05, 0.6)
    graph = np.where(copied, 0.9, 0.0)
    signs = np.stack([np.ones(6000), match, np.full(6000, 0.0), own, graph], axis=1)
    found = fit_soft(signs)
    assert found.match == pytest.approx(0.8, abs=0.15)
    assert mixture(signs, found).mean() > mixture(signs, SoftWeights()).mean()
    with pytest.raises(DataError):
        fit_soft(np.zeros((0, 5)))


def test_signs_are_the_models_own_probabilities(tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text(json.dumps(LINE) + "\n\n", "utf-8")
    (example,) = read_examples(file)
    assert example.statements == ("The capital of Japan is Tokyo.",)
    signs = soft_signs(MODEL, example)
    whole = MODEL.score_continuations([example.prompt], [f" {example.text}"])[0]
    assert np.log(signs[:, 3]).sum() == pytest.approx(whole, abs=1e-3)
    result = evaluate_soft_fusion(MODEL, [example]).to_dict()
    assert result["nats_mixture"] < result["nats_model"] and result["n"] == 1
    assert write_soft(tmp_path / "soft.json", SoftWeights(1.0, 2.0, 3.0)).is_file()
    assert find_soft(tmp_path) == SoftWeights(1.0, 2.0, 3.0)
    assert find_soft("any") == SoftWeights()


@pytest.mark.parametrize("line", ["{", "[]", '{"triples": []}', '{"triples": [["a"]], "text": ""}'])
def test_files_that_cannot_be_read(tmp_path: Path, line: str) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text(line, "utf-8")
    with pytest.raises(DataError, match=r"texts\.jsonl"):
        list(read_examples(file))
    with pytest.raises(DataError):
        find_soft("any", file)
    with pytest.raises(DataError):
        list(read_examples(tmp_path / "none"))
    with pytest.raises(ConfigError):
        evaluate_soft_fusion(MODEL, [], limit=0)


def test_a_paragraph_with_facts_mixed_in() -> None:
    graph = build_tiny_graph()
    author = Author(graph, MODEL)
    mixed = author.write(graph.entity("sweden"), False, SoftWeights(30.0, 0.0, 0.0))
    assert mixed.statements and not mixed.guided
    assert mixed.statements[0].text in " ".join(citation.text for citation in mixed.facts)
