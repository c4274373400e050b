"""The embedded 135M model on real data: it reads, writes and learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.real_model


def test_the_embedded_model_knows_a_capital() -> None:
    from accord.model.saving import load_model

    model = load_model("smollm2-135m-q4", "cpu")
    assert "Paris" in model.generate(["The capital of France is"], 6)[0]
    scores = model.score_continuations(["The capital of France is"] * 2, [" Paris", " London"])
    assert scores[0] > scores[1]


def test_aligning_with_umls_lifts_ranking_and_writing_works(
    accord_data: Path, tmp_path: Path
) -> None:
    from accord.api import load_graph, load_model, train_run
    from accord.evaluate.link_prediction import LinkPredictionConfig, evaluate_link_prediction

    graph = load_graph("umls")
    fewer = ["steps=6", "validate_every=0", "share=0.01", "language.texts=4", "completion.rows=4"]
    fewer += ["query=text", "learning_rate=5e-4"]  # pairs read as one text have a closed form
    train_run("umls", "umls", tmp_path / "run", overrides=fewer, device="cpu")
    config = LinkPredictionConfig(limit=100)
    after = evaluate_link_prediction(load_model(tmp_path / "run", "cpu"), graph, config)
    assert after.mrr > 0.4  # 0.06 untrained; the closed-form start alone gives 0.5 and more
    names = load_model(tmp_path / "run", "cpu").complete_names(
        graph, np.array([[0, 0], [1, 50]]), 8
    )
    assert len(names) == 2
