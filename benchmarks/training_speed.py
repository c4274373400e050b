"""Time to the same valid MRR on UMLS: our recipe against KaLM's published one, both in our code.

    python benchmarks/training_speed.py [--target 0.5] [--tune-minutes 8] [--cap-minutes 90]

The published arm reads three padded texts a triple through the whole stack (queries, tails,
completions), shares no reading and caches nothing; its settings are recipes/paper/kalm-wn18rr.toml,
but for descriptions: like ours it reads names alone, which is to its advantage in time. It has no
term that keeps the model near its base, so arm `ours` leaves that out; arm `recipe` has it.
All arms tune their learning rate alike: every rate trains for the same minutes, then the best one
on valid goes on to the target or the cap. Counted is training and what must be done before it
(reading frozen layers, writing texts to stay near to); validation, which is the same for both, and
loading the model are not. What a folder holds is not trained again, so that a second call with a
higher cap goes on. Writes benchmarks/results/training_speed.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from accord.api import load_graph
from accord.config import load_config, to_toml
from accord.evaluate.link_prediction import LinkPredictionConfig, evaluate_link_prediction
from accord.evaluate.tables import table
from accord.graph.graph import KnowledgeGraph
from accord.model import load
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.base import Encode, Score
from accord.objectives.contrastive import TAIL, ContrastiveBatch
from accord.text.examples import Sequence, length
from accord.train.checkpoint import RunFolder, graph_record
from accord.train.environment import environment
from accord.train.loop import Loop
from accord.train.recipe import Recipe
from accord.train.setup import TEXTS, attach_cache, build_objectives, start_projection
from accord.train.step import Step

RESULTS = Path(__file__).resolve().parent / "results" / "training_speed.json"
GRAPH, VALID, GOAL = "umls", 150, 5.0


@dataclass(frozen=True)
class Arm:
    """A recipe, the learning rates it is tried with, and how it reads."""

    recipe: str
    rates: tuple[float, ...]
    validate_every: int
    published: bool
    settings: tuple[str, ...] = ()


ARMS = {
    "ours": Arm("umls", (1.5e-3, 3e-3, 6e-3), 10, False, ("language.weight=0",)),
    "recipe": Arm("umls", (1.5e-3, 3e-3, 6e-3), 10, False),
    "published": Arm("paper/kalm-wn18rr", (1e-4, 3e-4, 1e-3), 5, True, ("text.describe=false",)),
}


@dataclass
class Trial:
    """One arm with one learning rate."""

    rate: float
    folder: str
    preparation: float = 0.0
    """Seconds before the first step."""
    seconds: float | None = None
    """Until the target was reached; None if it was not."""
    finished: bool = False
    """No steps are left."""
    curve: list[tuple[float, float]] = field(default_factory=list)
    """(seconds, valid MRR)."""
    paused: bool = False

    @property
    def best(self) -> float:
        return max((mrr for _, mrr in self.curve), default=0.0)

    @property
    def spent(self) -> float:
        return self.curve[-1][0] if self.curve else self.preparation


class PublishedStep(Step):
    """Three padded readings of the whole stack; no text is shared, split or grouped by length."""

    def __call__(
        self, step: int, scales: Mapping[str, float] | None = None, shares: bool = False
    ) -> dict[str, float]:
        log: dict[str, float] = {"tokens": 0.0}
        total = torch.zeros((), device=self.model.device)
        torch.manual_seed(hash((self.seed, step)) & 0x7FFFFFFF)
        for objective, weight in self.objectives:
            batch = objective.batch(step)
            outputs = {
                name: self._answer(name, request, batch, log)
                for name, request in objective.requests(batch).items()
            }
            loss = objective.loss(outputs, batch)
            log[f"{objective.name}/loss"] = float(loss.value.detach())
            total = total + weight * (scales or {}).get(objective.name, 1.0) * loss.value
        total.backward()  # type: ignore[no-untyped-call]
        return {"loss": float(total.detach()), **log}

    def _answer(self, name: str, request: Any, batch: Any, log: dict[str, float]) -> torch.Tensor:
        sequences, first = list(request.sequences), np.arange(len(request.sequences))
        if isinstance(request, Encode) and isinstance(batch, ContrastiveBatch):
            # Our batches hold each text once; the published code reads one a triple.
            rows = batch.column if name == TAIL else batch.row
            sequences, first = [sequences[i] for i in rows], np.unique(rows, return_index=True)[1]
        hidden = self._read_padded(sequences)
        log["tokens"] += float(sum(length(sequence) for sequence in sequences))
        if isinstance(request, Score):
            assert isinstance(request.targets, torch.Tensor)
            states = hidden[request.points.rows, request.points.positions]
            return self.model.logprobs(states, request.targets.to(states.device))
        last = np.array([length(sequence) - 1 for sequence in sequences])
        return self.model.pool(hidden[np.arange(len(sequences)), last], request.view)[first]

    def _read_padded(self, sequences: list[Sequence]) -> torch.Tensor:
        with load.dropout_on(self.model.lm):
            return self.model.reader.last_hidden(sequences)


def go_on(
    arm: Arm,
    trial: Trial,
    graph: KnowledgeGraph,
    target: float,
    until: float,
    settings: tuple[str, ...],
    first: Trial,
) -> None:
    """Trains a trial until it has the target, has used its seconds, or has no steps left.

    What an arm's first trial prepared does not depend on the rate: the others take it over and are
    charged its seconds.
    """
    run, resume = RunFolder(trial.folder), bool(trial.curve)
    chosen = [f"learning_rate={trial.rate}", f"validate_every={arm.validate_every}"]
    chosen += [*arm.settings, *settings]
    if trial is not first and not arm.published:
        chosen.append(f"loop.cache_from={json.dumps([first.folder])}")
        trial.preparation = first.preparation
    recipe = load_config(Recipe, arm.recipe, chosen)
    if not resume:
        shutil.rmtree(run.path, ignore_errors=True)
        run.start(to_toml(recipe), environment(), graph_record(graph, GRAPH))
        written = RunFolder(first.folder).path / TEXTS
        if trial is not first and written.is_file():
            shutil.copy(written, run.path)
    model = KnowledgeModel.create(recipe.model, recipe.text, seed=recipe.seed)
    start = time.monotonic()
    objectives = build_objectives(recipe, model, graph, run=run)
    for objective, _ in objectives:
        objective.parameters.to(model.device)
    attach_cache(recipe, model, objectives, run.path / "cache")
    start_projection(recipe, model, graph)
    trial.preparation = trial.preparation or time.monotonic() - start

    def watch(model: KnowledgeModel) -> float:
        config = LinkPredictionConfig(limit=VALID, baseline=False)
        found = evaluate_link_prediction(model, graph, config)
        seconds = trial.preparation + loop.progress.seconds
        trial.curve.append((seconds, found.mrr))
        if found.mrr >= target:
            trial.seconds = seconds
        if trial.seconds is not None or seconds >= until:
            trial.paused = True
            signal.raise_signal(signal.SIGINT)  # the loop saves, and can go on from here
        return found.mrr

    accelerator = Accelerator()
    loop = Loop(model, objectives, recipe.loop, run, recipe.seed, watch, accelerator)
    if arm.published:
        loop.step = PublishedStep(model, objectives, 1, 1, recipe.seed)
    trial.paused = False
    try:
        loop.fit(resume)
        trial.finished = True
    except KeyboardInterrupt:
        if not trial.paused:
            raise


def measure_arm(
    name: str, graph: KnowledgeGraph, folder: Path, given: argparse.Namespace
) -> dict[str, Any]:
    """The tuned arm's seconds to the target, or how far it came by the cap."""
    arm, settings = ARMS[name], tuple(given.settings)
    kept = folder / f"{name}.json"
    trials = [Trial(rate, str(folder / f"{name}-{rate:g}")) for rate in arm.rates]
    if kept.is_file():
        trials = [Trial(**trial) for trial in json.loads(kept.read_text())]

    def train(trial: Trial, minutes: float) -> None:
        if trial.seconds is None and not trial.finished and trial.spent < minutes * 60:
            go_on(arm, trial, graph, given.target, minutes * 60, settings, trials[0])
            kept.write_text(json.dumps([asdict(trial) for trial in trials]))

    for trial in trials:
        train(trial, given.tune_minutes)
    best = max(trials, key=lambda trial: trial.best)
    if all(trial.seconds is None for trial in trials):
        train(best, given.cap_minutes)
    reached = [trial for trial in trials if trial.seconds is not None]
    fastest = min(reached, key=lambda trial: trial.seconds or 0.0) if reached else best
    return {
        "recipe": arm.recipe,
        "learning_rate": fastest.rate,
        "seconds": fastest.seconds,
        "spent": fastest.spent,
        "valid": fastest.best,
        "trials": [{**asdict(trial), "folder": Path(trial.folder).name} for trial in trials],
    }


def verdict(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Ratios of seconds; lower bounds where the published arm did not get there."""
    theirs = arms["published"]
    bound = theirs["seconds"] is None
    spent = theirs["spent"] if bound else theirs["seconds"]
    ratios = {n: arm["seconds"] and spent / arm["seconds"] for n, arm in arms.items()}
    ratio = ratios.pop("ours")
    recipe = ratios["recipe"]
    return {"ratio": ratio, "recipe_ratio": recipe, "ratio_is_a_lower_bound": bound, "goal": GOAL}


def shown(arms: Mapping[str, Mapping[str, Any]], target: float, found: Mapping[str, Any]) -> str:
    rows = [
        [name, f"{a['learning_rate']:g}", a["seconds"] or "not reached", a["spent"], a["valid"]]
        for name, a in arms.items()
    ]
    names = [f"UMLS, valid MRR {target:g}", "rate", "seconds", "trained for", "best valid"]
    least = "at least " if found["ratio_is_a_lower_bound"] else ""
    ratio, recipe = (
        "-" if found[key] is None else f"{least}{found[key]:.1f}"
        for key in ("ratio", "recipe_ratio")
    )
    return (
        f"{table(names, rows)}\nratio: {ratio} (goal {GOAL:g}), with the recipe as it is {recipe}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", type=float, default=0.5)
    parser.add_argument("--tune-minutes", type=float, default=8.0)
    parser.add_argument("--cap-minutes", type=float, default=90.0)
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-speed"))
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    graph = load_graph(GRAPH)
    arms = {name: measure_arm(name, graph, given.folder, given) for name in ARMS}
    found = verdict(arms)
    print(shown(arms, given.target, found))
    record = {"target": given.target, "settings": given.settings, "arms": arms, **found}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({**record, "environment": environment()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
