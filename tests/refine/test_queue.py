"""The queue: states, provenance, decisions by keyboard, by file and by probability."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from accord.errors import ConfigError, DataError, GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import XSD
from accord.graph.patches import Statement
from accord.graph.query import query_graph
from accord.refine.entry import Decision, item_id
from accord.refine.items import Item
from accord.refine.patch import apply_patch
from accord.refine.queue import Added, Queue, add, rollback_patch
from accord.refine.queue_files import COLUMNS, Taken, export_queue, take_file
from accord.refine.review import describe, review
from tests.conftest import REPOSITORY
from tests.refine.test_patch import export

FLAG = Item("flag", "japan", "has_city", "tokyo", 2.0, 0.9, "for the test", ("a → b", 'x "y"\n,'))
PROPOSAL = Item("proposal", "osaka", "borders", "sweden", 1.0, 0.6)
ATTRIBUTE = Item("proposal", "tokyo", "area", "21", 0.5, attribute=True, datatype=XSD + "integer")
ITEMS = [ATTRIBUTE, PROPOSAL, FLAG]


@pytest.fixture
def queue(folder: Path, tiny_graph: KnowledgeGraph) -> Iterator[Queue]:
    assert add(folder, ITEMS, "runs/a", tiny_graph) == Added(3, 0, 0)
    with Queue(folder, "anna") as opened:
        yield opened


def verdict(item: Item, kind: Any, statement: tuple[str, str, str] | None = None) -> Decision:
    return Decision(item_id(item), kind, statement)


def test_items_come_back_likeliest_first(queue: Queue, tiny_graph: KnowledgeGraph) -> None:
    entries = queue.entries()
    assert [entry.item for entry in entries] == [FLAG, PROPOSAL, ATTRIBUTE]
    assert {(e.run, e.graph, e.state, e.who) for e in entries} == {
        ("runs/a", tiny_graph.hash, "proposed", "")
    }


def test_what_was_decided_is_not_proposed_again(queue: Queue, tiny_graph: KnowledgeGraph) -> None:
    queue.decide([verdict(FLAG, "reject"), verdict(PROPOSAL, "accept")])
    better = [replace(item, score=9.0, reason="again") for item in ITEMS]
    assert queue.add(better, "runs/b", tiny_graph) == Added(0, 1, 2)
    assert [(e.item.score, e.run) for e in queue.entries()] == [(9.0, "runs/b")]
    assert queue.entry(item_id(FLAG)).item == FLAG
    # A change of mind.
    queue.decide([verdict(FLAG, "accept")])
    assert [e.item for e in queue.entries("accepted")] == [FLAG, PROPOSAL]


def test_the_contrary_of_what_was_accepted_is_not_proposed(
    queue: Queue, tiny_graph: KnowledgeGraph
) -> None:
    queue.decide([verdict(FLAG, "edit", ("japan", "has_city", "osaka"))])
    contrary = [
        replace(FLAG, kind="proposal"),
        replace(FLAG, tail="osaka"),
        replace(PROPOSAL, kind="flag"),
    ]
    assert queue.add(contrary, "runs/b", tiny_graph) == Added(1, 0, 2)
    queue.decide([verdict(PROPOSAL, "accept")])
    assert queue.add(contrary, "runs/c", tiny_graph) == Added(0, 0, 3)


def test_accepted_items_become_a_patch_and_rollback_opens_them_again(
    folder: Path, tiny_graph: KnowledgeGraph
) -> None:
    before = export(folder)
    add(folder, ITEMS, "run", tiny_graph)
    assert export(folder) == before  # a proposal is not an assertion
    with Queue(folder, "anna") as queue:
        tail = ("sweden", "has_city", "tokyo")
        queue.decide([verdict(FLAG, "edit", tail), verdict(PROPOSAL, "accept")])
        patch = queue.patch("note")
    old, new = Statement(*FLAG.triple), Statement(*tail)
    assert set(patch.add) == {new, Statement(*PROPOSAL.triple)} and patch.remove == (old,)
    done = apply_patch(folder, patch)
    with Queue(folder) as queue:
        assert queue.patch().add == () == queue.patch().remove  # nothing is left to do
    rollback_patch(folder, done.entry.id)
    assert export(folder) == before
    with Queue(folder) as queue:
        assert queue.entries("accepted") == [] and len(queue.entries()) == 3
        edited = queue.entry(item_id(FLAG))
        assert (edited.item.replaces, edited.item.triple) == (FLAG.triple, tail)


def test_contradicting_items_change_nothing(queue: Queue, tiny_graph: KnowledgeGraph) -> None:
    other = Item("proposal", *FLAG.triple, 1.0)
    queue.add([other], "run", tiny_graph)
    queue.decide([verdict(FLAG, "accept"), verdict(other, "accept")])
    assert queue.patch().add == () == queue.patch().remove


def test_sparql_asks_the_provenance(queue: Queue) -> None:
    queue.decide([verdict(FLAG, "reject")])
    queue.close()
    rows = query_graph(
        queue.folder,
        "PREFIX prov: <http://www.w3.org/ns/prov#> SELECT ?graph ?who ?score ?run { GRAPH ?graph {"
        " ?item prov:wasGeneratedBy/<urn:accord:term:run> ?run ; <urn:accord:term:score> ?score ."
        " ?review prov:used ?item ; prov:wasAssociatedWith ?who . :japan :has_city :tokyo } }",
    )["results"]["bindings"]
    assert [{key: value["value"] for key, value in row.items()} for row in rows] == [
        {
            "graph": f"urn:accord:rejected:{item_id(FLAG)}",
            "who": "urn:accord:reviewer:anna",
            "score": "2",
            "run": "runs/a",
        }
    ]


def test_above_takes_only_what_is_likely_enough(queue: Queue) -> None:
    queue.decide(queue.above(0.6))
    assert [e.item for e in queue.entries("accepted")] == [FLAG, PROPOSAL]
    assert [e.item for e in queue.entries()] == [ATTRIBUTE]
    with pytest.raises(ConfigError, match="not in 0 to 1"):
        queue.above(95)


def test_the_queue_is_listed_once_however_many_decisions(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    real = queue.store.graphs

    def listing(prefix: str) -> list[str]:
        listed.append(prefix)
        return real(prefix)

    monkeypatch.setattr(queue.store, "graphs", listing)
    assert len(queue.decide([verdict(item, "accept") for item in ITEMS])) == 3
    assert len(listed) == 3, "once a state"


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_file_goes_out_and_into_another_queue(
    suffix: str, queue: Queue, tmp_path: Path, tiny_graph: KnowledgeGraph
) -> None:
    queue.decide(
        [verdict(FLAG, "edit", ("japan", "borders", "tokyo")), verdict(PROPOSAL, "reject")]
    )
    file = tmp_path / f"queue{suffix}"
    assert export_queue(queue, file) == 3
    entries = queue.entries(None)
    assert take_file(queue, file) == Taken(0, 0, 3), "the same queue: nothing new"
    assert queue.entries(None) == entries
    add(tmp_path / "other", [], "none", tiny_graph)
    with Queue(tmp_path / "other", "ben") as other:
        assert take_file(other, file) == Taken(0, 3, 0)
        assert other.entries(None) == entries


def decisions(folder: Path, *rows: dict[str, Any]) -> Path:
    file = folder / "decisions.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return file


def test_a_file_decides_by_id(queue: Queue, tmp_path: Path) -> None:
    rows = [
        {"id": item_id(FLAG), "verdict": "Reject"},
        {"id": item_id(PROPOSAL), "verdict": ""},
        {"id": item_id(ATTRIBUTE), "verdict": "edit", "head": "tokyo", "relation": "area"},
    ]
    with pytest.raises(DataError, match=r"jsonl:3.*does not say"):
        take_file(queue, decisions(tmp_path, *rows))
    rows[2]["tail"] = "22"
    assert take_file(queue, decisions(tmp_path, *rows)) == Taken(2, 0, 1)
    assert queue.entry(item_id(ATTRIBUTE)).item == replace(ATTRIBUTE, tail="22")
    assert queue.entry(item_id(FLAG)).who == "anna"


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"verdict": "acept"}, "jsonl:2: unknown verdict 'acept'\n.*'accept'"),
        ({"id": "nobody", "verdict": "accept"}, "jsonl:2: the queue has no item 'nobody'"),
        (
            {"id": "nobody", **PROPOSAL.to_dict()},
            "jsonl:2: the queue has no item 'nobody', and that is not the id",
        ),
        ({"head": "a", "relation": "b", "tail": "c", "verdict": "accept"}, "jsonl:2: the row says"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_kept(
    second: dict[str, Any], message: str, queue: Queue, tmp_path: Path
) -> None:
    first = {"id": item_id(FLAG), "verdict": "accept"}
    file = decisions(tmp_path, first, {"id": item_id(PROPOSAL), **second})
    with pytest.raises(DataError, match=message):
        take_file(queue, file)
    assert len(queue.entries()) == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("q.jsonl", "{}\nnot json\n", "q.jsonl:1: the row has no id"),
        ("q.jsonl", "\nnot json\n", "q.jsonl:2: not JSON"),
        ("q.jsonl", "[]\n", "q.jsonl:1: a row is an object"),
        ("q.csv", "a,b\n1,2\n", "q.csv:1: the first row must name"),
        ("q.csv", "id,verdict\n1\n", "q.csv:2: the row has another number"),
        (
            "q.csv",
            "id,verdict,head,relation,tail,score\n1,,a,b,c,x\n",
            "q.csv:2: score is 'x', not",
        ),
        ("q.xlsx", "", "suffix '.xlsx'"),
    ],
)
def test_files_that_are_no_queue(
    name: str, text: str, message: str, queue: Queue, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        take_file(queue, tmp_path / name)


def sheet(
    queue: Queue, file: Path, *, delimiter: str = ",", **changed: Any
) -> list[dict[str, str]]:
    """A queue's export as a spreadsheet saves it: marked, columns turned round, capitals."""
    export_queue(queue, file)
    with file.open(encoding="utf-8", newline="") as source:
        rows = [{**row, **changed} for row in csv.DictReader(source)]
    with file.open("w", encoding="utf-8-sig", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0])[::-1], delimiter=delimiter)
        writer.writeheader()
        writer.writerows({**row, "attribute": row["attribute"].upper()} for row in rows)
        target.write(delimiter * (len(rows[0]) - 1) + "\r\n")
    return rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_a_spreadsheet_saved_is_read(
    delimiter: str, queue: Queue, tmp_path: Path, tiny_graph: KnowledgeGraph
) -> None:
    file = tmp_path / "queue.csv"
    sheet(queue, file, delimiter=delimiter, verdict="Accept")
    assert take_file(queue, file) == Taken(3, 0, 0)
    add(tmp_path / "other", [], "none", tiny_graph)
    with Queue(tmp_path / "other", "ben") as other:
        assert take_file(other, file) == Taken(0, 3, 0)
        assert {e.item for e in other.entries("accepted")} == {*ITEMS}


def test_an_id_that_was_taken_for_a_number_is_found_by_its_row(
    folder: Path, tiny_graph: KnowledgeGraph, tmp_path: Path
) -> None:
    items = (replace(PROPOSAL, kind="flag", tail=f"t{i}") for i in range(10_000))
    numeric = next(item for item in items if re.fullmatch(r"\d+", item_id(item)))
    add(folder, [numeric], "run", tiny_graph)
    with Queue(folder, "anna") as queue:
        for broken in (f"{float(item_id(numeric)):.5E}", "1,2E+15"):
            sheet(queue, tmp_path / "q.csv", id=broken, verdict="reject")
            taken = take_file(queue, tmp_path / "q.csv")
        assert taken == Taken(0, 0, 1) and queue.entries("rejected")[0].item == numeric
        sheet(queue, tmp_path / "q.csv", id="1E+15", verdict="accept", tail="other")
        with pytest.raises(DataError, match=r"q.csv:2: the queue has no item '1E\+15'"):
            take_file(queue, tmp_path / "q.csv")


def test_who_decided_first_stays_the_one_who_did(queue: Queue, tmp_path: Path) -> None:
    queue.decide([verdict(FLAG, "edit", ("japan", "has_city", "osaka"))])
    file = tmp_path / "queue.jsonl"
    export_queue(queue, file)
    file.write_text(file.read_text().replace('"verdict": ""', '"verdict": "reject"'))
    queue.who = "ben"
    assert take_file(queue, file) == Taken(2, 0, 1)
    assert {e.item: e.who for e in queue.entries("rejected")} == {PROPOSAL: "ben", ATTRIBUTE: "ben"}
    assert queue.entry(item_id(FLAG)).who == "anna"
    row = {"id": item_id(FLAG), "verdict": "edit", "head": "japan", "relation": "has_city"}
    assert take_file(queue, decisions(tmp_path, {**row, "tail": "osaka"})) == Taken(0, 0, 1)


def test_rows_that_contradict_each_other_are_named(queue: Queue, tmp_path: Path) -> None:
    rows = [{"id": item_id(FLAG), "verdict": word} for word in ("accept", "accept", "reject")]
    with pytest.raises(DataError, match=r"jsonl:3: 'reject' for .*line 2 says 'accept'"):
        take_file(queue, decisions(tmp_path, *rows))
    assert len(queue.entries()) == 3
    assert take_file(queue, decisions(tmp_path, *rows[:2])).decided == 1


def test_an_edit_that_cannot_be_is_named_by_its_line(queue: Queue, tmp_path: Path) -> None:
    known = {"id": item_id(FLAG), "verdict": "reject"}
    row = {"id": item_id(PROPOSAL), "verdict": "edit", "head": "osaka", "relation": "borders"}
    for tail, message in (("swedn", "entity or relation 'swedn'"), ("", "needs head, relation")):
        with pytest.raises(DataError, match=f"jsonl:2: .*{message}"):
            take_file(queue, decisions(tmp_path, known, {**row, "tail": tail}))
    assert len(queue.entries()) == 3


def test_items_about_another_graph_are_refused(queue: Queue, tmp_path: Path) -> None:
    foreign = Item("flag", "osaka", "borders", "atlantis", 1.0)
    row = {"id": item_id(foreign), "verdict": "accept", **foreign.to_dict(), "graph": "f" * 64}
    with pytest.raises(DataError, match="'atlantis'"):
        take_file(queue, decisions(tmp_path, row))
    assert len(queue.entries(None)) == 3


def typing(*lines: str) -> Callable[[str], str]:
    rest = iter(lines)

    def ask(prompt: str) -> str:
        try:
            return next(rest) + "\n"
        except StopIteration:
            raise EOFError from None

    return ask


def test_review_by_keyboard_keeps_each_decision(queue: Queue) -> None:
    said: list[str] = []
    given = review(queue, typing("x", "e", "", "", "", "e", "", "", "osaka", "a", "q"), said.append)
    assert given == {"edit": 1, "accept": 1}
    assert queue.entry(item_id(FLAG)).item.triple == ("japan", "has_city", "osaka")
    assert [e.item for e in queue.entries()] == [ATTRIBUTE]
    text = "\n".join(said)
    assert "remove: Japan" in text and "probability 0.90" in text and "because for the test" in text
    assert "type a, r, e, s, c, u or q" in text and "nothing was changed" in text
    assert review(queue, typing("s"), said.append) == {"skip": 1}
    assert len(queue.entries()) == 1


def test_an_edit_to_what_nobody_knows_is_refused_at_once(queue: Queue, tmp_path: Path) -> None:
    for edit in (("japan", "has_city", "osakka"), ("japan", "has_citty", "osaka")):
        with pytest.raises(GraphError, match=r"no entity or relation '(osakka|has_citty)'"):
            queue.decide([verdict(FLAG, "edit", edit)])
    row = {"id": item_id(FLAG), "verdict": "edit", "head": "japan", "relation": "has_city"}
    with pytest.raises(DataError, match=r"jsonl:1: .*'osakka'"):
        take_file(queue, decisions(tmp_path, {**row, "tail": "osakka"}))
    assert len(queue.entries()) == 3
    said: list[str] = []
    assert review(queue, typing("e", "", "", "osakka", "e", "", "", "osaka"), said.append)
    assert any("'osakka'" in line and "'osaka'" in line for line in said)
    assert queue.entry(item_id(FLAG)).item.tail == "osaka"


SAME_AS = "http://www.w3.org/2002/07/owl#sameAs"
BROUGHT = [
    Item("proposal", "osaka", SAME_AS, "tokyo", 0.9),
    Item("proposal", "Kobe (LOC)", "borders", "osaka", 0.8, 0.9, "a text states it"),
    Item("proposal", "Kobe (LOC)", "type", "LOC", 0.8, 0.9, "a text states it", attribute=True),
]


def test_what_is_new_to_the_graph_comes_with_a_name(
    folder: Path, tiny_graph: KnowledgeGraph
) -> None:
    before = export(folder)
    add(folder, BROUGHT, "run", tiny_graph)
    for patch_id in ("p1", "p3"):  # undone, and once more
        with Queue(folder) as queue:
            said = [describe(queue.graph, entry) for entry in queue.entries()]
            assert any("Kobe (LOC) (new to the graph) | borders" in s for s in said) == (
                patch_id == "p1"
            )
            queue.decide([verdict(item, "accept") for item in BROUGHT])
            patch = queue.patch()
        labels = {s.subject: s.value for s in patch.add if s.predicate.endswith("#label")}
        assert labels == {SAME_AS: "same as", "Kobe (LOC)": "Kobe"} and len(patch.add) == 5
        done = apply_patch(folder, patch)
        assert done.entry.id == patch_id and done.entry.added == 5
        idx = int(done.graph.entities(["Kobe (LOC)"])[0])
        assert done.graph.entity_names[idx] == "Kobe"
        number = done.graph.relation_ids.find(SAME_AS, done.graph.relation_order)
        assert done.graph.relation_phrases[number] == "same as"
        rollback_patch(folder, patch_id)
        assert export(folder) == before


def test_an_edit_may_name_what_another_item_brings(
    queue: Queue, tiny_graph: KnowledgeGraph
) -> None:
    label = "http://www.w3.org/2000/01/rdf-schema#label"
    queue.add([Item("proposal", "kobe", label, "Kobe", 0.1, attribute=True)], "new", tiny_graph)
    queue.decide([verdict(FLAG, "edit", ("japan", "has_city", "kobe"))])
    assert queue.entry(item_id(FLAG)).item.tail == "kobe"


def test_the_second_reviewer_is_told_who_is_first(queue: Queue) -> None:
    with pytest.raises(GraphError, match=r"anna has the queue of .* open since .*process"):
        Queue(queue.folder, "ben")
    code = "import sys; from accord.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = ["refine", "review", str(queue.folder), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.returncode == 2 and "anna has the queue" in json.loads(done.stdout)["error"]


def test_a_queue_takes_only_items_about_its_graph(folder: Path) -> None:
    builder = GraphBuilder("other")
    builder.triple("a", "r", "b")
    with pytest.raises(GraphError, match="the items are about the graph other"):
        add(folder, ITEMS, "run", builder.build())
    with pytest.raises(GraphError, match="there is no graph folder"):
        Queue(folder.parent / "none")
    with pytest.raises(GraphError, match="graph import"):
        Queue(folder.parent)


def accord(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict[str, Any]]:
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_commands_from_queue_to_rollback(
    folder: Path, tiny_graph: KnowledgeGraph, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = export(folder)
    code, empty = accord(capsys, "refine", "review", folder)
    assert (code, empty["proposed"]) == (0, 0)
    assert main(["refine", "review", str(folder)]) == 0
    assert "the queue is empty" in capsys.readouterr().out
    assert main(["refine", "review", str(folder), "--out", str(tmp_path / "none.csv")]) == 0
    assert "none.csv: 0 to add, 0 to remove" in capsys.readouterr().out
    add(folder, ITEMS, "run", tiny_graph)
    code, error = accord(capsys, "refine", "review", folder)
    assert code == 2 and "no terminal" in error["error"]
    table, patch = tmp_path / "q.csv", tmp_path / "p.ru"
    assert accord(capsys, "refine", "review", folder, "--export", table)[1]["proposed"] == 3
    assert table.read_text().splitlines()[0] == ",".join(COLUMNS)
    for option in ("--out", "--export"):  # refused before anything is decided
        code, error = accord(capsys, "refine", "review", folder, "--above", "0.6", option, "q.txt")
        assert code == 2 and "'.txt'" in error["error"]
    many = [replace(PROPOSAL, head=f"o{i}", probability=0.8 + i / 100) for i in range(10)]
    add(tmp_path / "many", many, "run", tiny_graph)
    told = accord(capsys, "refine", "review", tmp_path / "many", "--export", table)[1]
    assert told["expected_precision_next"] == {"10": pytest.approx(0.845)}
    code, result = accord(
        capsys,
        "refine",
        "review",
        folder,
        "--above",
        "0.6",
        "--out",
        patch,
        "--note",
        "why",
        "--who",
        "ben",
    )
    assert (result["accepted"], result["add"], result["remove"]) == (2, 1, 1)
    assert (result["accepted_now"], result["not_applied"]) == (2, 2)
    code, done = accord(capsys, "refine", "apply", patch, "--graph", folder, "--who", "cleo")
    assert (code, done["id"], done["already"], done["who"]) == (0, "p1", False, "cleo")
    assert done["note"] == "why (2 items found by run, accepted by ben)"
    assert accord(capsys, "refine", "apply", patch, "--graph", folder)[1]["already"]
    code, undone = accord(capsys, "refine", "rollback", "p1", "--graph", folder)
    assert (code, undone["undoes"]) == (0, "p1") and export(folder) == before
    code, log = accord(capsys, "refine", "log", "--graph", folder)
    assert [entry["undone"] for entry in log["log"]] == [True, False]
    assert accord(capsys, "refine", "rollback", "p1", "--graph", folder)[0] == 2
    assert main(["refine", "log", "--graph", str(folder)]) == 0
    assert "(undone)" in capsys.readouterr().out
