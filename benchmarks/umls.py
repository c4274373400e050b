"""UMLS in minutes on a CPU: what the recipe `umls` reaches, over seeds.

    python benchmarks/umls.py [--seeds 3] [--folder runs/benchmark-umls]

Trains each seed (a run that is there goes on, a finished one is not trained again), measures test
link prediction (both directions, filtered, realistic), tail generation and perplexity on
WikiText-2 (where ACCORD_DATA has it) before and after, with the trivial baselines beside, and
writes benchmarks/results/umls.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accord.api import finished_run, train_run
from accord.evaluate.compare import CompareConfig, compare
from accord.evaluate.report_runs import deviation, mean, numbers
from accord.evaluate.tables import table
from accord.train.checkpoint import RunFolder
from accord.train.environment import environment

GRAPH, RECIPE = "umls", "umls"
RESULTS = Path(__file__).resolve().parent / "results" / "umls.json"
MINUTES = 12
FIGURES = {
    "mrr": ("link-prediction", "both", "realistic", "mrr"),
    "hits@1": ("link-prediction", "both", "realistic", "hits@1"),
    "hits@10": ("link-prediction", "both", "realistic", "hits@10"),
    "tail_accuracy": ("qa", "tail", "accuracy"),
    "perplexity_word": ("retention", "perplexity_word"),
    "kl_to_base": ("retention", "kl_to_base"),
}
TRIVIAL = {
    "mrr": ("link-prediction", "baseline", "frequency", "both", "realistic", "mrr"),
    "hits@1": ("link-prediction", "baseline", "frequency", "both", "realistic", "hits@1"),
    "hits@10": ("link-prediction", "baseline", "frequency", "both", "realistic", "hits@10"),
    "tail_accuracy": ("qa", "tail", "baseline"),
}
GOALS = {"mrr_after": 0.85, "tail_ratio": 2.0, "perplexity_change": 0.02, "minutes": MINUTES}


def train(seed: int, run: Path, settings: Sequence[str]) -> dict[str, Any]:
    """A finished run's result; trains it, or goes on with it, where that is needed."""
    if finished_run(run) is None:
        begun = (run / "config.toml").is_file()
        chosen = [] if begun else [*settings, f"seed={seed}"]
        train_run(RECIPE, GRAPH, run, overrides=chosen, resume=begun)
    return RunFolder(run).read_json("result.json")


def share_before(first: Path, run: Path) -> None:
    """The base model is the same for every seed: it is measured once."""
    for path in (first / "eval").glob("*-before.json"):
        target = run / "eval" / path.name
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            shutil.copy(path, target)


def measure(runs: Sequence[Path], config: CompareConfig) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for run in runs:
        share_before(runs[0], run)
        found.append(compare(run, config=config))
    return found


def spread(results: Sequence[Mapping[str, Any]], path: tuple[str, ...]) -> dict[str, Any] | None:
    """Mean, standard deviation and values of one figure; None where it was not measured."""
    values = numbers(results, path)
    return {"mean": mean(values), "sd": deviation(values), "values": values} if values else None


def summary(measured: Sequence[Mapping[str, Any]], trained: Sequence[Mapping[str, Any]]) -> Any:
    rows = {
        name: {
            "before": spread([m["before"] for m in measured], path),
            "after": spread([m["after"] for m in measured], path),
            "trivial": spread([m["after"] for m in measured], TRIVIAL.get(name, ())),
        }
        for name, path in FIGURES.items()
    }
    seconds = [float(result["seconds"]) for result in trained]
    return {
        "figures": rows,
        "perplexity_change": _change(rows["perplexity_word"]),
        "tail_ratio": _ratio(rows["tail_accuracy"]),
        "minutes": max(seconds) / 60,
        "training_seconds": seconds,
        "goals": GOALS,
        "questions": measured[0]["after"]["qa"]["tail"]["n"],
        "queries": measured[0]["after"]["link-prediction"]["queries"],
    }


def _ratio(row: Mapping[str, Any]) -> float | None:
    before, after = row["before"], row["after"]
    return after["mean"] / before["mean"] if before and after and before["mean"] else None


def _change(row: Mapping[str, Any]) -> float | None:
    ratio = _ratio(row)
    return None if ratio is None else ratio - 1


def shown(result: Mapping[str, Any]) -> str:
    def cell(value: Mapping[str, Any] | None) -> str:
        return "-" if value is None else f"{value['mean']:.4f} ± {value['sd']:.4f}"

    rows = [[name, *map(cell, row.values())] for name, row in result["figures"].items()]
    lines = [table(["UMLS test", "before", "after", "trivial"], rows)]
    for name in ("perplexity_change", "tail_ratio", "minutes"):
        value = result[name]
        lines.append(f"{name}: {'-' if value is None else f'{value:.4f}'} (goal {GOALS[name]})")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-umls"))
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    runs = [given.folder / f"seed-{seed}" for seed in range(given.seeds)]
    trained = [train(seed, run, given.settings) for seed, run in enumerate(runs)]
    # As the model was trained: names alone, no examples.
    config = CompareConfig(
        questions=given.questions, tasks=("tail",), words=given.words, shots=0, describe=False
    )
    result = summary(measure(runs, config), trained)
    print(shown(result))
    record = {"recipe": RECIPE, "settings": given.settings, "seeds": given.seeds, **result}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({**record, "environment": environment()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
