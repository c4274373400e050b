"""KALE against its baselines and ablations, on multi-hop questions over five graphs.

    python benchmarks/kale.py [--sets umls-2h ...] [--arms sft kale ...] [--seeds 3] [--quick]

For each set: questions with template rationales, split by the entities of their paths; one run that
learns every fact on the paths in the recipe's forms, and no question; from that one checkpoint
every arm, with the same steps, questions a step and trials of the learning rate on valid, each
stopped at its own best on valid. Measured on test: exact match, known and incorrect (a) over the
facts that the checkpoint knew before tuning, the same for every arm, and (b) over those that the
arm itself knows.

Each cell (set, arm, seed) is a JSON file below --folder; a cell that is there is not made again, so
the same command goes on where it was stopped, also inside a training run. Writes
benchmarks/results/kale.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kale_sets import SETS, prepare

from accord.api import finished_run, load_graph, load_model, train_run
from accord.evaluate.graph_qa import GraphQaConfig, GraphQaResult, evaluate_graph_qa, load_questions
from accord.evaluate.statistics import paired_bootstrap
from accord.evaluate.tables import table
from accord.train.cache import open_cache
from accord.train.checkpoint import RunFolder
from accord.train.environment import environment

RESULTS = Path(__file__).resolve().parent / "results" / "kale.json"
GOALS = {"mean_gain": 4.18, "best_gain": 11.72, "known_incorrect_ratio": 0.5}


@dataclass(frozen=True)
class Arm:
    """One row of the table."""

    recipe: str = ""
    """What it is tuned with; empty where the checkpoint is asked as it is."""
    settings: tuple[str, ...] = ()
    mode: str = "direct"
    shots: int = 0


ARMS = {
    "vanilla": Arm(),
    "few-shot": Arm(mode="rationale-written", shots=3),
    "sft": Arm("kale/sft"),
    "sft-facts": Arm("kale/sft", ("rationale.facts=1",)),
    "sft-rationale": Arm("kale/sft-rationale", mode="rationale-written"),
    "kale-without-ki": Arm("kale/without-ki", mode="rationale-written"),
    "kale-without-ka": Arm("kale/without-ka", mode="rationale-written"),
    "kale": Arm("kale", mode="rationale-written"),
}
BEFORE = "vanilla"
"""The arm that says what was known before tuning."""
MAJORITY = "majority"
"""The most frequent answer of the relation path in train; comes with the first cell of a set."""


@dataclass(frozen=True)
class Plan:
    """What all cells share."""

    folder: Path
    model: str
    steps: int
    fact_steps: int
    rates: tuple[str, ...]
    test: int
    questions: int
    settings: tuple[str, ...]

    def shared(self, steps: int) -> list[str]:
        """Settings that every arm trains with."""
        every = max(1, steps // 3)
        return [f"loop.steps={steps}", f"loop.validate_every={every}", *self.settings]


def trained(
    run: Path, recipe: str, graph: str, model: str, qa: Path, settings: list[str], place: Path
) -> Any:
    """A finished run's result; trains it, or goes on with it, where that is needed.

    Runs of a set (below `place`) copy each other's states of the frozen layers, and keep their own
    only where they had to read some.
    """
    if finished_run(run) is None:
        begun = (run / "config.toml").is_file()
        others = sorted(str(kept.parent.parent) for kept in place.rglob("cache/hidden.json"))
        more = [*settings, f"loop.cache_from={json.dumps(others)}"]
        train_run(
            recipe, graph, run, None if begun else model, [] if begun else more, qa=None
            if begun else qa, resume=begun,
        )  # fmt: skip
        if covered(run / "cache", [Path(other) / "cache" for other in others]):
            shutil.rmtree(run / "cache")
    return RunFolder(run).read_json("result.json")


def covered(cache: Path, others: list[Path]) -> bool:
    """Whether other caches hold all that this one does."""
    record = RunFolder(cache).read_json("hidden.json")
    kept = [found for other in others if (found := open_cache(other, record["identity"]))]
    own = open_cache(cache, record["identity"])
    held = set().union(*(other.starts for other in kept))
    return own is not None and own.starts.keys() <= held


@dataclass(frozen=True)
class Start:
    """What every arm of a set begins with."""

    run: Path
    """The run that has the facts in."""
    qa: Path
    """The questions."""
    facts: tuple[str, ...]
    """Settings: how many facts are kept up beside the questions."""


def checkpoint(name: str, plan: Plan) -> Start:
    """The facts, learnt once."""
    qa, count = prepare(name, plan.folder / name, plan.questions)
    run, facts = plan.folder / name / "facts", (f"rationale.fact_limit={count}",)
    settings = [f"loop.steps={plan.fact_steps}", *plan.settings, *facts]
    trained(run, "kale/facts", SETS[name].graph, plan.model, qa, settings, run.parent)
    return Start(run, qa, facts)


def tuned(name: str, arm: str, seed: int, plan: Plan, start: Start) -> tuple[Path, dict[str, Any]]:
    """The run of one arm: with seed 0 each learning rate is tried, others take the best."""
    chosen, graph = ARMS[arm], SETS[name].graph

    def run_of(seed: int, rate: str) -> tuple[Path, Any]:
        run = plan.folder / name / arm / f"seed-{seed}-rate-{rate}"
        settings = [*plan.shared(plan.steps), *start.facts, *chosen.settings]
        settings += [f"loop.learning_rate={rate}", f"seed={seed}"]
        place = start.run.parent
        return run, trained(run, chosen.recipe, graph, str(start.run), start.qa, settings, place)

    trials = {rate: float(run_of(0, rate)[1].get("valid", 0.0)) for rate in plan.rates}
    best = max(trials, key=lambda rate: trials[rate])
    run, result = run_of(seed, best)
    kept = ("seconds", "steps", "tokens", "valid", "best_step")
    return run, {"trials": trials, "rate": best, **{k: result.get(k) for k in kept}}


def measure(
    name: str, arm: str, run: Path, plan: Plan, qa: Path, known: Path | None
) -> GraphQaResult:
    """Test questions and their facts, asked of one run."""
    chosen = ARMS[arm]
    config = GraphQaConfig(
        split="test", mode=chosen.mode, shots=chosen.shots, limit=plan.test or None, hops=True,
        known_from=str(known or ""),
    )  # fmt: skip
    graph = load_graph(SETS[name].graph)
    return evaluate_graph_qa(load_model(run), graph, load_questions([qa]), config)


def answers_of(name: str, arm: str, seed: int, plan: Plan) -> Path:
    """Where a cell's answers and facts are kept, one question a line."""
    return plan.folder / name / arm / f"answers-{seed}.jsonl"


def cell(name: str, arm: str, seed: int, plan: Plan) -> dict[str, Any]:
    """One set, arm and seed; read where it was made before."""
    path = plan.folder / name / arm / f"cell-{seed}.json"
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found
    known = None if arm == BEFORE else answers_of(name, BEFORE, 0, plan)
    if known and not known.is_file():
        cell(name, BEFORE, 0, plan)
    start = checkpoint(name, plan)
    run, training = start.run, {}
    if ARMS[arm].recipe:
        run, training = tuned(name, arm, seed, plan, start)
    begun = time.perf_counter()
    result = measure(name, arm, run, plan, start.qa, known)
    result.dump(answers_of(name, arm, seed, plan))
    whole = result.to_dict()
    if arm == BEFORE and whole["known"]:
        whole["known"]["before"] = whole["known"]["own"]
    made = {
        "set": name, "arm": arm, "seed": seed, "training": training,
        "evaluation_seconds": time.perf_counter() - begun,
        "result": whole, "values": result.values("exact_match").tolist(),
    }  # fmt: skip
    RunFolder(path.parent).write_json(path.name, made)
    return made


def spread(values: Sequence[float | None]) -> dict[str, Any] | None:
    told = [value for value in values if value is not None]
    if not told:
        return None
    return {"mean": float(np.mean(told)), "sd": float(np.std(told, ddof=len(told) > 1))}


def row(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One arm on one set, over its seeds."""
    results = [one["result"] for one in cells]
    known = [result["known"] or {} for result in results]

    def share(kind: str) -> list[float | None]:
        return [(one.get(kind) or {}).get("known_incorrect") for one in known]

    return {
        "n": results[0]["n"],
        **{name: spread([r[name] for r in results]) for name in ("exact_match", "f1", "hits@1")},
        "known_incorrect_before": spread(share("before")),
        "known_incorrect_own": spread(share("own")),
        "cells_before": [(one.get("before") or {}).get("cells") for one in known],
        "facts_known": spread([(one.get("hops") or {}).get("accuracy") for one in known]),
        "training_seconds": spread([one["training"].get("seconds") for one in cells]),
        "rate": cells[0]["training"].get("rate"),
    }


def against(cells: Mapping[str, Sequence[Mapping[str, Any]]], base: str) -> dict[str, Any]:
    """Each arm against another on the same questions, seeds averaged."""
    means = {arm: np.mean([one["values"] for one in found], axis=0) for arm, found in cells.items()}
    if base not in means:
        return {}
    return {
        arm: paired_bootstrap(means[base], values).to_dict()
        for arm, values in means.items()
        if arm != base
    }


def summary(cells: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> dict[str, Any]:
    """The whole table, and what was to be reached."""
    sets: dict[str, Any] = {}
    for name, arms in cells.items():
        first = next(iter(arms.values()))[0]["result"]
        sets[name] = {
            "arms": {arm: row(found) for arm, found in arms.items()},
            MAJORITY: first["baselines"],
            "against_sft": against(arms, "sft"),
        }
    gains = [
        100 * found["against_sft"]["kale"]["difference"]
        for found in sets.values()
        if "kale" in found["against_sft"]
    ]
    ratios = [_ratio(found["arms"]) for found in sets.values()]
    reached = {
        "mean_gain": float(np.mean(gains)) if gains else None,
        "best_gain": max(gains, default=None),
        "known_incorrect_ratio": (spread(ratios) or {}).get("mean"),
    }
    return {"sets": sets, "reached": reached, "goals": GOALS}


def _ratio(arms: Mapping[str, Any]) -> float | None:
    both = [(arms.get(arm) or {}).get("known_incorrect_before") for arm in ("kale", "sft")]
    if not all(both) or not both[1]["mean"]:
        return None
    return float(both[0]["mean"] / both[1]["mean"])


def shown(result: Mapping[str, Any]) -> str:
    """Exact match on each set, then known and incorrect."""
    sets = result["sets"]
    arms = list(dict.fromkeys(arm for found in sets.values() for arm in found["arms"]))

    def cells(key: str, arm: str) -> list[str]:
        found = [(found["arms"].get(arm) or {}).get(key) for found in sets.values()]
        return ["-" if one is None else f"{one['mean']:.3f} ± {one['sd']:.3f}" for one in found]

    trivial = [
        (s[MAJORITY].get("frequent_by_path") or {}).get("exact_match") for s in sets.values()
    ]
    plain = ["-" if value is None else f"{value:.3f}" for value in trivial]
    parts = [
        table(
            ["exact match", *sets],
            [[MAJORITY, *plain], *([a, *cells("exact_match", a)] for a in arms)],
        )
    ]
    for key, title in (
        ("known_incorrect_before", "known before, wrong"),
        ("known_incorrect_own", "known now, wrong"),
        ("facts_known", "facts known now"),
        ("training_seconds", "training, s"),
    ):
        parts.append(table([title, *sets], [[arm, *cells(key, arm)] for arm in arms]))
    for name, found in sets.items():
        for arm, one in found["against_sft"].items():
            low, high = 100 * one["low"], 100 * one["high"]
            parts.append(
                f"{name}: {arm} - sft = {100 * one['difference']:+.1f} points "
                f"[{low:+.1f}, {high:+.1f}], p = {one['p_value']:.3f}"
            )
    parts.append(f"reached {result['reached']}, goals {GOALS}")
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", default="smollm2-135m-q4")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--fact-steps", type=int, default=1500)
    parser.add_argument("--rates", nargs="+", default=["3e-4", "1e-3"])
    parser.add_argument("--test", type=int, default=1000, help="test questions; 0 for all")
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-kale"))
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--quick", action="store_true", help="tiny: whether it runs, no figures")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    plan = Plan(
        given.folder, given.model, given.steps, given.fact_steps, tuple(given.rates), given.test,
        0, tuple(given.settings),
    )  # fmt: skip
    seeds = given.seeds
    if given.quick:
        tiny = ("rationale.rows=2", "rationale.fact_rows=2", "loop.validate_queries=4")
        folder = given.folder.with_name(given.folder.name + "-quick")
        plan = Plan(folder, given.model, 2, 2, ("1e-3",), 6, 60, (*given.settings, *tiny))
        seeds = 1
    made: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in given.sets:
        for arm in given.arms:
            turns = range(seeds if ARMS[arm].recipe else 1)
            made.setdefault(name, {})[arm] = [cell(name, arm, seed, plan) for seed in turns]
        result = summary(made)
        record = {"command": vars(given), **result, "environment": environment()}
        if not given.quick:
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text(json.dumps(record, indent=1, default=str) + "\n", "utf-8")
    print(shown(summary(made)))


if __name__ == "__main__":
    main()
