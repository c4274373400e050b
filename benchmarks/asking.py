"""How often `accord ask` is right: MetaQA of one to three hops, and PathQuestion.

Every arm answers the same test questions, some of them a sample. `plan` is the learnt planner,
`words` the same decoder untrained, `shuffled` the planner on a graph whose relations' names are
dealt out anew, `template` looks the wording up in what was learnt from. In the others a language
model writes, as it comes: `closed` alone, `prompt` behind facts around the topic, `constrained`
alone but held to the names within the question's hops of its topic, `written` the relation path
(`accord ask --ranking model`), whose answers are read off the graph. `closed`, `prompt` and
`constrained` are given the topic; all others find it.

    python benchmarks/asking.py --sets metaqa-held-out metaqa pathquestion --arms plan template
    python benchmarks/asking.py --sets metaqa-held-out --arms words shuffled --sample 300
    python benchmarks/asking.py --sets metaqa-held-out --arms closed prompt --sample 100
    python benchmarks/asking.py --arms constrained written --sample 100 --seeds 3 --out rows.json

Seeds draw the wordings held out, the split of PathQuestion and what is learnt; an arm on which a
seed has no influence is asked once. A question's seconds are without learning and loading.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from asking_arms import closed, constrained, prompted
from asking_sets import Split, metaqa, pathquestion, renamed, sample, shuffled
from asking_table import over_seeds

from accord.decode.confidence import Confidence
from accord.decode.guided import Guide
from accord.decode.likeness import WordVectors, word_vectors
from accord.decode.planner_gold import Gold, plan_of, wordings
from accord.decode.planner_training import PlannerConfig
from accord.decode.retrieve import RetrieveConfig
from accord.decode.schema import Schema
from accord.evaluate.asking import Judged, called, evaluate_asking, judged, learn_planner, means
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.graph.writing import write_file
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import load_model
from accord.text.questions import Question
from accord.train.environment import environment

ARMS = ("plan", "template", "words", "shuffled", "closed", "prompt", "constrained", "written")
SAMPLED = ARMS[2:]
LEARNT = ("plan", "shuffled")
"""What a seed changes even where the questions stay."""
Answering = Callable[[Sequence[Question]], Sequence[Judged]]
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", default=["metaqa-held-out", "metaqa", "pathquestion"])
    parser.add_argument("--arms", nargs="+", default=["plan", "template"], choices=ARMS)
    parser.add_argument("--sample", type=int, default=300, help="a hop, for " + ", ".join(SAMPLED))
    parser.add_argument("--limit", type=int, default=0, help="a hop, for the other arms; 0 for all")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=int, default=0)
    seeds.add_argument("--seeds", type=int, help="0 to N - 1, with means over them at the end")
    parser.add_argument("--model", default="smollm2-135m-q4")
    parser.add_argument("--vectors", choices=("model", "none"), default="model")
    parser.add_argument("--failures", type=int, default=0, help="wrong answers to print")
    parser.add_argument("--save", type=Path, help="where the planner of the last set is kept")
    parser.add_argument("--out", type=Path, help="JSON of all rows, kept after each arm")
    options = parser.parse_args()
    rows = list[Row]()
    for found in _measured(options):
        rows += found
        if options.out:
            _keep(options, rows)
    if options.seeds:
        print(over_seeds(rows))


def _keep(options: argparse.Namespace, rows: Sequence[Row]) -> None:
    settings = {k: v for k, v in vars(options).items() if k not in ("out", "save")}
    record = {"settings": settings, "rows": rows, "environment": environment()}
    with write_file(options.out) as file:
        file.write((json.dumps(record, indent=1) + "\n").encode())


def _measured(options: argparse.Namespace) -> Iterator[list[Row]]:
    """The rows of each arm, as soon as it has answered."""
    seeds = range(options.seeds) if options.seeds else [options.seed]
    for seed in seeds:
        for name in options.sets:
            arms = [a for a in options.arms if seed == seeds[0] or name != "metaqa" or a in LEARNT]
            for graph, split in _sets(name, seed) if arms else []:
                for arm in arms:
                    yield _run(name, graph, split, arm, seed, options)


def _sets(name: str, seed: int) -> list[tuple[KnowledgeGraph, Split]]:
    if name.startswith("metaqa"):
        return [(load_graph("metaqa"), metaqa(name == "metaqa-held-out", seed))]
    graphs = [load_graph(f"pathquestion-{hops}h") for hops in (2, 3)]
    return [(g, pathquestion(hops, g, seed)) for hops, g in zip((2, 3), graphs, strict=True)]


def _run(
    name: str,
    graph: KnowledgeGraph,
    split: Split,
    arm: str,
    seed: int,
    options: argparse.Namespace,
) -> list[Row]:
    count = options.sample if arm in SAMPLED else options.limit
    test = sample(split.test, count) if count else split.test
    start = time.perf_counter()
    answering = _arms(options, seed)[arm](graph, split)
    begun, rows = time.perf_counter() - start, list[Row]()
    groups: dict[int, list[Question]] = defaultdict(list)
    for question in test:
        groups[question.hops].append(question)
    for hops, asked in sorted(groups.items()):
        start = time.perf_counter()
        part = answering(asked)
        seconds = (time.perf_counter() - start) / len(part)
        exact = [item for item in part if item.question.id in split.exact]
        row: Row = {"set": name, "hops": hops, "arm": arm, "seed": seed, "n": len(part)}
        row |= {f"all {key}": round(value, 4) for key, value in means(part).items()}
        row |= {"n exact": len(exact)}
        row |= {f"exact {key}": round(value, 4) for key, value in means(exact).items()}
        row |= {"seconds a question": round(seconds, 4), "seconds before": round(begun, 1)}
        print(json.dumps(row), flush=True)
        _show([item for item in exact if not item.exact], options.failures)
        rows.append(row)
    return rows


def _show(wrong: Sequence[Judged], count: int) -> None:
    for item in wrong[:: max(1, len(wrong) // max(1, count))][:count]:
        asked = item.question
        print(json.dumps([asked.question, asked.pattern, item.read_as]), flush=True)


Arm = Callable[[KnowledgeGraph, Split], Answering]


def _arms(options: argparse.Namespace, seed: int) -> dict[str, Arm]:
    """What prepares each arm: learns, loads."""

    def plan(graph: KnowledgeGraph, split: Split) -> Answering:
        learnt = learn_planner(graph, split.train, PlannerConfig(seed=seed), _vectors(options))
        if options.save:
            learnt.save(options.save)
        config = RetrieveConfig("plan", hops=learnt.hops)
        return _guided(Guide(graph, None, config, Confidence(threshold=0), learnt))

    def words(graph: KnowledgeGraph, split: Split) -> Answering:
        config = RetrieveConfig("words", hops=3)
        return _guided(Guide(graph, None, config, Confidence(threshold=0)))

    def written(graph: KnowledgeGraph, split: Split) -> Answering:
        config = RetrieveConfig("model", hops=3)
        return _guided(Guide(graph, _model(options.model), config, Confidence(threshold=0)))

    def dealt(graph: KnowledgeGraph, split: Split) -> Answering:
        train = renamed(split.train, graph)
        asked = plan(shuffled(graph, seed), Split(train, [], split.exact))
        return lambda test: asked(renamed(test, graph))

    def alone(graph: KnowledgeGraph, split: Split) -> Answering:
        model = _model(options.model)
        return lambda test: closed(model, test)

    def prompt(graph: KnowledgeGraph, split: Split) -> Answering:
        model = _model(options.model)
        return lambda test: prompted(graph, model, test)

    def held(graph: KnowledgeGraph, split: Split) -> Answering:
        model = _model(options.model)
        return lambda test: constrained(graph, model, test)

    arms = (plan, _template, words, dealt, alone, prompt, held, written)
    return dict(zip(ARMS, arms, strict=True))


def _guided(guide: Guide) -> Answering:
    return lambda test: evaluate_asking(guide, test).items


@cache
def _model(name: str) -> KnowledgeModel:
    return load_model(name)


def _vectors(options: argparse.Namespace) -> WordVectors | None:
    return word_vectors(_model(options.model)) if options.vectors == "model" else None


def _template(graph: KnowledgeGraph, split: Split) -> Answering:
    """The path that most questions of the same wording asked for; no answer to other wordings."""
    guide = Guide(graph)
    schema = Schema(graph, guide.plans.groups)
    mentions = guide.retriever.mentions
    gold = Gold(guide.plans, schema, mentions, 3)
    known: dict[tuple[str, ...], Counter[tuple[int, ...]]] = defaultdict(Counter)
    for item in gold(split.train, per_wording=20):
        for said in item.words:
            known[tuple(said)].update(item.paths)

    def answered(question: Question) -> Judged:
        answers: list[tuple[str, ...]] = []
        for mention in mentions.find_overlapping(question.question):
            for candidate in mention.candidates:
                said = wordings(question, [mention], [candidate.entity])[0]
                if not answers and tuple(said) in known:
                    path = known[tuple(said)].most_common(1)[0][0]
                    plan = plan_of(schema, candidate.entity, path)
                    answers = called(guide.plans, plan)
        return judged(question, answers)

    return lambda test: [answered(question) for question in test]


if __name__ == "__main__":
    main()
