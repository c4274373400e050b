"""Flags and proposals on a lawful graph with one error and one gap of each kind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from accord.errors import ConfigError, DataError, GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.refine import scan as scan_module
from accord.refine.attributes import flag_attributes, form, propose_attributes
from accord.refine.calibrate import next_precision
from accord.refine.duplicates import folded, propose_duplicates
from accord.refine.folds import FoldConfig, StructureFolds, fold_numbers
from accord.refine.items import Item
from accord.refine.propose import extracted_items
from accord.refine.scan import ScanConfig, check_inputs, check_related, scan_graph
from accord.refine.steps import Steps
from tests.refine.test_rules import lawful_graph

GAP = ("t5.2", "lies_in", "k0")
ERROR = ("c3", "in", "t7.2")


@pytest.fixture(scope="module")
def spoilt() -> KnowledgeGraph:
    """The lawful graph with an error, a gap, a wrong attribute and two names for one entity."""
    lawful, builder = lawful_graph(), GraphBuilder("spoilt")
    entities, relations = list(lawful.entity_ids), list(lawful.relation_ids)
    triples = [(entities[h], relations[r], entities[t]) for h, r, t in lawful.triples.tolist()]
    for triple in [*(t for t in triples if t != GAP), ERROR]:
        builder.triple(*triple)
    for i in range(len(lawful.attributes)):
        entity = entities[int(lawful.attributes[i, 0])]
        builder.attribute(entity, "code", "none" if i == 7 else lawful.attribute_values[i])
    return builder.build()


@pytest.fixture(scope="module")
def steps(spoilt: KnowledgeGraph) -> Steps:
    return Steps.of(spoilt.triples, spoilt.num_entities, spoilt.num_relations)


def test_scan_finds_the_error_and_the_gap_with_reasons(spoilt: KnowledgeGraph) -> None:
    before = spoilt.triples.copy()
    found = scan_graph(spoilt, None, ScanConfig(least=0.2, structure=False))
    flags = [item for item in found.of_kind("flag") if not item.attribute]
    assert flags[0].triple == ERROR and flags[0].reason and flags[0].evidence
    proposals = {item.triple: item for item in found.of_kind("proposal")}
    assert GAP in proposals and "c5" in " ".join(proposals[GAP].evidence)
    assert (spoilt.triples == before).all()
    again = scan_graph(spoilt, None, ScanConfig(least=0.2, structure=False))
    assert again.items == found.items


class Knowing:
    """A text model for which head and tail fit just where the error is not."""

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.read: list[int] = []
        kinds = [entity[0] for entity in graph.entity_ids]
        self.kinds = np.array([sorted(set(kinds)).index(kind) for kind in kinds])

    def embed_entities(
        self, graph: KnowledgeGraph, entities: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float32]:
        assert entities is not None
        self.read.append(len(entities))
        found: npt.NDArray[np.float32] = np.eye(3, dtype=np.float32)[self.kinds[entities]]
        return found

    def embed_queries(
        self, graph: KnowledgeGraph, queries: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        relation = queries[:, 1] % graph.num_relations
        back = queries[:, 1] >= graph.num_relations
        first = {t[1]: (t[0], t[2]) for t in graph.triples[::-1].tolist()}
        ends = [first[int(r)][0 if b else 1] for r, b in zip(relation, back, strict=True)]
        found: npt.NDArray[np.float32] = np.eye(3, dtype=np.float32)[self.kinds[np.array(ends)]]
        return found


def test_the_text_model_reads_the_most_suspicious_alone(spoilt: KnowledgeGraph) -> None:
    model = Knowing(spoilt)
    found = scan_graph(spoilt, model, ScanConfig(structure=False, text_share=0.1))
    read = np.isfinite(found.suspicion.arms["text"])
    assert read.sum() == round(0.1 * spoilt.num_triples) and found.text
    row = int(found.suspicion.order()[0])
    head, relation, tail = found.suspicion.triples[row].tolist()
    ids = spoilt.entity_ids[head], spoilt.relation_ids[relation], spoilt.entity_ids[tail]
    assert ids == ERROR
    assert found.suspicion.arms["text"][row] == np.nanmax(found.suspicion.arms["text"])
    without = scan_graph(spoilt, None, ScanConfig(structure=False)).suspicion
    assert (found.suspicion.logits[~read] == without.logits[~read]).all()


def test_scores_of_all_triples_are_written(spoilt: KnowledgeGraph, tmp_path: Path) -> None:
    found = scan_graph(spoilt, None, ScanConfig(structure=False))
    lines = found.write(tmp_path / "scores.jsonl", spoilt).read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert sum(row["kind"] == "flag" for row in rows) == spoilt.num_triples
    assert all(0 <= row["probability"] <= 1 for row in rows)


def test_nothing_proposed_is_in_the_graph(spoilt: KnowledgeGraph, steps: Steps) -> None:
    found = scan_graph(spoilt, None, ScanConfig(structure=False)).proposals
    head, relation, tail = found.triples.T
    assert len(found.triples) and not steps.has(head, relation, tail).any()


def test_a_triple_is_scored_by_vectors_that_did_not_see_it(spoilt: KnowledgeGraph) -> None:
    config = FoldConfig(folds=2, epochs=30, dimension=8, batch_size=64, dropout=0.0)
    train = spoilt.triples.astype(np.int64)
    apart = StructureFolds.train(spoilt, config)
    inside = StructureFolds(spoilt, np.zeros(len(train), dtype=np.int64), config)
    own = inside.scores(train, inside.folds).mean()
    assert apart.scores(train, apart.folds).mean() < own - 0.5
    for fold in (0, 1):
        assert np.abs(np.bincount(apart.folds)[fold] - len(train) / 2) < 1
    assert (fold_numbers(100, 3, 0) == fold_numbers(100, 3, 0)).all()


def test_attributes_of_another_form_are_flagged(spoilt: KnowledgeGraph) -> None:
    found = flag_attributes(spoilt)
    assert [item.tail for item in found] == ["none"] and found[0].attribute


def numbers_graph(values: list[str]) -> KnowledgeGraph:
    builder = GraphBuilder("numbers")
    for i, value in enumerate(values):
        builder.triple(f"e{i}", "r", f"e{(i + 1) % len(values)}")
        builder.attribute(f"e{i}", "height", value, "http://www.w3.org/2001/XMLSchema#decimal")
    return builder.build()


def test_numbers_far_from_the_rest_are_flagged() -> None:
    usual = [str(150 + i) for i in range(40)]
    found = flag_attributes(numbers_graph([*usual, "17000", "tall"]))
    assert {item.tail for item in found} == {"17000", "tall"}
    assert flag_attributes(numbers_graph(usual)) == []


def shared_zones() -> KnowledgeGraph:
    """Towns have the zone of their land; that of one is not stated."""
    builder = GraphBuilder("shared")
    for i in range(30):
        builder.triple(f"town{i}", "part_of", f"land{i}")
        builder.attribute(f"land{i}", "zone", str(i))
        if i != 4:
            builder.attribute(f"town{i}", "zone", str(i))
    return builder.build()


def test_a_value_that_neighbours_share_is_proposed() -> None:
    graph = shared_zones()
    found = propose_attributes(graph, Steps.of(graph.triples, graph.num_entities, 1))
    assert [(item.head, item.tail) for item in found] == [("town4", "4")]


def test_entities_of_one_name_and_like_surroundings() -> None:
    builder = GraphBuilder("twice")
    for key, name in (("a", "Berners-Lee, Tim"), ("b", "Tim BERNERS LEE"), ("c", "Tim Lee")):
        builder.entity(key, name)
        builder.triple(key, "made", "web")
    builder.entity("d", "tim berners lee")
    builder.triple("d", "made", "bread")
    graph = builder.build()
    found = propose_duplicates(graph, Steps.of(graph.triples, graph.num_entities, 1))
    assert [(item.head, item.tail) for item in found] == [("a", "b")]
    assert folded("Örebro!") == folded("orebro")


def test_forms() -> None:
    assert form("SE-123 45") == form("NO-9 1") == "A-9 9" != form("no-9 1")


def test_extracted_triples_are_proposed_unless_known(
    spoilt: KnowledgeGraph, tmp_path: Path
) -> None:
    file = tmp_path / "found.jsonl"
    rows = [
        {"head": "c1", "relation": "borders", "tail": "c2"},
        {"head": "c1", "relation": "borders", "tail": "new"},
    ]
    extra = {"probability": 0.9, "sentence": "They share\u2028a border."}
    file.write_text("".join(json.dumps(r | extra, ensure_ascii=False) + "\n" for r in rows))
    found = extracted_items(spoilt, file)
    assert [item.tail for item in found] == ["new"]
    assert found[0].evidence == ("They share\u2028a border.",)
    file.write_text(file.read_text() + '{"head": "c1"\n')
    with pytest.raises(DataError, match=r"found.jsonl:3"):
        extracted_items(spoilt, file)
    with pytest.raises(DataError, match=r"none.jsonl: there is no such file"):
        check_inputs(spoilt, tmp_path / "none.jsonl", None)


def test_values_in_two_languages_are_two_finds() -> None:
    items = [
        Item("flag", "a", "name", "Berlin", 1.0, attribute=True, language=language)
        for language in ("de", "en", "de")
    ]
    assert scan_module._distinct(items) == items[:2]


def test_precision_is_told_in_the_order_of_the_queue() -> None:
    chances = [*[0.5] * 10, None, *[0.9] * 10]
    items = [Item("proposal", "a", "r", f"b{i}", 1.0, c) for i, c in enumerate(chances)]
    assert next_precision(scan_module._probabilities(items)) == {"10": pytest.approx(0.9)}


def test_a_run_of_another_graph_is_refused(spoilt: KnowledgeGraph, tmp_path: Path) -> None:
    record = {"hash": "of another", "ancestors": [], "name": "other"}
    (tmp_path / "graph.json").write_text(json.dumps(record))
    with pytest.raises(GraphError, match="'other'"):
        check_related(tmp_path, spoilt)
    (tmp_path / "graph.json").write_text(json.dumps({**record, "hash": spoilt.hash}))
    check_related(tmp_path, spoilt)
    check_related("a base model", spoilt)


def test_too_small_a_graph_and_wrong_settings(
    tiny_graph: KnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "Rules", None)  # before anything is learnt
    with pytest.raises(GraphError, match="too few"):
        scan_graph(tiny_graph, None, ScanConfig(structure=False))
    with pytest.raises(ConfigError):
        ScanConfig(least=2)
    for missing in (0.0, 1.0, 10.0):
        with pytest.raises(ConfigError, match=f"missing={missing}"):
            ScanConfig(missing=missing)
    with pytest.raises(ConfigError):
        FoldConfig(folds=0)
