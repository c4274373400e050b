"""Knowledge in the model, task by task: runs with an entity memory in view and without one.

    python benchmarks/kelm.py semeval | few-shot | linking | extraction [--seeds 3] [--plan]

semeval     SemEval-2010 task 8: official macro-F1. Memory: ConceptNet-100k.
few-shot    FewRel val_wiki and val_nyt: 5-way, 1 and 5 shots. Trained on Re-DocRED without the
            relations that are measured and without types; not comparable with published figures.
linking     mentions of FewRel to FB15k-237 by wikidata_id, split by entity, and of WebQSP's
            questions, from which nothing is learnt; beside the name prior. A third arm, `new`,
            has the tested entities only after training: text and graph, but no vector.
extraction  Re-DocRED, 450 documents to learn from, 50 for valid: F1 with given mentions, and of
            triples out of bare text. Not comparable with published figures.

The memory of a task is what the recipe `structure` learns on its graph. Both arms have the same
recipe, data, steps and seeds; arm `without` has fusion=off. A cell is one arm with one seed; it is
a run folder that goes on where it was stopped and a file of figures, both in --folder, so a
benchmark that was stopped goes on. The difference is tested by resampling texts, seeds pooled.
--plan trains nothing and says how long a cell takes, from a few steps.
Writes benchmarks/results/kelm-TASK.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from kelm_new import before_and_after

from accord.api import load_graph, train_run
from accord.config import load_config
from accord.evaluate.extractor import Extractor
from accord.evaluate.few_shot import evaluate_few_shot
from accord.evaluate.linking import evaluate_linking
from accord.evaluate.relations import RelationsResult, evaluate_relations
from accord.evaluate.report_runs import deviation, mean
from accord.evaluate.tables import table
from accord.evaluate.text_triples import best_threshold, read_documents, text_scores
from accord.model.saving import model_folder
from accord.model.structure import FOLDER
from accord.objectives.relations import Vocabulary
from accord.progress import clock
from accord.text.annotated import write_annotated
from accord.text.corpora import load_corpus
from accord.text.examples import RelationExample
from accord.text.links import load_links
from accord.train.environment import environment
from accord.train.extraction import fits, read_examples
from accord.train.plan import plan_run
from accord.train.recipe import Recipe

RESULTS = Path(__file__).resolve().parent / "results"
ARMS = ("without", "with")
NEW = "new"
"""Arm of linking: the tested entities came into the graph after training, memory and all."""
SAMPLES = 1000
Float64 = npt.NDArray[np.float64]
Cell = dict[str, Any]
Measured = tuple[Cell, dict[str, Float64]]
"""Figures, and counts of each text: (3, N, C) right, found and stated of C relations, or (N,)."""


@dataclass(frozen=True)
class Task:
    """What is trained and how it is measured."""

    graph: str
    data: Callable[[Path], list[str]]
    measure: Callable[[Path, str, argparse.Namespace], Measured]
    settings: tuple[str, ...]
    headline: str
    """The figure that arms are compared by."""
    arms: tuple[str, ...] = ARMS


def graphs_of(task: Task, arm: str, folder: Path) -> tuple[str, str]:
    """The graph that an arm learns with, and the one that it is measured with."""
    if arm != NEW:
        return task.graph, task.graph
    before, after = before_and_after(task.graph, folder)
    return str(before), str(after)


def memory_of(graph: str, folder: Path, settings: Sequence[str]) -> Path:
    """The entity memory of a graph, trained once."""
    run = folder / f"structure-{Path(graph).name}"
    if not model_folder(run):
        begun = (run / "config.toml").is_file()
        train_run("structure", graph, run, overrides=[] if begun else settings, resume=begun)
    return run / "model" / FOLDER / "entities"


def overrides(task: Task, arm: str, given: argparse.Namespace, folder: Path) -> list[str]:
    if arm == "without":
        return [*task.settings, *given.settings, "fusion=off"]
    learnt, _ = graphs_of(task, arm, folder)
    memory = memory_of(learnt, folder, given.structure or STRUCTURE)
    return [*task.settings, *given.settings, f"model.fusion.memory={memory}"]


def cell(task: Task, arm: str, seed: int, given: argparse.Namespace, folder: Path) -> Cell:
    """One arm with one seed, trained and measured if it was not."""
    run = folder / f"{given.task}-{arm}-{seed}"
    name = f"cell-{given.limit}" if given.limit else "cell"  # arms must be measured alike
    path, arrays = run / f"{name}.json", run / f"{name}.npz"
    learnt, measured = graphs_of(task, arm, folder)
    if not path.is_file():
        if not model_folder(run):
            begun = (run / "config.toml").is_file()
            chosen = [*overrides(task, arm, given, folder), f"seed={seed}"]
            train_run(
                "kelm-encoder", learnt, run, overrides=[] if begun else chosen,
                resume=begun, data=task.data(folder),
            )  # fmt: skip
        figures, counts = task.measure(run, measured, given)
        np.savez(arrays, **counts)  # type: ignore[arg-type]
        trained = json.loads((run / "result.json").read_text())
        found = {**figures, "seconds": trained["seconds"], "best_step": trained.get("best_step")}
        path.write_text(json.dumps(found, indent=1) + "\n")
    return {**json.loads(path.read_text()), "arrays": str(arrays)}


def texts_of(name: str, split: str | None, given: argparse.Namespace) -> list[RelationExample]:
    found = load_corpus(name, split)
    return spaced(found, given.limit)


def spaced(found: list[RelationExample], limit: int) -> list[RelationExample]:
    """At most so many, spread over all; corpora are sorted by relation."""
    return found[:: -(-len(found) // limit)] if limit else found


def counts_of(result: RelationsResult) -> Float64:
    """(3, N, R) facts of each text that are right, found and stated, by relation."""
    names = sorted({r for example in result.examples for _, r, _ in example.facts})
    column = {name: i for i, name in enumerate(names)}
    counts = np.zeros((3, len(result.examples), len(names)))
    for row, (example, found) in enumerate(zip(result.examples, result.found, strict=True)):
        stated = frozenset(example.facts)
        for kind, facts in enumerate((stated & found, found, stated)):
            for _, relation, _ in facts:
                if relation in column:
                    counts[kind, row, column[relation]] += 1
    return counts


def semeval(run: Path, graph: str, given: argparse.Namespace) -> Measured:
    name = "semeval-2010-task-8"
    result = evaluate_relations(Extractor.open(run), texts_of(name, "test", given), name, "test")
    found = result.to_dict()
    figures = {key: found[key] for key in ("n", "macro_f1", "micro_f1", "baseline")}
    return figures, {"macro_f1": counts_of(result)}


def few_shot(run: Path, graph: str, given: argparse.Namespace) -> Measured:
    extractor = Extractor.open(run)
    figures: Cell = {}
    items: dict[str, Float64] = {}
    for name in ("fewrel-wiki", "fewrel-nyt"):
        texts = texts_of(name, None, given)
        examples = [e for e in texts if fits(extractor.model, e, twice=False)]
        figures[f"{name}/left out"] = len(texts) - len(examples)
        vocabulary = Vocabulary(extractor.vocabulary.relations, ("",))
        read = list(read_examples(extractor.model, examples, vocabulary, False))
        features = np.concatenate([rows[:1] for rows in extractor.pair_features(read)])
        labels = np.unique([e.facts[0][1] for e in examples], return_inverse=True)[1]
        for shots in (1, 5):
            result = evaluate_few_shot(features, labels, 5, shots, given.episodes, 0)
            key = f"{name}/{shots}-shot"
            figures[key], items[key] = result.to_dict()["accuracy"], result.correct
    return figures, items


def linking(run: Path, graph: str, given: argparse.Namespace) -> Measured:
    extractor, known = Extractor.open(run), load_graph(graph)
    figures: Cell = {}
    items: dict[str, Float64] = {}
    for name in ("fewrel-wiki", "fewrel-nyt", "webqsp"):
        examples = load_links(name, "test", known)
        some = spaced(examples, given.limit)
        result = evaluate_linking(extractor, known, some, name, "test")
        found = result.to_dict()
        prior = found.pop("baseline")["name prior"]
        figures |= {f"{name}/{k}": v for k, v in found.items() if not isinstance(v, str)}
        figures |= {f"{name}/name prior/{k}": v for k, v in prior.items()}
        items[f"{name}/accuracy"] = (result.gold == result.found).astype(np.float64)
    return figures, items


def extraction(run: Path, graph: str, given: argparse.Namespace) -> Measured:
    extractor = Extractor.open(run)
    test, valid = (texts_of("re-docred", split, given) for split in ("test", "valid"))
    result = evaluate_relations(extractor, test, "re-docred", "test")
    found = result.to_dict()
    threshold = best_threshold(read_documents(extractor, valid))
    bare = text_scores(read_documents(extractor, test), threshold)
    figures = {key: found[key] for key in ("n", "micro_f1", "macro_f1", "unread", "baseline")}
    figures |= {"threshold": threshold, **{f"bare text/{k}": v for k, v in bare.items()}}
    return figures, {"micro_f1": counts_of(result).sum(2, keepdims=True)}


def named(*names: str) -> Callable[[Path], list[str]]:
    return lambda _: list(names)


def unseen_relations(folder: Path) -> list[str]:
    """Re-DocRED without what is measured on FewRel: those facts and their pairs, and all types."""
    path = folder / "re-docred-unseen.jsonl.gz"
    if not path.is_file():
        asked = {
            r
            for name in ("fewrel-wiki", "fewrel-nyt")
            for e in load_corpus(name)
            for _, r, _ in e.facts
        }
        kept = [without(e, asked) for e in load_corpus("re-docred") if e.split != "test"]
        folder.mkdir(parents=True, exist_ok=True)
        write_annotated(path, kept)
    return [str(path)]


def without(example: RelationExample, relations: set[str]) -> RelationExample:
    """An example without some relations: pairs that have one are not judged."""
    gone = {(h, t) for h, r, t in example.facts if r in relations}
    facts = tuple(f for f in example.facts if (f[0], f[2]) not in gone)
    asked = tuple(pair for pair in example.asked if pair not in gone)
    spans = tuple(replace(span, kind="") for span in example.mentions.spans)
    mentions = replace(example.mentions, spans=spans, kinds=())
    return replace(example, mentions=mentions, facts=facts, asked=asked)


STRUCTURE = ("structure.negatives=1024", "structure.batch_size=1024", "steps=1500")
"""Settings of the memories: graphs of thousands of entities."""
NO_LINKING = ("linking.weight=0", "modelling.weight=0", "descriptions=false", "projection=0")
TASKS = {
    "semeval": Task(
        "conceptnet-100k", named("semeval-2010-task-8"), semeval,
        (*NO_LINKING, "relations.rows=32", "steps=2000"), "macro_f1",
    ),
    "few-shot": Task(
        "fb15k-237", unseen_relations, few_shot,
        (*NO_LINKING, "relations.rows=4", "relations.negatives=64", "steps=1500"),
        "fewrel-wiki/1-shot",
    ),
    "linking": Task(
        "fb15k-237", named("fewrel-wiki", "fewrel-nyt"), linking,
        ("relations.weight=0", "modelling.weight=0", "linking.rows=32", "steps=1500"),
        "fewrel-wiki/accuracy", (*ARMS, NEW),
    ),
    "extraction": Task(
        "fb15k-237", named("re-docred"), extraction,
        (*NO_LINKING, "spans.weight=1", "relations.rows=4", "relations.negatives=64",
         "steps=1500"), "micro_f1",
    ),
}  # fmt: skip


def bootstrap(first: Sequence[Float64], second: Sequence[Float64], macro: bool) -> Cell:
    """Second minus first with its 95 % interval: texts are drawn again, seeds pooled.

    Args:
        first: A seed each: (3, N, C) counts, or (N,) values of items.
        second: The same items.
        macro: F1 is the mean over the C relations, else over all facts.
    """
    if first[0].ndim == 1:
        first, second = ([np.mean(x, axis=0)[None, :, None]] for x in (first, second))
    size = first[0].shape[1]
    draws = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), SAMPLES)
    weights = np.concatenate([np.ones((1, size)), draws])
    one, other = (_figure(weights, np.sum(x, axis=0), macro) for x in (first, second))
    gain = other - one
    low, high = np.quantile(gain[1:], [0.025, 0.975])
    return {"difference": float(gain[0]), "low": float(low), "high": float(high)}


def _figure(weights: Float64, counts: Float64, macro: bool) -> Float64:
    """(S,) the figure of each draw of texts."""
    sums = [weights @ part for part in counts]  # each (S, C)
    if len(sums) == 1:
        mean_of: Float64 = sums[0][:, 0] / weights.sum(1)
        return mean_of
    right, found, stated = sums if macro else [part.sum(1, keepdims=True) for part in sums]
    score = 2 * right / np.maximum(1.0, found + stated)
    held = stated > 0
    figure: Float64 = (score * held).sum(1) / np.maximum(1, held.sum(1))
    return figure


def summary(cells: Mapping[str, Sequence[Cell]], task: Task) -> Cell:
    arms: dict[str, dict[str, Cell]] = {}
    for arm, found in cells.items():
        keys = [k for k, v in found[0].items() if isinstance(v, (int, float))]
        values = {k: [float(c[k]) for c in found if c[k] is not None] for k in keys}
        arms[arm] = {
            k: {"mean": mean(v), "sd": deviation(v), "values": v} for k, v in values.items() if v
        }
    loaded = {a: [dict(np.load(c["arrays"])) for c in found] for a, found in cells.items()}
    gains = {
        key: bootstrap(
            [x[key] for x in loaded["without"]], [x[key] for x in loaded["with"]], "macro" in key
        )
        for key in loaded["without"][0]
    }
    whole: Cell = {"arms": arms, "gain_of_knowledge": gains, "headline": task.headline}
    if NEW in loaded:
        whole["cost_of_being_new"] = {
            key: bootstrap([x[key] for x in loaded[NEW]], [x[key] for x in loaded["with"]], False)
            for key in loaded[NEW][0]
        }
    return whole


def shown(found: Mapping[str, Any]) -> str:
    arms = found["arms"]
    rows = []
    for key in arms["with"]:
        gain = found["gain_of_knowledge"].get(key)
        said = "" if gain is None else f"{gain['low']:+.4f} to {gain['high']:+.4f}"
        each = [f"{arm[key]['mean']:.4f} ± {arm[key]['sd']:.4f}" for arm in arms.values()]
        rows.append([key, *each, said])
    return table(["", *arms, "95 % of with - without"], rows)


def planned(task: Task, given: argparse.Namespace, folder: Path) -> Cell:
    """How long one cell takes here; that of arm `with` only once its memory is trained."""
    graph, found = load_graph(task.graph), {}
    made = model_folder(folder / f"structure-{task.graph}") is not None
    for arm in ARMS if made else ARMS[:1]:
        recipe = load_config(Recipe, "kelm-encoder", overrides(task, arm, given, folder))
        found[arm] = plan_run(recipe, graph, folder=folder, data=task.data(folder))
        said = {key: clock(found[arm][f"{key}_seconds"]) for key in ("train", "validation")}
        print(f"{arm}: {clock(found[arm]['seconds'])} a cell ({said})")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-kelm"))
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--structure", action="append", help="key=value of the memory's training")
    parser.add_argument("--limit", type=int, default=0, help="texts measured at most; 0 for all")
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--plan", action="store_true", help="only say how long a cell takes")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    task = TASKS[given.task]
    if given.plan:
        planned(task, given, given.folder)
        return
    cells: dict[str, list[Cell]] = {arm: [] for arm in task.arms}
    for seed in range(given.seeds):
        for arm in task.arms:
            cells[arm].append(cell(task, arm, seed, given, given.folder))
    found = summary(cells, task)
    print(shown(found))
    out = given.out or RESULTS / f"kelm-{given.task}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    record = {"task": given.task, "settings": [*task.settings, *given.settings], **found}
    out.write_text(json.dumps({**record, "environment": environment()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
