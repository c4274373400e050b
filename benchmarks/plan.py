"""What `accord plan` says beside what a finished run measured.

    python benchmarks/plan.py RUN [--device cpu] [--out results.json]

Plans the run again with its own settings and graph (texts, questions and data of `--text`, `--qa`
and `--data` are not kept as files: give them again where the run had them) and compares each part
with the run's record. Run it on the machine of the run, and on a quiet one: a plan measures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accord.config import load_config
from accord.graph.load import load_graph
from accord.text.questions import read_questions
from accord.train.checkpoint import RunFolder, run_graph
from accord.train.environment import environment
from accord.train.extraction import text_files
from accord.train.plan import plan_run
from accord.train.recipe import Recipe

GOAL = 0.25
BEFORE = ("text_seconds", "cache_seconds", "start_seconds")
"""Parts of a plan that a run does before its first step, beside loading the model."""


def measured(run: Path) -> dict[str, float | None]:
    """What a finished run noted.

    A run of a version that did not note what came before its steps is read by the times of its
    files, which a copied folder no longer has.
    """
    result = RunFolder(run).read_json("result.json")
    setup, validation = result.get("setup_seconds"), result.get("validation_seconds")
    if setup is None and (run / "cache" / "hidden.json").is_file():
        setup = _modified(run / "cache" / "hidden.json") - _modified(run / "config.toml")
    return {
        "before the steps": setup,
        "steps": result["seconds"],
        "validation": validation,
        "whole run": (setup or 0.0) + result["seconds"] + (validation or 0.0),
        "tokens in the cache": result["cache_tokens"],
        "memory (GB)": result["peak_memory_gb"],
    }


def _modified(path: Path) -> float:
    return path.stat().st_mtime


def planned(found: Mapping[str, Any]) -> dict[str, float]:
    """A plan by the same names."""
    return {
        "before the steps": sum(found[part] for part in BEFORE),
        "steps": found["train_seconds"] + found["teacher_seconds"],
        "validation": found["validation_seconds"],
        "whole run": found["seconds"],
        "tokens in the cache": found["cache_tokens"],
        "memory (GB)": found["peak_memory_gb"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--device")
    parser.add_argument("--text", type=Path, action="append", default=[])
    parser.add_argument("--qa", type=Path)
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    recipe = load_config(Recipe, arguments.run / "config.toml")
    graph = load_graph(run_graph(arguments.run))
    questions = list(read_questions(arguments.qa)) if arguments.qa else []
    found = plan_run(
        recipe,
        graph,
        text_files(arguments.text),
        arguments.device,
        questions=questions,
        data=arguments.data,
    )
    rows = compared(planned(found), measured(arguments.run))
    print(f"{'':<22} {'plan':>10} {'run':>10} {'plan/run':>9}")
    for name, row in rows.items():
        run, ratio = ("-" if x is None else f"{x:,.2f}" for x in (row["run"], row["ratio"]))
        print(f"{name:<22} {row['plan']:>10,.1f} {run:>10} {ratio:>9}")
    print(f"goal: the whole run within {GOAL:.0%}")
    if arguments.out:
        record = {"rows": rows, "machine": environment()}
        arguments.out.write_text(json.dumps(record, indent=2))


def compared(
    plan: Mapping[str, float], run: Mapping[str, float | None]
) -> dict[str, dict[str, float | None]]:
    """Plan, run and their ratio, by part."""
    rows: dict[str, dict[str, float | None]] = {}
    for name, value in plan.items():
        real = run[name]
        rows[name] = {"plan": value, "run": real, "ratio": value / real if real else None}
    return rows


if __name__ == "__main__":
    main()
