"""The pipeline behind `accord synthesize`: linking, paths, rationales, coverage, stopping."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from accord.cli.main import main
from accord.errors import ConfigError, DataError, ModelError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.synthesis import synthesize as module
from accord.synthesis.explaining import ExplainConfig
from accord.synthesis.questions import QuestionConfig
from accord.synthesis.rationale import RationaleConfig
from accord.synthesis.synthesize import SynthesisConfig, SynthesisReport, synthesize
from accord.synthesis.writers import DOWN, Draft, Task, Writer
from accord.text.questions import Question, read_questions


@pytest.fixture(scope="module")
def family() -> KnowledgeGraph:
    builder = GraphBuilder("family")
    for entity, name, aliases in (
        ("ann", "Ann Lee", ("Annie",)),
        ("bob", "Bob Lee", ()),
        ("cid", "Cid Lee", ()),
        ("dee", "Dee Lee", ()),
        ("oslo", "Oslo", ("Kristiania",)),
        ("moon", "Moon", ()),
    ):
        builder.entity(entity, name, "", aliases)
    builder.relation("child", "has the child", "is a child of")
    builder.relation("born", "was born in", "is the place of birth of")
    builder.triple("ann", "child", "bob")
    builder.triple("ann", "child", "cid")
    builder.triple("bob", "child", "dee")
    builder.triple("dee", "born", "oslo")
    builder.triple("bob", "born", "oslo")
    builder.triple("moon", "orbits", "earth")
    return builder.build()


ASKED: list[dict[str, Any]] = [
    {"question": "Where was the child of Bob Lee born?", "topic": "bob", "answer": "Oslo"},
    {"question": "Who are the children of annie?", "answers": ["Bob Lee", "Cid Lee"]},
    {"question": "Who is the sibling of Bob Lee?", "topic": "Bob Lee", "answers": ["cid"]},
    {"question": "Where was the child of Annie born?", "topic": "Annie", "answer": "kristiania"},
    {"question": "Who is nobody?", "answers": ["Oslo"]},
    {"question": "What is Bob Lee's hat?", "answers": ["a bowler"]},
    {"question": "How is Ann Lee tied to the moon?", "topic": "ann", "answers": ["moon"]},
]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(
    graph: KnowledgeGraph, folder: Path, rows: list[dict[str, Any]], config: Any = None
) -> tuple[SynthesisReport, list[Question]]:
    qa = written(folder / "qa.jsonl", rows)
    report = synthesize(graph, folder / "out.jsonl", qa, config=config)
    return report, list(read_questions(folder / "out.jsonl"))


def test_given_questions_are_linked_explained_and_counted(
    family: KnowledgeGraph, tmp_path: Path
) -> None:
    report, found = run(family, tmp_path, ASKED)
    assert report.counts == {
        "questions": 7,
        "linked": 6,
        "with_path": 4,
        "written": 4,
        "rejected": 3,
    }
    assert report.reasons == {
        "no known entity": 1,
        "answer not in the graph": 1,
        "no path": 1,
    }
    assert [q.pattern for q in found] == ["child > born", "child", "~child > child", "child > born"]
    assert found[0].rationale == "Bob Lee has the child Dee Lee. Dee Lee was born in Oslo."
    assert found[1].answer_ids == ("bob", "cid") and found[1].topics == ("ann",)
    assert not (tmp_path / "out.jsonl.progress").exists()


def test_given_paths_are_kept_and_looked_for(family: KnowledgeGraph, tmp_path: Path) -> None:
    rows = [
        {"question": "?", "answer": "oslo", "path": ["bob", "child", "dee", "born", "oslo"]},
        {"question": "?", "answer": "oslo", "path": ["bob", "child", "moon"], "topic": "bob"},
    ]
    rows[0]["topic"] = "bob"
    report, found = run(family, tmp_path, rows)
    assert report.gold == {"given": 1, "found": 1}
    # The second path is not in the graph: the shortest that explains the answer stands instead.
    assert [q.hops for q in found] == [2, 1]


def test_a_generated_file_comes_back_as_it_was(tmp_path: Path) -> None:
    builder = GraphBuilder("operas")
    for i in range(4):
        builder.triple(f"opera{i}", "by", "verdi")
        builder.triple(f"opera{i}", "premiered_in", "milan")
    builder.triple("opera4", "by", "verdi")
    builder.triple("opera5", "premiered_in", "milan")
    builder.triple("verdi", "admired", "verdi")
    graph, made = builder.build(), tmp_path / "made.jsonl"
    config = SynthesisConfig(QuestionConfig(hops=(2, 3)), rationale=RationaleConfig(max_words=200))
    synthesize(graph, made, generate=100, config=config)
    report = synthesize(graph, tmp_path / "again.jsonl", made, config=config)
    questions = list(read_questions(made))
    # Eight paths of two chains, and a loop walked to and fro.
    assert max(len(question.paths) for question in questions) == 8
    again = [replace(question, source="") for question in read_questions(report.out)]
    assert again == [replace(question, source="") for question in questions]
    assert report.gold["given"] == report.gold["found"] > 0


def test_a_relation_that_is_worded_alike_both_ways_leads_both_ways(tmp_path: Path) -> None:
    builder = GraphBuilder("map")
    builder.relation("borders", "borders", "borders")
    builder.triple("Peru", "borders", "Chile")
    builder.triple("Chile", "borders", "Argentina")
    asked = {"question": "What borders [Chile]?", "answers": ["Peru", "Argentina"]}
    _, (question,) = run(builder.build(), tmp_path, [asked])
    assert question.rationale == "Chile borders Peru. Chile borders Argentina."


def test_a_self_path_goes_out_and_back(family: KnowledgeGraph, tmp_path: Path) -> None:
    row = {"question": "Who is a child of a parent of Bob Lee?", "topic": "bob", "answer": "bob"}
    report, _ = run(family, tmp_path, [row])
    assert report.counts["questions"] == 1
    config = SynthesisConfig(explain=ExplainConfig(repeat="none"))
    report, _ = run(family, tmp_path, [row], config)
    assert report.reasons == {"no path": 1}


def test_partial_paths_are_kept_on_request(family: KnowledgeGraph, tmp_path: Path) -> None:
    row = {"question": "Where was a grandchild born?", "topic": "cid", "answer": "dee"}
    skip = SynthesisConfig(explain=ExplainConfig(max_hops=2))
    assert run(family, tmp_path, [row], skip)[0].reasons == {"no path": 1}
    keep = SynthesisConfig(
        explain=ExplainConfig(max_hops=2, no_path="partial"),
        rationale=RationaleConfig(partial=True),
    )
    report, found = run(family, tmp_path, [row], keep)
    assert report.partial == 1 and found[0].paths[0][-1].end == "bob"


def test_a_stopped_run_goes_on(
    family: KnowledgeGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, expected = run(family, tmp_path, ASKED)
    (tmp_path / "out.jsonl").unlink()
    monkeypatch.setattr(module, "BLOCK", 2)
    written_before = module._record
    seen: list[int] = []

    def stops(*args: Any) -> dict[str, Any]:
        seen.append(1)
        if len(seen) == 6:
            raise KeyboardInterrupt
        return written_before(*args)

    monkeypatch.setattr(module, "_record", stops)
    with pytest.raises(KeyboardInterrupt):
        run(family, tmp_path, ASKED)
    progress = tmp_path / "out.jsonl.progress"
    assert not (tmp_path / "out.jsonl").exists() and progress.exists()
    progress.write_bytes(progress.read_bytes() + b'{"question": nu')  # Cut by a crash.
    with pytest.raises(DataError, match="unfinished"):
        run(family, tmp_path, ASKED[:3])
    report, found = run(family, tmp_path, ASKED)
    assert found == expected and report.counts == whole.counts
    assert report.done == 3 and not progress.exists()


def test_missing_fields_name_the_line_and_lose_nothing(
    family: KnowledgeGraph, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("before\n")
    qa = written(tmp_path / "qa.jsonl", [ASKED[0], {"question": "?"}])
    with pytest.raises(DataError, match=r"qa\.jsonl:2: no field 'answers'"):
        synthesize(family, out, qa)
    assert out.read_text() == "before\n"
    with pytest.raises(ConfigError, match="--out is --qa"):
        synthesize(family, qa, qa)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="no questions in it"):
        synthesize(family, out, tmp_path / "empty.jsonl")
    assert out.read_text() == "before\n"
    with pytest.raises(ConfigError, match="give questions or a number"):
        synthesize(family, out)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"answers": ["Oslo"]}', "no field 'question'"),
        ('{"question": "Where?"}', "no field 'answers'"),
        ('{"question": "", "answers": ["Oslo"]}', "field 'question' is empty"),
        ('{"question": "Where?", "answers": []}', "field 'answers' is empty"),
        ('{"question": "Where?", "answers": {"a": 1}}', "must be a list of texts"),
        ('{"question": "Where?", "answers": ["a"], "path": ["a", "r"]}', "field 'path' must be"),
        ('{"question": "Where?", "answers": ["a"], "hops": "two"}', "field 'hops' must be"),
        ('{"question": "Where?", "answers": ["a", " "]}', "field 'answers' has an empty text"),
        ('{"question": " ", "answers": ["a"]}', "field 'question' is empty"),
        ('{"question": "Where?", "answers": ["a"], "split": "tests"}', "field 'split' is 'tests'"),
        ('["Where?"]', "one JSON object"),
        ('{"question": ', "not JSON"),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path: Path, line: str, said: str) -> None:
    qa = tmp_path / "qa.jsonl"
    qa.write_text(json.dumps(ASKED[0]) + "\n\n" + line + "\n")
    with pytest.raises(DataError, match=rf"qa\.jsonl:3: .*{said}"):
        list(read_questions(qa))


def test_dev_is_another_word_for_valid(tmp_path: Path) -> None:
    qa = written(tmp_path / "qa.jsonl", [{**ASKED[0], "split": "dev"}])
    assert [question.split for question in read_questions(qa)] == ["valid"]


def test_settings_are_refused_before_there_is_any_work(
    family: KnowledgeGraph, tmp_path: Path
) -> None:
    for wrong in (
        lambda: SynthesisConfig(split="topics"),  # type: ignore[arg-type]
        lambda: SynthesisConfig(shares=(0.5, 0.5, 0.5)),
        lambda: SynthesisConfig(shares=(float("nan"), 0.0, 1.0)),
        lambda: ExplainConfig(max_hops=9),
        lambda: QuestionConfig(seed=-1),
    ):
        with pytest.raises(ConfigError):
            wrong()
    # What fails before its first question leaves nothing that stands in the way.
    nameless = SynthesisConfig(rationale=RationaleConfig(writer="endpoint"))
    with pytest.raises(ConfigError, match="needs a model's name"):
        run(family, tmp_path, ASKED, nameless)
    report, _ = run(family, tmp_path, ASKED)
    assert report.counts["written"] == 4


def test_the_longest_paths_may_be_partial_too(family: KnowledgeGraph, tmp_path: Path) -> None:
    longest = SynthesisConfig(
        explain=ExplainConfig(max_hops=8, no_path="partial"),
        rationale=RationaleConfig(partial=True),
    )
    report, _ = run(family, tmp_path, ASKED, longest)
    assert report.reasons["no path"] == 1


def test_the_report_counts_hops_and_what_fell_short(
    family: KnowledgeGraph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = run(family, tmp_path, ASKED)[0].to_text()
    assert "1-hop 1, 2-hop 3" in text and "towards" not in text and "budget" not in text
    apart = {"question": "Where was a grandchild born?", "topic": "cid", "answer": "dee"}
    short = SynthesisConfig(
        explain=ExplainConfig(max_hops=2, no_path="partial"),
        rationale=RationaleConfig(partial=True),
    )
    assert "towards the answer only: 1" in run(family, tmp_path, [apart], short)[0].to_text()
    slow = SynthesisConfig(explain=ExplainConfig(seconds=0.0))
    assert "ended by a budget: 1" in run(family, tmp_path, ASKED[:1], slow)[0].to_text()
    report = synthesize(family, tmp_path / "made.jsonl", generate=5000)
    assert f"{report.counts['questions']:,} questions and no more" in capsys.readouterr().err


def test_a_time_budget_of_zero_is_said(family: KnowledgeGraph, tmp_path: Path) -> None:
    config = SynthesisConfig(explain=ExplainConfig(seconds=0.0))
    report, _ = run(family, tmp_path, ASKED[:1], config)
    assert report.incomplete == 1 and report.counts["written"] == 0


def test_generated_questions_are_written_with_splits(
    family: KnowledgeGraph, tmp_path: Path
) -> None:
    out = tmp_path / "made.jsonl"
    report = synthesize(family, out, generate=30, config=SynthesisConfig(split="paths"))
    found = list(read_questions(out))
    assert found and all(q.rationale and q.split for q in found)
    assert report.counts["written"] == len(found) + report.crossing


def test_the_command_prints_one_object(
    family: KnowledgeGraph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    family.save(tmp_path / "graph")
    qa = written(tmp_path / "qa.jsonl", ASKED)
    out = tmp_path / "out.jsonl"
    options = ["--graph", str(tmp_path / "graph"), "--out", str(out), "--json"]
    assert main(["synthesize", *options, "--qa", str(qa)]) == 0
    found = json.loads(capsys.readouterr().out)
    contract = ("questions", "linked", "with_path", "written", "rejected")
    assert [found[key] for key in contract] == [7, 6, 4, 4, 3]
    assert main(["synthesize", *options]) == 2
    assert main(["synthesize", *options, "--generate", "5", "--writer", "poet"]) == 2
    assert main(["synthesize", *options, "--generate", "5", "--shares", "1"]) == 2
    assert main(["synthesize", *options, "--generate", "5", "--writer", "local"]) == 2
    assert main(["synthesize", *options, "--generate", "5", "--seed", "-1"]) == 2


def test_no_question_at_all_says_why(family: KnowledgeGraph, tmp_path: Path) -> None:
    nobody = {"question": "Who is the sister of Zoltan?", "answer": "bob"}
    assert "no question names" in run(family, tmp_path, [nobody])[0].note()
    apart = {"question": "Where was a grandchild born?", "topic": "cid", "answer": "dee"}
    skip = SynthesisConfig(explain=ExplainConfig(max_hops=2))
    report, _ = run(family, tmp_path, [apart], skip)
    assert "no path leads" in report.note() and report.note() in report.to_text()
    builder = GraphBuilder("pair")
    builder.triple("a", "r", "b")
    report = synthesize(builder.build(), tmp_path / "none.jsonl", generate=3)
    assert "gives no such question" in report.to_dict()["note"]
    assert run(family, tmp_path, ASKED)[0].note() == ""


def test_a_dead_endpoint_is_an_error_and_leaves_the_file(
    family: KnowledgeGraph, tmp_path: Path
) -> None:
    def dead(tasks: Sequence[Task]) -> Iterator[Draft]:
        return (Draft("", DOWN) for _ in tasks)

    out = tmp_path / "out.jsonl"
    out.write_text("kept")
    qa = written(tmp_path / "qa.jsonl", ASKED)
    writer = cast(Writer, SimpleNamespace(name="dead", settings="", block=8, write=dead))
    with pytest.raises(ModelError, match=r"endpoint does not answer: 4.*nothing was written"):
        synthesize(family, out, qa, writer=writer)
    assert out.read_text() == "kept" and not (tmp_path / "out.jsonl.progress").exists()
