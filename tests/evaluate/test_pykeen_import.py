"""Vectors that PyKEEN trained rank here as they do there."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accord.cli.main import main
from accord.errors import AccordError
from accord.evaluate.structure import StructureScorer
from accord.graph.builder import GraphBuilder
from accord.model.pykeen import import_pykeen
from accord.model.structure import StructureVectors
from tests.conftest import build_tiny_graph
from tests.evaluate.pykeen_export import CASES, FOLDER


@pytest.mark.parametrize("name", CASES)
def test_scores_are_pykeen_s_in_both_directions(name: Any) -> None:
    graph, known = build_tiny_graph(), json.loads((FOLDER / "scores.json").read_text())[name]
    vectors = import_pykeen(FOLDER / name, graph, name, 1 if name == "transe" else 2)
    scorer = StructureScorer(vectors, graph)
    columns = graph.entities(known["entities"])
    assert len(known["triples"]) == 8
    for row, (head, relation, tail) in enumerate(_in_pykeen_s_order(known)):
        number = graph.relation(relation)
        asked = [
            [graph.entity(head), number],
            [graph.entity(tail), number + graph.num_relations],
        ]
        found = scorer.scores(np.array(asked))[:, columns]
        assert found[0].tolist() == pytest.approx(known["tail"][row], abs=1e-5)
        assert found[1].tolist() == pytest.approx(known["head"][row], abs=1e-5)


def _in_pykeen_s_order(known: Any) -> list[tuple[str, str, str]]:
    names = known["entities"]
    relations = sorted({r for _, r, _ in known["triples"]})
    return [(names[h], relations[r], names[t]) for h, r, t in known["mapped"]]


def test_the_command_makes_a_folder_that_ranks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build_tiny_graph().save(tmp_path / "graph")
    graph = ["--graph", str(tmp_path / "graph")]
    given = ["model", "import-pykeen", str(FOLDER / "rotate"), *graph]
    assert main([*given, "--interaction", "rotate", "--out", str(tmp_path / "out"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["entities"], made["relations"], made["missing"]) == (8, 5, 0)
    assert StructureVectors.load(tmp_path / "out").interaction == "rotate"
    assert main(["eval", "link-prediction", str(tmp_path / "out"), *graph, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["queries"] == 4


def harmed(tmp_path: Path, harm: str) -> tuple[Path, Any]:
    folder = tmp_path / "export"
    shutil.copytree(FOLDER / "rotate", folder)
    arrays = dict(np.load(folder / "vectors.npz"))
    kind = "rotate"
    if harm == "pickled":
        arrays["entities"] = np.array([{"a": 1}], dtype=object)
    elif harm == "fewer vectors":
        arrays["entities"] = arrays["entities"][:-1]
    elif harm == "not finite":
        arrays["relations"][0, 0] = np.nan
    elif harm == "not turned":
        arrays["relations"] *= 2
    elif harm == "another model":
        kind = "distmult"
    np.savez(folder / "vectors.npz", **arrays)
    if harm == "cut":
        (folder / "vectors.npz").write_bytes(b"PK")
    elif harm == "no map":
        (folder / "entity_to_id.tsv.gz").unlink()
    elif harm == "gap":
        with gzip.open(folder / "entity_to_id.tsv.gz", "wt") as file:
            file.write("id\tlabel\n0\tjapan\n2\ttokyo\n")
    return folder, kind


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("pickled", "no array 'entities'"),
        ("cut", "no array 'entities'"),
        ("fewer vectors", "7 and 5 vectors for 8 entities"),
        ("not finite", "expected a finite"),
        ("not turned", "not of size 1"),
        ("another model", "which distmult does not have"),
        ("no map", "map of ids is missing"),
        ("gap", "are not 0 to 1"),
    ],
)
def test_exports_that_do_not_fit(tmp_path: Path, harm: str, message: str) -> None:
    folder, kind = harmed(tmp_path, harm)
    with pytest.raises(AccordError, match=message):
        import_pykeen(folder, build_tiny_graph(), kind)


def test_vectors_of_another_graph_are_refused() -> None:
    builder = GraphBuilder("other")
    builder.triple("x", "r", "y")
    with pytest.raises(AccordError, match="none of the relations"):
        import_pykeen(FOLDER / "rotate", builder.build(), "rotate")
