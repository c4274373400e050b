"""The loop against its controls, and joint training against the recipes that it joins.

    python benchmarks/loop.py rounds  [--graphs umls geography] [--seeds 3] [--rounds 3]
    python benchmarks/loop.py recipes [--graphs geography] [--seeds 3] [--tokens 2e6]

`rounds`: errors and gaps are planted in train; arms that differ in who changes the graph alone
(none, random, oracle, model; `rounds.refinement`) train the same steps on questions made from the
spoilt graph. After each round: the graph's error and missing rate; of the model, on the clean
graph, test MRR, exact match on held-out questions, and known and incorrect.

`recipes`: joint (simultaneous, staged, alternating; balanced) against kalm, kale, kelm, all from
the base model and with as many tokens, which a short run of each counts out; every figure that a
run can be asked for, of the test splits. kelm and joint leave out what --data, or a graph with
descriptions, would teach.

Every cell is kept below --folder and in benchmarks/results/loop.json; the same command goes on
where it was stopped. --set goes to every run.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accord.api import finished_run, load_graph, load_model, train_rounds, train_run
from accord.config import load_config
from accord.evaluate.arms import arm_answers
from accord.evaluate.drift import BaseComparison
from accord.evaluate.files import write_lines
from accord.evaluate.graph_qa import GraphQaConfig
from accord.evaluate.link_prediction import LinkPredictionConfig, evaluate_link_prediction
from accord.evaluate.retention import RetentionConfig, evaluate_retention
from accord.evaluate.tables import table
from accord.graph.formats import write_graph
from accord.graph.graph import KnowledgeGraph
from accord.graph.noise import Noise, plant, write_truth
from accord.progress import say
from accord.synthesis.questions import QuestionConfig, generate_questions
from accord.synthesis.rationale import with_rationales
from accord.synthesis.splitting import path_entities, split_by_entities
from accord.text.questions import write_questions
from accord.train.environment import environment
from accord.train.recipe import Recipe

RESULTS = Path(__file__).resolve().parent / "results" / "loop.json"
ARMS = ("none", "random", "oracle", "model")
RECIPES: Mapping[str, tuple[str, ...]] = {
    "joint": ("joint",),
    "kalm": ("kalm",),
    "kale": ("kale",),
    "kelm": ("kelm", "missing=leave-out"),
    "joint-staged": ("joint", "loop.order=staged"),
    "joint-alternating": ("joint", "loop.order=alternating"),
    "joint-uncertainty": ("joint", "loop.balance=uncertainty"),
    "joint-gradient": ("joint", "loop.balance=gradient"),
}
"""Arm -> its recipe, and settings over it."""
SHARES = (0.7, 0.1, 0.2)
PROBE = 6
"""Steps after which the tokens of a step are known."""
GOALS = {
    "rounds": "error rate halved, and the model better than none by more than the deviation",
    "recipes": "no figure below the specialist's by more than its deviation, two above",
}
Figures = dict[str, float | None]


def make_questions(
    clean: KnowledgeGraph, spoilt: KnowledgeGraph, count: int, folder: Path
) -> tuple[Path, Path]:
    """Questions to learn, of the spoilt graph, and to ask, of the clean one; no path in both.

    Returns:
        The file to learn from (train and valid) and the file that is asked (test).
    """
    learnt, asked = folder / "learnt.jsonl.gz", folder / "asked.jsonl.gz"
    if not (learnt.is_file() and asked.is_file()):
        config = QuestionConfig(attributes=0.0)
        split = split_by_entities(list(generate_questions(clean, count, config)), SHARES)
        test = [question for question in split if question.split == "test"]
        kept = {entities for question in test for entities in path_entities(question)}
        others = [
            question
            for question in generate_questions(spoilt, count, config)
            if kept.isdisjoint(path_entities(question))
        ]
        parted = split_by_entities(others, (0.9, 0.1, 0.0))
        write_questions(asked, with_rationales(clean, test))
        write_questions(learnt, with_rationales(spoilt, parted))
    return learnt, asked


def measure(run: Path, clean: KnowledgeGraph, asked: Path | None, given: Any) -> Figures:
    """What a run does on clean held-out data."""
    model = load_model(run)
    config = LinkPredictionConfig("test", limit=given.triples, baseline=False)
    found: Figures = {"mrr": evaluate_link_prediction(model, clean, config).mrr}
    small = RetentionConfig(words=0, samples=16)
    found["kl_to_base"] = evaluate_retention(
        model, BaseComparison(model), None, config=small
    ).kl_to_base
    if asked is not None:
        answers = arm_answers(run, clean, asked, GraphQaConfig("test", limit=given.asked))
        found["exact_match"] = answers.result["exact_match"]
        found["known_incorrect"] = answers.known.get("known_incorrect")
    return found


def rounds_cell(name: str, arm: str, seed: int, given: Any) -> list[dict[str, Any]]:
    """One arm: each round's graph and model."""
    clean, folder = load_graph(name), given.folder / f"{name}-{seed}"
    planted = plant(clean, Noise(given.errors, "random", given.gaps, seed))
    truth = write_truth(planted, folder / "truth.csv")
    if not (folder / "graph").is_dir():
        write_graph(planted.graph, folder / "graph")
    learnt, asked = None, None
    if given.questions:
        learnt, asked = make_questions(clean, planted.graph, given.questions, folder)
    settings = [f"rounds.refinement={arm}", f"rounds.truth={truth}", f"rounds.above={given.above}"]
    settings += [*given.settings, f"seed={seed}"]
    done = train_rounds(
        given.recipe, folder / "graph", folder / arm, given.rounds, overrides=settings, qa=learnt
    )
    return [
        {
            "state": entry["state"], "tokens": entry["metrics"].get("tokens"),
            "truth": entry.get("truth"), **measure(done.out / entry["run"], clean, asked, given),
        }
        for entry in done.rounds
    ]  # fmt: skip


def steps_for(arm: str, graph: Path, folder: Path, qa: Path | None, given: Any) -> int:
    """The steps in which an arm reads as many tokens as it may."""
    probe, (recipe, *more) = folder / f"probe-{arm}", RECIPES[arm]
    done = finished_run(probe)
    if done is None:
        settings = [*more, *given.settings, f"loop.steps={PROBE}", "loop.validate_every=0"]
        data = given.data if _reads(recipe) else []
        done = train_run(recipe, graph, probe, None, settings, qa=_qa(recipe, qa), data=data)
    return max(1, round(float(given.tokens) * PROBE / done.metrics["tokens"]))


def _qa(recipe: str, qa: Path | None) -> Path | None:
    """The questions, for a recipe that learns from some."""
    return qa if load_config(Recipe, recipe).rationale.weight else None


def recipes_cell(name: str, arm: str, seed: int, given: Any) -> dict[str, Any]:
    """One recipe at a number of tokens."""
    recipe, *more = RECIPES[arm]
    graph, folder = load_graph(name), given.folder / f"{name}-recipes"
    if not (folder / "graph").is_dir():
        write_graph(graph, folder / "graph")
    learnt, asked = make_questions(graph, graph, given.questions, folder)
    run = folder / f"{arm}-{seed}"
    done = finished_run(run)
    if done is None and (run / "config.toml").is_file():
        done = train_run(recipe, folder / "graph", run, resume=True)
    if done is None:
        steps = steps_for(arm, folder / "graph", folder, learnt, given)
        settings = [*more, *given.settings, f"loop.steps={steps}", f"seed={seed}"]
        qa, data = _qa(recipe, learnt), given.data if _reads(recipe) else []
        done = train_run(recipe, folder / "graph", run, None, settings, qa=qa, data=data)
    figures = measure(run, graph, asked, given) | texts(run, graph, given.data)
    return {
        "steps": done.steps,
        "seconds": done.seconds,
        "tokens": done.metrics["tokens"],
        **figures,
    }


def _reads(recipe: str) -> bool:
    """Whether a recipe learns from annotated texts."""
    known = load_config(Recipe, recipe)
    return bool(known.relations.weight or known.linking.weight or known.modelling.weight)


def texts(run: Path, graph: KnowledgeGraph, data: Sequence[str]) -> Figures:
    """Relations and links on the test splits of corpora; nothing of a run without those heads."""
    from accord.evaluate.extractor import Extractor
    from accord.evaluate.linking import evaluate_linking
    from accord.evaluate.relations import evaluate_relations
    from accord.text.corpora import load_corpus
    from accord.text.links import load_links

    found: Figures = {}
    settings = load_config(Recipe, run / "config.toml")
    for name in data:
        if settings.relations.weight:
            examples = load_corpus(name, "test")
            told = evaluate_relations(Extractor.open(run), examples, name, "test").to_dict()
            found[f"relations {name}"] = told["micro_f1"]
        if settings.linking.weight:
            mentions = load_links(name, "test", graph)
            told = evaluate_linking(Extractor.open(run), graph, mentions, name, "test").to_dict()
            found[f"links {name}"] = told["accuracy"]
    return found


def show(cells: Mapping[str, Any]) -> str:
    """One row a cell, the last round's where there are several."""
    lasts = {key: cell[-1] if isinstance(cell, list) else cell for key, cell in cells.items()}
    flat = {
        key: {**last, **{k: v for k, v in (last.get("truth") or {}).items() if "rate" in k}}
        for key, last in lasts.items()
    }
    names = list(dict.fromkeys(k for c in flat.values() for k, v in c.items() if _number(v)))
    rows = [[key, *("-" if c.get(n) is None else c[n] for n in names)] for key, c in flat.items()]
    return table(["", *names], rows)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float))


def parse() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["rounds", "recipes"])
    parser.add_argument("--graphs", nargs="+", default=["umls", "geography"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=None, help="arms, or recipes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recipe", default="joint", help="of the rounds")
    parser.add_argument("--errors", type=float, default=0.1)
    parser.add_argument("--gaps", type=float, default=0.1)
    parser.add_argument("--above", type=float, default=0.7)
    parser.add_argument("--tokens", type=float, default=2e6, help="of each recipe's run")
    parser.add_argument("--questions", type=int, default=4000, help="made; 0 for none in rounds")
    parser.add_argument("--asked", type=int, default=1000, help="test questions at most")
    parser.add_argument("--triples", type=int, default=1000, help="test triples at most")
    parser.add_argument("--data", action="append", default=[], help="annotated corpus (recipes)")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-loop"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> None:
    given = parse()
    given.folder = given.folder.resolve()
    done = json.loads(given.out.read_text("utf-8")) if given.out.is_file() else {}
    cells = done.setdefault(given.what, {})
    known = ARMS if given.what == "rounds" else tuple(RECIPES)
    for name, seed, arm in itertools.product(given.graphs, given.seeds, given.arms or known):
        key = f"{name} {arm} {seed}"
        if key not in cells:
            say(f"measuring {key}")
            make = rounds_cell if given.what == "rounds" else recipes_cell
            cells[key] = make(name, arm, seed, given)
            kept = {"goals": GOALS, **done, "environment": environment()}
            write_lines(given.out, [json.dumps(kept, indent=1)])
    print(show(cells))


if __name__ == "__main__":
    main()
