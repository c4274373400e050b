"""What asking and writing under constraint cost: seconds a question, a token, memory of names.

    python benchmarks/decoding.py [--parts ask speed trie] [--quick] [--out FILE]

`ask`: median and 95th percentile of a question's seconds in `accord ask` after loading, by words
and by a learnt planner, on MetaQA (needs ACCORD_DATA) and geography. `speed`: the embedded model
writes the same number of tokens after the same prompts, once as it likes and once held to the
names, or paths, of geography, by turns; the ratio of their times. `trie`: memory and time of a
token trie over a million names. Writes benchmarks/results/decoding.json; a part that is not
measured stays there as it was.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asking_sets import metaqa, sample
from decoding_cost import GOALS, percentiles, trie_cost, writing_speed

from accord.cli.ask import open_guide
from accord.decode.guided import Guide
from accord.decode.likeness import word_vectors
from accord.decode.planner_training import PlannerConfig
from accord.evaluate.asking import learn_planner
from accord.graph.load import load_graph
from accord.graph.writing import write_file
from accord.model.saving import load_model
from accord.progress import say, track
from accord.synthesis.questions import QuestionConfig, generate_questions
from accord.text.questions import Question
from accord.train.environment import environment

MODEL = "smollm2-135m-q4"
RESULTS = Path(__file__).resolve().parent / "results" / "decoding.json"
SETS = ("metaqa", "geography")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts: dict[str, Callable[[argparse.Namespace], dict[str, Any]]]
    parts = {"ask": _ask, "speed": _speed, "trie": _trie}
    parser.add_argument("--parts", nargs="+", choices=tuple(parts), default=list(parts))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="of ask")
    parser.add_argument("--questions", type=int, default=300, help="asked of each set")
    parser.add_argument("--learnt", type=int, default=900, help="that its planner learns from")
    parser.add_argument("--rows", type=int, default=8, help="that are written side by side")
    parser.add_argument("--tokens", type=int, default=32, help="that each row writes")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="whether it runs; no figures")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.quick:
        options.questions, options.learnt, options.names = 6, 60, 2000
        options.rows, options.tokens, options.repeats = 2, 6, 1
    record = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for part in options.parts:
        found = parts[part](options)
        print(json.dumps({part: found}), flush=True)
        record |= {"goals": GOALS, part: {**found, "environment": environment()}}
        with write_file(options.out) as file:
            file.write((json.dumps(record, indent=1) + "\n").encode())


def _ask(options: argparse.Namespace) -> dict[str, Any]:
    vectors = word_vectors(load_model(MODEL))
    found: dict[str, Any] = {}
    for name in options.sets:
        learnt, asked = _questions(name, options.learnt, options.questions)
        say(f"learning to plan on {name}")
        planner = learn_planner(load_graph(name), learnt, PlannerConfig(), vectors)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "planner"
            planner.save(file)
            for ranking in ("words", "plan"):
                start = time.perf_counter()
                known = file if ranking == "plan" else None
                guide = open_guide(MODEL, name, ranking, planner.hops, None, None, known)
                opened = time.perf_counter() - start
                said = _asked(f"{name} by {ranking}", guide, asked)
                found[f"{name} by {ranking}"] = {"seconds_to_open": round(opened, 2), **said}
    return found


def _asked(what: str, guide: Guide, asked: Sequence[Question]) -> dict[str, float]:
    """What the command does once graph and planner are there, a question at a time."""
    seconds, given = list[float](), 0
    with track(f"asking {what}", len(asked), "questions") as advance:
        for question in asked:
            start = time.perf_counter()
            answered = guide.ask(question.question)
            answered.to_text()
            seconds.append(time.perf_counter() - start)
            given += not answered.abstained
            advance(1)
    return {**percentiles(seconds), "answered": given}


def _questions(name: str, learnt: int, asked: int) -> tuple[list[Question], list[Question]]:
    """Those that a planner learns from, and others to ask."""
    if name == "metaqa":
        split = metaqa(True, 0)
        return sample(split.train, learnt // 3), sample(split.test, asked // 3)
    config = QuestionConfig((1, 2), 0.0, 0.2, max_answers=20)
    made = list(generate_questions(load_graph(name), learnt + asked, config))
    return made[::4] + made[1::4] + made[2::4], made[3::4][:asked]


def _speed(options: argparse.Namespace) -> dict[str, Any]:
    graph, model = load_graph("geography"), load_model(MODEL)
    asked = list(generate_questions(graph, options.rows, QuestionConfig((1,), 0.0, 0.0)))
    return writing_speed(graph, model, asked, options.tokens, options.repeats)


def _trie(options: argparse.Namespace) -> dict[str, Any]:
    return trie_cost(options.names, load_model(MODEL).tokenizer)


if __name__ == "__main__":
    main()
