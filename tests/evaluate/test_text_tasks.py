"""Few-shot episodes, triples out of bare text, texts longer than the model: closed forms."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accord.api import train_run
from accord.errors import ConfigError
from accord.evaluate.extractor import Extractor
from accord.evaluate.few_shot import evaluate_few_shot
from accord.evaluate.relations import evaluate_relations, holding
from accord.evaluate.text_triples import (
    DocumentTriples,
    best_threshold,
    read_documents,
    text_scores,
)
from accord.objectives.spans import SpansConfig
from accord.text.annotated import read_annotated
from accord.text.corpora import with_types
from accord.train.extraction import gather_examples
from tests.conftest import build_tiny_graph
from tests.objectives.test_relations_and_linking import kelm_recipe
from tests.train.test_held_out import line
from tests.train.tiny import tiny_project

LINES = [
    line("Osaka is in Japan.", "train", "Osaka", "Japan"),
    line("Sweden has no Osaka.", "train", "Sweden", "Osaka"),
    line("Japan is far. " * 60, "test", "Japan"),
    line("Norway lies in Sweden.", "test", "Norway", "Sweden"),
]


def test_episodes_of_features_that_tell_and_that_do_not() -> None:
    rng = np.random.default_rng(0)
    relations = np.repeat(np.arange(6), 8)
    telling = np.eye(6, dtype=np.float32)[relations] + rng.normal(0, 0.01, (48, 6))
    right = evaluate_few_shot(telling.astype(np.float32), relations, 5, 1, 50, 0)
    assert right.to_dict() == {
        "ways": 5, "shots": 1, "episodes": 50, "accuracy": 1.0, "half_width": 0.0,
    }  # fmt: skip
    noise = rng.normal(size=(48, 6)).astype(np.float32)
    found = evaluate_few_shot(noise, relations, 5, 5, 400, 0).to_dict()
    assert 0.1 < found["accuracy"] < 0.32 and found["half_width"] > 0
    again = evaluate_few_shot(noise, relations, 5, 5, 400, 0)
    assert again.to_dict() == found
    with pytest.raises(ConfigError, match="5-way 8-shot"):
        evaluate_few_shot(noise, relations, 5, 8, 1, 0)


def test_scores_of_bare_texts_by_hand() -> None:
    japan, osaka = frozenset({"japan", "nippon"}), frozenset({"osaka"})
    first = DocumentTriples(
        ((osaka, "in", japan), (japan, "has", osaka)),
        (
            (("osaka", "in", "nippon"), 0.9),
            (("osaka", "in", "japan"), 0.4),
            (("a", "in", "b"), 0.2),
        ),
    )
    assert first.counts(0.5).tolist() == [1, 1, 2] and first.counts(0.3).tolist() == [1, 2, 2]
    assert text_scores([first], 0.5) == pytest.approx(
        {"precision": 1.0, "recall": 0.5, "f1": 2 / 3}
    )
    assert 0.4 < best_threshold([first]) <= 0.9


def test_at_most_one_relation_holds_in_a_text_of_one_fact() -> None:
    margins = np.array([[0.5, 2.0], [-1.0, 1.0]], dtype=np.float32)
    assert holding(margins, single=True).tolist() == [[False, True], [False, False]]
    assert holding(margins, single=False).tolist() == [[True, True], [False, True]]
    assert not holding(-np.abs(margins), single=True).any()


def test_bare_texts_and_those_too_long_are_measured(tmp_path: Path) -> None:
    data = tmp_path / "own.jsonl"
    data.write_text("\n".join(map(json.dumps, LINES)), encoding="utf-8")
    recipe = kelm_recipe(spans=SpansConfig(weight=1.0, rows=2, width=8), descriptions=False)
    recipe = replace(recipe, linking=replace(recipe.linking, weight=0.0))
    short = replace(recipe, loop=replace(recipe.loop, steps=2))
    graph = build_tiny_graph()
    texts = [e.mentions.text for e in gather_examples(short, graph, [str(data)], [])]
    assert texts == [row["text"] for row in LINES[:2]]  # no descriptions among them
    train_run(**tiny_project(tmp_path, short), out=tmp_path / "run", data=[data])
    extractor = Extractor.open(tmp_path / "run")
    test = [e for e in with_types(read_annotated(data)) if e.split == "test"]
    judged = [replace(e, asked=e.asked or ((0, 0),)) for e in test]
    found = evaluate_relations(extractor, judged, "own", "test")
    assert found.unread == 1 == found.to_dict()["unread"] and found.found[0] == frozenset()
    assert len(found.examples) == 2
    documents = read_documents(extractor, test)
    assert [len(d.stated) for d in documents] == [0, 1]
    norway, sweden = frozenset({"norway"}), frozenset({"sweden"})
    assert documents[1].stated == ((norway, "city_of", sweden),)
    assert all(0.05 <= sure <= 1 for d in documents for _, sure in d.found)
