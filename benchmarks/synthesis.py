"""Synthesis: gold paths found on PathQuestion and MetaQA, and questions per second.

    python benchmarks/synthesis.py --limit 0 --out benchmarks/synthesis.json

PathQuestion's gold is the given path. MetaQA's is the relation path that its `qtype` names,
followed with the topic left out after the second step: it counts as found where the search finds
a path by those relations to every answer, of the questions whose answers are exact in this graph
(`kb_ok`). `chosen` counts how often that relation path is also the one taken for the rationale.
Times are process times over all threads, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tempfile
import time
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.graph.paths import PathConfig, PathSearch, follow
from accord.progress import say, track
from accord.synthesis.explaining import ExplainConfig, Explained, Explainer
from accord.synthesis.questions import QuestionConfig, generate_questions
from accord.synthesis.rationale import write_rationales
from accord.synthesis.synthesize import synthesize
from accord.text.questions import Question

BLOCK = 256
RELATIONS = {
    "director": "directed_by",
    "writer": "written_by",
    "actor": "starred_actors",
    "genre": "has_genre",
    "tags": "has_tags",
    "tag": "has_tags",
    "year": "release_year",
    "language": "in_language",
}
GENERATED = ("geography", "umls", "wn18rr", "fb15k-237", "metaqa")


def main() -> None:
    """Runs what is asked for and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=200, help="questions of a set; 0 for all")
    parser.add_argument("--generate", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    data = Path(os.environ["ACCORD_DATA"])
    found = {
        "pathquestion": [pathquestion(data, hops, given.limit) for hops in (2, 3)],
        "metaqa": [metaqa(data, hops, given.limit) for hops in (1, 2, 3)],
        "generated": [generated(name, given.generate) for name in GENERATED],
    }
    text = json.dumps(found, indent=2)
    if given.out:
        given.out.write_text(text + "\n")
    print(text)


def pathquestion(data: Path, hops: int, limit: int) -> dict[str, Any]:
    """The whole pipeline on one part of PathQuestion."""
    source = data / "pathquestion" / f"pq-{hops}h.jsonl.gz"
    graph = load_graph(f"pathquestion-{hops}h")
    with tempfile.TemporaryDirectory() as folder:
        qa = Path(folder) / "qa.jsonl"
        with gzip.open(source, "rt") as lines:
            qa.write_text("".join(islice(lines, limit or None)))
        synthesize(graph, Path(folder) / "warm.jsonl", generate=1)
        started = time.process_time()
        report = synthesize(graph, Path(folder) / "out.jsonl", qa)
        seconds = time.process_time() - started
    counts = report.counts
    return {
        "hops": hops,
        **counts,
        "gold": dict(report.gold),
        "gold_walks_a_triple_twice": counts["linked"] - report.gold["given"],
        "questions_per_cpu_second": round(counts["questions"] / seconds, 1),
    }


def metaqa(data: Path, hops: int, limit: int) -> dict[str, Any]:
    """Linking by mention, search and choice on one part of MetaQA's test questions."""
    graph = load_graph("metaqa")
    with gzip.open(data / "metaqa" / f"{hops}hop_test.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in islice(lines, limit or None)]
    # Without the topic: it has to be found in the question's text.
    asked = [Question(str(i), r["question"], tuple(r["answers"])) for i, r in enumerate(rows)]
    explainer = Explainer(graph, ExplainConfig(max_hops=hops))
    search = PathSearch(graph, PathConfig(max_hops=hops, max_paths=None, repeat="entity"))
    totals = dict.fromkeys(("questions", "linked", "linked_kb_ok", "gold_found", "chosen"), 0)
    seconds = 0.0
    explainer.explain(asked[:1])
    with track(f"MetaQA {hops}-hop", len(rows), "questions") as advance:
        for start in range(0, len(rows), BLOCK):
            started = time.process_time()
            block = explainer.explain(asked[start : start + BLOCK])
            seconds += time.process_time() - started
            for row, item in zip(rows[start : start + BLOCK], block, strict=True):
                count(search, explainer, row, item, totals)
            advance(len(block))
    return {
        "hops": hops,
        **totals,
        "found_of_linked": round(totals["gold_found"] / max(1, totals["linked_kb_ok"]), 4),
        "questions_per_cpu_second": round(len(rows) / seconds, 1),
    }


def count(
    search: PathSearch,
    explainer: Explainer,
    row: dict[str, Any],
    item: Explained,
    totals: dict[str, int],
) -> None:
    """Adds one question to the totals."""
    graph = search.graph
    topic = int(graph.entities([row["topic"]])[0])  # -1: this part of the graph lacks it.
    asked = Question("", row["question"], tuple(row["answers"]))
    linked = any(topic in candidates for candidates in explainer.linker.link(asked).topics)
    totals["questions"] += 1
    totals["linked"] += linked
    if not (linked and row["kb_ok"]):
        return
    totals["linked_kb_ok"] += 1
    steps = gold_steps(graph, row["qtype"])
    answers = follow(graph, [topic], steps, {2: [topic]}).answers.tolist()
    totals["gold_found"] += covers(search, topic, answers, steps)
    wanted = " > ".join(f"{'~' if inv else ''}{graph.relation_ids[r]}" for r, inv in steps)
    totals["chosen"] += not item.reason and item.question.pattern == wanted


def covers(
    search: PathSearch, topic: int, answers: list[int], steps: list[tuple[int, bool]]
) -> bool:
    """Whether the search finds a path by these relations to every answer."""
    found, length = search.find([topic], answers), len(steps)
    place = sum(n * count for n, count in enumerate(found.counts[:length]))
    codes = found.codes[place : place + length * found.counts[length]].reshape(-1, length)
    triples, inverse = search.graph.triples[codes >> 1], (codes & 1).astype(bool)
    # A triple from an entity to itself is found once, not once a direction.
    same_way = (inverse == [i for _, i in steps]) | (triples[..., 0] == triples[..., 2])
    gold = np.all((triples[..., 1] == [r for r, _ in steps]) & same_way, axis=1)
    ends = np.where(inverse[:, -1], triples[:, -1, 0], triples[:, -1, 2])
    return bool(answers) and set(answers) <= set(ends[gold].tolist())


def gold_steps(graph: KnowledgeGraph, qtype: str) -> list[tuple[int, bool]]:
    """The relation path that a question type names."""
    kinds = qtype.split("_to_")
    steps = []
    for start, end in pairwise(kinds):
        film_first = start == "movie"
        steps.append((graph.relation(RELATIONS[end if film_first else start]), not film_first))
    return steps


def generated(name: str, amount: int) -> dict[str, Any]:
    """Questions of 1 to 3 hops with rationale by template, from the graph alone."""
    graph = load_graph(name)
    config = QuestionConfig(hops=(1, 2, 3))
    list(write_rationales(graph, generate_questions(graph, 10, config)))
    say(f"questions from {name}")
    started = time.process_time()
    made = list(generate_questions(graph, amount, config))
    between = time.process_time()
    kept = sum(w.question is not None for w in write_rationales(graph, made))
    ended = time.process_time()
    return {
        "graph": name,
        "questions": len(made),
        "written": kept,
        "generated_per_cpu_second": round(len(made) / (between - started), 1),
        "with_rationale_per_cpu_second": round(len(made) / (ended - started), 1),
    }


if __name__ == "__main__":
    main()
