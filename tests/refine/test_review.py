"""Reviewing: undo, context, names in edits, whole words, parts of a queue, who did what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accord.cli.main import main
from accord.errors import ConfigError, DataError, GraphError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.refine.choice import Choice
from accord.refine.context import context
from accord.refine.entry import Decision, item_id
from accord.refine.items import Item
from accord.refine.naming import meant
from accord.refine.patch import Occupied, apply_patch, patch_log
from accord.refine.queue import Queue, add, rollback_patch
from accord.refine.queue_files import export_queue, take_file
from accord.refine.review import review
from accord.refine.telling import told_origin
from accord.refine.wording import listed, read, said, step_said
from tests.refine.test_queue import typing

FLAG = Item("flag", "japan", "has_city", "tokyo", 2.0, 0.9, "why: a → b", ("a → b", "c"))
PROPOSAL = Item("proposal", "osaka", "borders", "sweden", 1.0, 0.6)
VALUE = Item("proposal", "tokyo", "area", "21", 0.5, attribute=True)


@pytest.fixture
def queue(folder: Path, tiny_graph: KnowledgeGraph) -> Iterator[Queue]:
    add(folder, [VALUE, PROPOSAL, FLAG], "runs/a", tiny_graph)
    with Queue(folder, "anna") as opened:
        yield opened


def test_the_last_verdict_is_taken_back(queue: Queue) -> None:
    before, said_lines = queue.entry(item_id(FLAG)), list[str]()
    keys = ("u", "reject", "u", "e", "", "", "osaka", "undo", "s", "u", "a", "q")
    assert review(queue, typing(*keys), said_lines.append) == {"accept": 1}
    after = queue.entry(item_id(FLAG))
    assert (after.state, after.item, after.original) == ("accepted", FLAG, None)
    back = [line for line in said_lines if line.startswith(("taken back", "nothing was"))]
    assert back == [
        "nothing was decided yet",
        *(f"taken back: {verdict}" for verdict in ("reject", "edit", "skip")),
    ]
    queue.restore(before)
    assert queue.entry(item_id(FLAG)) == before and len(queue.entries()) == 3


def test_a_word_that_only_begins_like_a_verdict_is_none(queue: Queue) -> None:
    said_lines: list[str] = []
    assert not review(queue, typing("abort", "rather not", "quit"), said_lines.append)
    assert sum("or the whole word" in line for line in said_lines) == 2
    assert len(queue.entries()) == 3


def test_context_is_shown_before_deciding(queue: Queue) -> None:
    said_lines: list[str] = []
    review(queue, typing("c", "q"), said_lines.append)
    (shown,) = [line for line in said_lines if "found by runs/a at" in line]
    lines = [line.strip() for line in shown.split("\n")]
    assert lines[0] == "Japan (japan): An island country in East Asia."
    assert lines[1].startswith("'has the city': ") and "Osaka" in lines[1]
    assert any(line.startswith("'has the city' backwards: Japan") for line in lines)
    assert any(line.startswith("population: 13960000") for line in lines)
    entry = queue.entry(item_id(VALUE))
    new = Item("proposal", "kobe", "borders", "osaka", 0.1)
    queue.add([new], "", queue.graph)
    assert "kobe: new to the graph" in context(queue.graph, queue.entry(item_id(new)))
    assert "found by hand" in context(queue.graph, queue.entry(item_id(new)))
    assert context(queue.graph, entry).count("(tokyo)") == 1


def test_evidence_that_is_the_reason_is_said_once(queue: Queue) -> None:
    said_lines: list[str] = []
    review(queue, typing("q"), said_lines.append)
    assert said_lines[0].count("a → b") == 1 and "  - c" in said_lines[0]


def test_edits_may_say_names(queue: Queue, tmp_path: Path) -> None:
    keys = ("e", "", "", "Ōsaka", "e", "Nippon", "HAS THE CITY", "Osaka", "q")
    said_lines: list[str] = []
    review(queue, typing(*keys), said_lines.append)
    assert queue.entry(item_id(FLAG)).item.triple == ("japan", "has_city", "osaka")
    assert any("'Ōsaka'" in line for line in said_lines)
    row = {"id": item_id(PROPOSAL), "verdict": "edit", "head": "Norway", "relation": "borders"}
    file = tmp_path / "d.jsonl"
    file.write_text(json.dumps({**row, "tail": "Sverige"}))
    take_file(queue, file)
    assert queue.entry(item_id(PROPOSAL)).item.triple == ("norway", "borders", "sweden")


def test_a_name_of_several_is_not_guessed_at(tmp_path: Path) -> None:
    builder = GraphBuilder("twins")
    for key in ("q1", "q2"):
        builder.entity(key, "Springfield")
        builder.triple("q3", "near", key)
    graph = builder.build()
    with pytest.raises(GraphError, match=r"2 entities .* are called 'springfield'"):
        meant(graph, ("q3", "near", "springfield"), Item("flag", "q3", "near", "q1", 1.0))
    value = Item("flag", "q3", "near", "?", 1.0, attribute=True)
    assert meant(graph, ("q3", "near", "Springfield"), value)[2] == "Springfield"
    own = Item("proposal", "Springfield", "near", "q3", 1.0)  # its own parts mean themselves
    assert meant(graph, ("Springfield", "near", ""), own) == ("Springfield", "near", "")
    item = Item("flag", "q3", "near", "q1", 1.0)
    add(tmp_path / "g", [item], "run", graph)
    row = {"id": item_id(item), "verdict": "edit", "head": "q3", "relation": "near"}
    (tmp_path / "d.jsonl").write_text(json.dumps({**row, "tail": "Springfield"}))
    with Queue(tmp_path / "g") as queue:
        with pytest.raises(DataError, match=r"d.jsonl:1: 2 entities"):
            take_file(queue, tmp_path / "d.jsonl")
        told: list[str] = []
        review(queue, typing("e", "", "", "Springfield", "q"), told.append)
        assert "give the id of the one you mean" in told[-1] and len(queue.entries()) == 1


def test_an_edit_of_a_proposal_to_what_is_known_is_told(queue: Queue) -> None:
    told: list[str] = []
    keys = ("s", "e", "japan", "has_city", "osaka", "q")
    assert review(queue, typing(*keys), told.append) == {"skip": 1}
    assert "the graph has that already" in told[-1]


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        (Choice("flag"), [FLAG]),
        (Choice("proposal", "area"), [VALUE]),
        (Choice("", "has the city"), [FLAG]),
        (Choice("", "HAS_CITY"), [FLAG]),
        (Choice("", "", "tokyo"), [FLAG, VALUE]),
        (Choice("", "", "osaka"), [PROPOSAL]),
        (Choice("flag", "", "Osaka"), []),
    ],
)
def test_part_of_a_queue(queue: Queue, choice: Choice, found: list[Item]) -> None:
    assert [entry.item for entry in choice.of(queue.graph, queue.entries())] == found


def test_what_no_item_is_about_is_an_error(queue: Queue) -> None:
    entries = queue.entries(None)
    with pytest.raises(ConfigError, match="relation 'has_sity'") as caught:
        Choice("", "has_sity").of(queue.graph, entries)
    assert "'has_city'" in caught.value.hint
    with pytest.raises(ConfigError, match="entity '21'"):  # a value is no entity
        Choice("", "", "21").of(queue.graph, entries)
    with pytest.raises(ConfigError, match="unknown kind"):
        Choice("flags")
    assert Choice("flag").of(queue.graph, []) == []


def test_a_row_without_an_id_is_told(queue: Queue, tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"ID": "x", "verdict": "accept"}')
    with pytest.raises(DataError, match=r"d.jsonl:1: the row has no id"):
        take_file(queue, tmp_path / "d.jsonl")


def test_who_reviews_is_told_to_who_applies(queue: Queue, tmp_path: Path) -> None:
    queue.decide([Decision(item_id(FLAG), "accept")])
    with pytest.raises(Occupied, match="anna has the queue"):
        apply_patch(queue.folder, queue.patch())
    with pytest.raises(GraphError, match=r"there is no graph folder '.*none'"):
        apply_patch(tmp_path / "none", queue.patch())


def test_the_log_says_who_and_from_which_run(folder: Path, tiny_graph: KnowledgeGraph) -> None:
    add(folder, [FLAG, PROPOSAL], "runs/a", tiny_graph)
    with Queue(folder, "anna") as queue:
        queue.decide([Decision(item_id(item), "accept") for item in (FLAG, PROPOSAL)])
        assert len(queue.waiting()) == 2
        note = told_origin(queue.waiting())
        patch = queue.patch(note)
    assert note == "2 items found by runs/a, accepted by anna" and told_origin([]) == ""
    apply_patch(folder, patch, who="ben")
    with Queue(folder) as queue:
        assert queue.waiting() == []
    rollback_patch(folder, "p1", who="cleo")
    rows = [(entry.who, entry.note) for entry in patch_log(folder)]
    assert rows == [("ben", note), ("cleo", "rollback of p1")]


def accord(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    assert main([*map(str, words), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_part_is_shown_exported_and_accepted(
    folder: Path,
    tiny_graph: KnowledgeGraph,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    add(folder, [VALUE, PROPOSAL, FLAG], "runs/a", tiny_graph)
    words = ("refine", "review", folder)
    shown = accord(capsys, *words, "--show", "--relation", "borders")
    assert [row["id"] for row in shown["items"]] == [item_id(PROPOSAL)] and shown["chosen"] == 1
    assert main([*map(str, words), "--show", "--kind", "flag"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("remove: Japan (japan) | has_city") and "1 of the open ones" in told
    file = tmp_path / "part.jsonl"
    done = accord(capsys, *words, "--above", "0.5", "--kind", "flag", "--export", file)
    assert (done["accepted_now"], done["not_applied"], done["proposed"]) == (1, 1, 2)
    assert [json.loads(x)["id"] for x in file.read_text().splitlines()] == [item_id(FLAG)]
    with Queue(folder) as queue:
        export_queue(queue, file, "proposed")
    file.write_text(file.read_text().replace('"verdict": ""', '"verdict": "reject"', 1))
    taken = accord(capsys, *words, "--decisions", file)["taken"]
    assert taken == {"decided": 1, "new": 0, "skipped": 1}
    assert main([*map(str, words), "--decisions", str(file)]) == 0
    told = capsys.readouterr().out
    assert "decided 0, new 0" in told and "1 accepted and not in the graph yet" in told


def test_words(tiny_graph: KnowledgeGraph) -> None:
    graph = tiny_graph
    japan, tokyo, city = graph.entity("japan"), graph.entity("tokyo"), graph.relation("has_city")
    assert said(graph, japan, city, tokyo) == "Japan has the city Tōkyō"
    assert step_said(graph, tokyo, city + graph.num_relations, japan) == "Japan has the city Tōkyō"
    assert read(graph, city + graph.num_relations) == "'has the city' backwards"
    assert [listed(list("abcd")[:n]) for n in range(5)] == [
        *("", "a", "a and b", "a, b and 1 more", "a, b and 2 more"),
    ]
