"""Kills a training run with SIGKILL at random moments, resumes it each time, and compares.

    python benchmarks/resume.py [umls --graph umls --kills 20 --set steps=60 ...]

Without --set it runs `DEFAULTS`, which read little before the first step: a process that is killed
while it reads the frozen layers begins that anew, so a long reading would take all the moments.
The run that was killed and the run that was not must end bit-identical on one machine: weights,
optimizer state, objectives' memory and every logged loss. Exit code 1 where they do not.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRELOAD = ["accord.api", "accord.evaluate.link_prediction", "peft", "transformers"]
DEFAULTS = ("steps=60", "completion.share=0.02", "language.texts=4", "validate_every=20")
CLOCK = {"seconds", "tokens_per_second", "peak_memory_gb"}


@dataclass(frozen=True)
class Outcome:
    """What the two runs have in common, and how often one of them was killed."""

    kills: int
    seconds: float
    """Of the uninterrupted run, its process's start included."""
    files: int
    """Files of weights and state that were compared byte by byte."""
    different: list[str]
    """Those that differ; "metrics.jsonl" where a logged figure does."""


def train_quietly(settings: Mapping[str, Any], log: str) -> None:
    """One process's work: a run, or the rest of one, with its messages in a file."""
    with Path(log).open("a", buffering=1) as file:
        os.dup2(file.fileno(), 2)
        os.dup2(file.fileno(), 1)
    import torch

    from accord.api import train_run

    torch.set_num_threads(1)
    train_run(**settings)


def workers() -> Any:
    """Processes that start in a moment: forked from one that has the libraries loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def compare(
    settings: Mapping[str, Any], folder: Path, kills: int, seed: int, life: float = 0.4
) -> Outcome:
    """Trains once in one piece and once killed `kills` times.

    Args:
        settings: Arguments of `accord.train_run` but for `out` and `resume`.
        folder: Where the two runs are written.
        kills: How often a process is killed at a random moment.
        seed: Of the moments.
        life: How much of the whole time a process lives at most; a run is over before `kills`
            where that is much.
    """
    context, whole, pieces = workers(), folder / "whole", folder / "pieces"
    context.Process(target=time.sleep, args=(0,)).start()  # the server loads its libraries
    start = time.monotonic()
    _finish(context, {**settings, "out": str(whole)}, folder)
    seconds = time.monotonic() - start
    done = _survive(context, {**settings, "out": str(pieces)}, folder, kills, life * seconds, seed)
    _finish(context, _resumed({**settings, "out": str(pieces)}), folder)
    first, second = state_files(whole), state_files(pieces)
    different = [n for n in first | second if first.get(n) != second.get(n)]
    if logged(whole) != logged(pieces):
        different.append("metrics.jsonl")
    return Outcome(done, seconds, len(first), sorted(different))


def _survive(
    context: Any, settings: Mapping[str, Any], folder: Path, kills: int, longest: float, seed: int
) -> int:
    """Starts and kills processes; each lives for a random part of the longest life, seconds."""
    rng, done = random.Random(seed), 0
    for number in range(kills):
        arguments = _resumed(settings) if number else dict(settings)
        process = context.Process(target=train_quietly, args=(arguments, str(folder / "log")))
        process.start()
        process.join(rng.uniform(0, longest))
        if process.exitcode is None:
            process.kill()
            done += 1
        process.join()
        if process.exitcode not in (0, -9):
            raise SystemExit(f"a resumed run failed:\n{(folder / 'log').read_text()[-3000:]}")
    return done


def _resumed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that go on; a run that has begun has its settings and its start already."""
    found = {**settings, "resume": Path(settings["out"]).is_dir()}
    if (Path(settings["out"]) / "config.toml").is_file():
        found |= {"overrides": (), "model": None}
    return found


def _finish(context: Any, settings: Mapping[str, Any], folder: Path) -> None:
    process = context.Process(target=train_quietly, args=(dict(settings), str(folder / "log")))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"a run failed:\n{(folder / 'log').read_text()[-3000:]}")


def state_files(run: Path) -> dict[str, bytes]:
    """Every file of tensors in a run's model and newest checkpoint."""
    newest = max((run / "checkpoints").glob("step-*"))
    found = [*newest.glob("*.safetensors"), *(run / "model").glob("*.safetensors")]
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in found}


def logged(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log without what the clock says."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in CLOCK} for line in lines]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="umls")
    parser.add_argument("--graph", default="umls")
    parser.add_argument("--model")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--life", type=float, default=0.15, help="of a process, share of the whole")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    settings = {"recipe": given.recipe, "graph": given.graph, "model": given.model}
    chosen = given.overrides or DEFAULTS
    settings |= {"overrides": [*chosen, "checkpoint_seconds=1"], "device": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        outcome = compare(settings, Path(folder), given.kills, given.seed, given.life)
    print(
        f"killed {outcome.kills} times; {outcome.files} files compared with a run of "
        f"{outcome.seconds:.0f} s: {', '.join(outcome.different) or 'bit-identical'}"
    )
    return int(bool(outcome.different))


if __name__ == "__main__":
    sys.exit(main())
