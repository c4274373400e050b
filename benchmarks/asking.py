"""How often `accord ask` is right: MetaQA of one to three hops, and PathQuestion.

Every arm answers the same test questions, some of them a sample. `plan` is the learnt planner,
`words` the same decoder untrained, `shuffled` the planner on a graph whose relations' names are
dealt out anew, `template` looks the wording up in what was learnt
from, `closed` asks the model alone, and `prompt` with facts around the topic before the question.

    python benchmarks/asking.py --sets metaqa-held-out metaqa pathquestion --arms plan template
    python benchmarks/asking.py --sets metaqa-held-out --arms words shuffled --sample 300
    python benchmarks/asking.py --sets metaqa-held-out --arms closed prompt --sample 100
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from asking_sets import Split, metaqa, pathquestion, renamed, sample, shuffled

from accord.decode.confidence import Confidence
from accord.decode.guided import Guide
from accord.decode.likeness import WordVectors, word_vectors
from accord.decode.planner_gold import Gold, plan_of, wordings
from accord.decode.planner_training import PlannerConfig
from accord.decode.retrieve import RetrieveConfig
from accord.decode.schema import Schema
from accord.evaluate.asking import Judged, called, evaluate_asking, judged, learn_planner, means
from accord.evaluate.qa_answers import judge
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.model.saving import load_model
from accord.text.qa_prompts import question_prompt, read_answers
from accord.text.questions import Question
from accord.text.wording import triple_statement

ARMS = ("plan", "template", "words", "shuffled", "closed", "prompt")
SAMPLED = ("words", "shuffled", "closed", "prompt")
FACTS = 30
"""Statements that stand in a prompt at most."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=["metaqa-held-out", "metaqa", "pathquestion"])
    parser.add_argument("--arms", nargs="+", default=["plan", "template"], choices=ARMS)
    parser.add_argument("--sample", type=int, default=300, help="a hop, for " + ", ".join(SAMPLED))
    parser.add_argument("--limit", type=int, default=0, help="a hop, for the other arms; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="smollm2-135m-q4")
    parser.add_argument("--vectors", choices=("model", "none"), default="model")
    parser.add_argument("--failures", type=int, default=0, help="wrong answers to print")
    parser.add_argument("--save", type=Path, help="where the planner of the last set is kept")
    options = parser.parse_args()
    for name in options.sets:
        for graph, split in _sets(name, options.seed):
            for arm in options.arms:
                _run(name, graph, split, arm, options)


def _sets(name: str, seed: int) -> list[tuple[KnowledgeGraph, Split]]:
    if name.startswith("metaqa"):
        return [(load_graph("metaqa"), metaqa(name == "metaqa-held-out", seed))]
    graphs = [load_graph(f"pathquestion-{hops}h") for hops in (2, 3)]
    return [(g, pathquestion(hops, g, seed)) for hops, g in zip((2, 3), graphs, strict=True)]


def _run(
    name: str, graph: KnowledgeGraph, split: Split, arm: str, options: argparse.Namespace
) -> None:
    count = options.sample if arm in SAMPLED else options.limit
    test = sample(split.test, count) if count else split.test
    start = time.perf_counter()
    items = _arms(options)[arm](graph, split, test)
    seconds = time.perf_counter() - start
    groups: dict[int, list[Judged]] = defaultdict(list)
    for item in items:
        groups[item.question.hops].append(item)
    for hops, part in sorted(groups.items()):
        exact = [item for item in part if item.question.id in split.exact]
        row = {"set": name, "hops": hops, "arm": arm, "seed": options.seed, "n": len(part)}
        row |= {f"all {key}": round(value, 4) for key, value in means(part).items()}
        row |= {"n exact": len(exact)}
        row |= {f"exact {key}": round(value, 4) for key, value in means(exact).items()}
        print(json.dumps({**row, "seconds of the arm": round(seconds)}), flush=True)
        wrong = [item for item in exact if not item.exact]
        for item in wrong[:: max(1, len(wrong) // max(1, options.failures))][: options.failures]:
            asked = item.question
            print(json.dumps([asked.question, asked.pattern, item.read_as]), flush=True)


Arm = Callable[[KnowledgeGraph, Split, Sequence[Question]], Sequence[Judged]]


def _arms(options: argparse.Namespace) -> dict[str, Arm]:
    def plan(graph: KnowledgeGraph, split: Split, test: Sequence[Question]) -> Sequence[Judged]:
        learnt = learn_planner(
            graph, split.train, PlannerConfig(seed=options.seed), _vectors(options)
        )
        if options.save:
            learnt.save(options.save)
        config = RetrieveConfig("plan", hops=learnt.hops)
        guide = Guide(graph, None, config, Confidence(threshold=0), learnt)
        return evaluate_asking(guide, test).items

    def words(graph: KnowledgeGraph, split: Split, test: Sequence[Question]) -> Sequence[Judged]:
        guide = Guide(graph, None, RetrieveConfig("words", hops=3), Confidence(threshold=0))
        return evaluate_asking(guide, test).items

    def dealt(graph: KnowledgeGraph, split: Split, test: Sequence[Question]) -> Sequence[Judged]:
        other = shuffled(graph, options.seed)
        train = renamed(split.train, graph)
        return plan(other, Split(train, list(test), split.exact), renamed(test, graph))

    def closed(graph: KnowledgeGraph, split: Split, test: Sequence[Question]) -> Sequence[Judged]:
        return _written(options, test, [question_prompt(q.question) for q in test])

    def prompt(graph: KnowledgeGraph, split: Split, test: Sequence[Question]) -> Sequence[Judged]:
        facts = [_facts(graph, question) for question in test]
        pairs = zip(facts, test, strict=True)
        return _written(options, test, [f"{f}\n\n{question_prompt(q.question)}" for f, q in pairs])

    arms = (plan, _template, words, dealt, closed, prompt)
    return dict(zip(ARMS, arms, strict=True))


def _vectors(options: argparse.Namespace) -> WordVectors | None:
    return word_vectors(load_model(options.model)) if options.vectors == "model" else None


def _template(graph: KnowledgeGraph, split: Split, test: Sequence[Question]) -> Sequence[Judged]:
    """The path that most questions of the same wording asked for; no answer to other wordings."""
    guide = Guide(graph)
    schema = Schema(graph, guide.plans.groups)
    mentions = guide.retriever.mentions
    gold = Gold(guide.plans, schema, mentions, 3)
    known: dict[tuple[str, ...], Counter[tuple[int, ...]]] = defaultdict(Counter)
    for item in gold(split.train, per_wording=20):
        for said in item.words:
            known[tuple(said)].update(item.paths)
    found = []
    for question in test:
        answers: list[tuple[str, ...]] = []
        for mention in mentions.find_overlapping(question.question):
            for candidate in mention.candidates:
                said = wordings(question, [mention], [candidate.entity])[0]
                if not answers and tuple(said) in known:
                    path = known[tuple(said)].most_common(1)[0][0]
                    plan = plan_of(schema, candidate.entity, path)
                    answers = called(guide.plans, plan)
        found.append(judged(question, answers))
    return found


def _written(
    options: argparse.Namespace, test: Sequence[Question], prompts: Sequence[str]
) -> Sequence[Judged]:
    texts = load_model(options.model).generate(list(prompts), 32)
    found = []
    for question, text in zip(test, texts, strict=True):
        answers = read_answers(text)
        score = judge(answers, question.answers)
        exact = score.exact_match
        found.append(Judged(question, text, bool(answers), score.hits_at_1, score.f1, exact, 1.0))
    return found


def _facts(graph: KnowledgeGraph, question: Question) -> str:
    """Statements around the topic, which is given: the first of each entity on the way."""
    topic, said = graph.entity(question.topics[0]), list[str]()
    level, seen = [topic], {topic}
    while level and len(said) < FACTS:
        further = []
        for entity in level:
            ahead, back = graph.outgoing(entity).tolist(), graph.incoming(entity).tolist()
            for h, r, t in [*ahead, *back][: FACTS - len(said)]:
                said.append(triple_statement(graph, h, r, t))
                further += [e for e in (h, t) if e not in seen]
                seen |= {h, t}
        level = further
    return "\n".join(said)


if __name__ == "__main__":
    main()
