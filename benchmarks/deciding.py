"""How often, and how surely, the right one of four options is chosen: UMLS, and choice questions.

    python benchmarks/deciding.py --run runs/umls --items 1000
    python benchmarks/deciding.py --run runs/umls --items 200 --choice commonsenseqa openbookqa

UMLS: which of four entities stands in the relation of a held-out triple; the others stand there in
other triples and are no known answer. Triples are asked about from both ends; where that gives
fewer items than wanted, again with other options. Arms: `frequency` (how often an option stands
there in train), `paths` (what `accord decide` reads off the train graph), the base model and the
run by likelihood, by cosine of their embeddings and by both, and paths with either model.

Before calibration each sign has its natural weight (a likelihood 1, a cosine 1 / 0.05, paths as
`accord decide` has them); after it, weights that softmax regression learns on items of valid.
Expected calibration error over ten equal bins, on test. Choice sets: likelihoods of the choices,
calibrated alike on their valid items. Writes benchmarks/results/deciding.json.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from accord.decode.decide import Decider
from accord.decode.decision import FEATURES, Asked, Calibration
from accord.evaluate.choice import ChoiceConfig, ChoiceResult, credit, evaluate_choice, lengths
from accord.evaluate.decisions import (
    DecisionItem,
    expected_calibration_error,
    fit_weights,
    shares,
)
from accord.evaluate.protocol import Float64
from accord.evaluate.statistics import paired_bootstrap
from accord.evaluate.tables import table
from accord.graph.graph import Int64, KnowledgeGraph
from accord.graph.load import load_graph
from accord.model.saving import load_model
from accord.text.choice_sets import load_choices
from accord.text.qa_prompts import question_prompt
from accord.text.render import entity_name, one_line
from accord.train.environment import environment

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel

HERE = Path(__file__).resolve().parent
OPTIONS, MOST_ROUNDS, GOAL = 4, 20, 0.05
PATHS, OPINIONS = ("rules", "lift"), ("cosine", "likelihood", "by byte")
NATURAL = {
    "frequency": 1.0, "rules": Calibration.rules, "lift": Calibration.lift,
    "cosine": 20.0, "likelihood": 1.0, "by byte": 0.0,
}  # fmt: skip
"""Weights before calibration."""
Signs = Mapping[str, Float64]
"""Sign -> (N, options)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="a finished run over the graph")
    parser.add_argument("--base", default="smollm2-135m-q4", help="the model before training")
    parser.add_argument("--graph", default="umls")
    parser.add_argument("--items", type=int, default=1000, help="of each split")
    parser.add_argument("--seed", type=int, default=0, help="of other options and samples")
    parser.add_argument("--choice", nargs="*", default=[], help="commonsenseqa openbookqa ...")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "deciding.json")
    options = parser.parse_args()
    models = {"base": load_model(options.base), "run": load_model(options.run)}
    result: dict[str, Any] = {"graph": options.graph, "run": options.run, "seed": options.seed}
    result["decisions"] = decisions(load_graph(options.graph), models, options)
    print(shown(result["decisions"]["arms"]), flush=True)
    result["choice"] = {
        name: {who: choices(model, name, options) for who, model in models.items()}
        for name in options.choice
    }
    for name, arms in result["choice"].items():
        print(f"\n{name}\n{shown(arms)}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({**result, "environment": environment()}, indent=1) + "\n")


def decisions(
    graph: KnowledgeGraph, models: Mapping[str, KnowledgeModel], options: argparse.Namespace
) -> dict[str, Any]:
    """Every arm on test, calibrated on valid."""
    items = {
        split: typed_items(graph, split, options.items, options.seed) for split in ("valid", "test")
    }
    # Both at once: what is asked about twice is read once.
    every = all_signs(graph, [item for found in items.values() for item in found], models)
    count = len(items["valid"])
    signs: dict[str, Signs] = {
        "valid": {name: values[:count] for name, values in every.items()},
        "test": {name: values[count:] for name, values in every.items()},
    }
    answers = {split: np.array([i.answer for i in found]) for split, found in items.items()}
    arms, right = {}, {}
    for arm, names in arms_of(models).items():
        valid, test = (stacked(signs[split], names) for split in ("valid", "test"))
        natural = np.array([NATURAL[name.partition(": ")[2] or name] for name in names])
        learnt = fit_weights(valid, answers["valid"])
        arms[arm], right[arm] = measured(test, answers["test"], natural, learnt)
        arms[arm]["weights"] = dict(zip(names, learnt.tolist(), strict=True))
    gains = {
        f"paths + run over {arm}": asdict(paired_bootstrap(right[arm], right["paths + run"]))
        for arm in ("frequency", "paths", "base", "run")
    }
    return {
        "items": {split: len(found) for split, found in items.items()},
        "triples": {split: len(asked_about(found)) for split, found in items.items()},
        "options": OPTIONS, "random": 1 / OPTIONS, "goal_ece": GOAL, "arms": arms, "gains": gains,
    }  # fmt: skip


def typed_items(graph: KnowledgeGraph, split: str, count: int, seed: int) -> list[DecisionItem]:
    """Items about the triples of a split, from both ends.

    Args:
        graph: The graph; answers of all of its splits are known and no wrong options.
        split: Whose triples are asked about.
        count: Items at most.
        seed: Of order and other options.

    Returns:
        Items in a drawn order; each triple once from each end before any comes again with other
        options. Fewer than asked for where no triple has enough other options.
    """
    rng = np.random.default_rng(seed)
    triples = graph.triples_of(split).astype(np.int64)
    shift = graph.num_relations
    back = np.stack([triples[:, 2], triples[:, 1] + shift, triples[:, 0]], axis=1)
    queries = np.concatenate([triples, back])
    found: list[DecisionItem] = []
    for _ in range(MOST_ROUNDS):
        for head, number, tail in queries[rng.permutation(len(queries))].tolist():
            others = others_of(graph, head, number)
            if len(others) >= OPTIONS - 1:
                drawn = rng.choice(others, OPTIONS - 1, replace=False).tolist()
                place = int(rng.integers(OPTIONS))
                chosen = (*drawn[:place], tail, *drawn[place:])
                found.append(DecisionItem(head, number, chosen, place))
            if len(found) == count:
                return found
    return found


def others_of(graph: KnowledgeGraph, head: int, number: int) -> Int64:
    """Entities that stand where an answer of a query stands, and are none of its known answers."""
    relation, inverse = number % graph.num_relations, number >= graph.num_relations
    side = 0 if inverse else 2
    around = graph.incoming(head) if inverse else graph.outgoing(head)
    known = around[around[:, 1] == relation, side]
    there = np.unique(graph.triples[graph.triples[:, 1] == relation, side])
    found: Int64 = np.setdiff1d(there, [*known.tolist(), head])
    return found


def asked_about(items: Sequence[DecisionItem]) -> set[tuple[int, int, int]]:
    """The different queries with their answers."""
    return {(item.head, item.number, item.options[item.answer]) for item in items}


def all_signs(
    graph: KnowledgeGraph, items: Sequence[DecisionItem], models: Mapping[str, KnowledgeModel]
) -> dict[str, Float64]:
    """What speaks for each option, by sign."""
    decider = Decider(graph, splits=("train",))
    asked = [decider.worded(item.head, item.number) for item in items]
    found = {"frequency": np.array([frequencies(graph, item) for item in items])}
    features = np.array(
        [
            [
                decider.weigh(Asked((i.head,), i.number, text, text), o, "").features
                for o in i.options
            ]
            for i, text in zip(items, asked, strict=True)
        ]
    )  # (N, options, signs of `decide`)
    found |= {name: features[:, :, FEATURES.index(name)] for name in PATHS}
    for who, model in models.items():
        opinion = opinions(model, graph, items, asked)
        found |= {f"{who}: {name}": values for name, values in opinion.items()}
    return found


def frequencies(graph: KnowledgeGraph, item: DecisionItem) -> list[float]:
    """Log of 1 + how often each option stands in the relation in train."""
    train = graph.triples_of("train")
    inverse = item.number >= graph.num_relations
    there = train[train[:, 1] == item.number % graph.num_relations, 0 if inverse else 2]
    return [float(np.log1p((there == option).sum())) for option in item.options]


def opinions(
    model: KnowledgeModel,
    graph: KnowledgeGraph,
    items: Sequence[DecisionItem],
    asked: Sequence[str],
) -> dict[str, Float64]:
    """What a model says of the options, each text read once."""
    options = np.array([item.options for item in items])
    queries = np.array([[item.head, item.number] for item in items], dtype=np.int64)
    distinct, place = np.unique(queries, axis=0, return_inverse=True)
    vectors = model.embed_queries(graph, distinct)[place.reshape(-1)]
    cosine = np.einsum("np,nop->no", vectors, model.embed_entities(graph)[options])
    names = [one_line(entity_name(graph, option)) for option in options.reshape(-1)]
    prompts = [question_prompt(text) for text in asked for _ in range(options.shape[1])]
    scores = model.score_continuations(prompts, [f" {name}" for name in names])
    sizes = np.array([len(f" {name}".encode()) for name in names])
    shape = options.shape
    likelihood, by_byte = scores.reshape(shape), (scores / sizes).reshape(shape)
    return {"cosine": cosine.astype(float), "likelihood": likelihood, "by byte": by_byte}


def arms_of(models: Mapping[str, KnowledgeModel]) -> dict[str, tuple[str, ...]]:
    """Arm -> its signs."""
    arms: dict[str, tuple[str, ...]] = {"frequency": ("frequency",), "paths": PATHS}
    for who in models:
        own = tuple(f"{who}: {name}" for name in OPINIONS)
        arms |= {f"{who}, cosine": own[:1], f"{who}, likelihood": own[1:2], who: own}
        arms[f"paths + {who}"] = (*PATHS, *own)
    return arms


def stacked(signs: Signs, names: Sequence[str]) -> Float64:
    """(N, options, signs)."""
    found: Float64 = np.stack([signs[name] for name in names], axis=-1)
    return found


def measured(
    features: Float64, answers: np.ndarray[Any, Any], natural: Float64, learnt: Float64
) -> tuple[dict[str, Any], Float64]:
    """Accuracy and calibration error before and after, and (N,) which are right after it."""
    before, after = (shares(features @ weights) for weights in (natural, learnt))
    found: dict[str, Any] = {"n": len(answers)}
    for when, probabilities in (("before", before), ("after", after)):
        right = credits_of(probabilities, answers)
        found[f"accuracy_{when}"] = float(right.mean())
        found[f"ece_{when}"] = expected_calibration_error(probabilities.max(1), right)
    return found, credits_of(after, answers)


def credits_of(probabilities: Float64, answers: np.ndarray[Any, Any]) -> Float64:
    """(N,) 1 where the right option alone is the most probable, 1/n where n tie."""
    pairs = zip(np.round(probabilities, 9), answers.tolist(), strict=True)
    return np.array([credit(row, answer) for row, answer in pairs])


def choices(model: KnowledgeModel, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One model on one choice set: test, calibrated on valid."""
    config = ChoiceConfig(limit=options.items, seed=options.seed)
    valid, test = (
        evaluate_choice(model, load_choices(name, split), config) for split in ("valid", "test")
    )
    count = Counter(len(item.choices) for item in test.items).most_common(1)[0][0]
    (x, y), (features, answers) = (likelihoods(result, count) for result in (valid, test))
    natural = np.array([NATURAL["likelihood"], NATURAL["by byte"]])
    found, _ = measured(features, answers, natural, fit_weights(x, y))
    told = test.to_dict()
    return {**found, "accuracy_norm": told["accuracy_norm"], "baseline": told["baseline"]}


def likelihoods(result: ChoiceResult, count: int) -> tuple[Float64, np.ndarray[Any, Any]]:
    """(N, choices, 2) likelihoods, whole and by byte, and answers of items of so many choices."""
    pairs = [
        (np.stack([row, row / lengths(item)], axis=-1), item.answer)
        for item, row in zip(result.items, result.scores, strict=True)
        if len(item.choices) == count
    ]
    return np.array([x for x, _ in pairs]), np.array([y for _, y in pairs])


def shown(arms: Mapping[str, Mapping[str, Any]]) -> str:
    """The arms as a table."""
    names = ("n", "accuracy_before", "ece_before", "accuracy_after", "ece_after")
    return table(
        ["", *names], [[arm, *(found[name] for name in names)] for arm, found in arms.items()]
    )


if __name__ == "__main__":
    main()
