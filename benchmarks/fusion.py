"""What fusion costs: time of a training step with and without it, interleaved in one process.

    python benchmarks/fusion.py [--recipe kalm] [--graph umls] [--steps 20] [--set key=value]

Both arms train the same model with the same recipe on the same batches; one also looks up random
vectors of the entities that its texts mention. Settings of the fusion are set as in a recipe
(`--set fusion.layers=-1`); its layers must lie above the recipe's frozen ones. Goal: at most 15 %
of the step without it. Writes benchmarks/results/fusion.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from accord.api import load_graph
from accord.config import load_config
from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.model.memory import EntityMemory
from accord.train.environment import environment
from accord.train.recipe import Recipe
from accord.train.setup import attach_cache, build_objectives
from accord.train.step import Step

RESULTS = Path(__file__).resolve().parent / "results" / "fusion.json"
GOAL, WIDTH = 0.15, 256


def arm(recipe: Recipe, graph: KnowledgeGraph, folder: Path) -> Step:
    """A step that is ready to run; texts of frozen layers are in the cache."""
    model = KnowledgeModel.create(recipe.model, recipe.text, seed=recipe.seed)
    if model.fusion is not None:
        model.attach(graph)
    objectives = build_objectives(recipe, model, graph)
    attach_cache(recipe, model, objectives, folder)
    loop = recipe.loop
    return Step(model, objectives, loop.chunk_tokens, loop.keep_tokens, recipe.seed)


def timed(step: Step, number: int) -> float:
    """Seconds of one step, forward and backward."""
    step.model.zero_grad()
    start = time.perf_counter()
    step(number)
    return time.perf_counter() - start


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Seconds a step of both arms, in turns, so that a busy machine slows both alike."""
    graph = load_graph(given.graph)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(graph.num_entities, WIDTH))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        EntityMemory.of(graph, vectors, "structure", "random").save(folder / "memory")
        memory = f"model.fusion.memory={folder / 'memory'}"
        sets = ["language.weight=0", "fusion.neighbours=0", "fusion.layers=-2,-1", memory]
        fused = load_config(Recipe, given.recipe, [*sets, *given.settings])
        plain = dataclasses.replace(fused, model=dataclasses.replace(fused.model, fusion=None))
        arms = {"without": arm(plain, graph, folder / "a"), "with": arm(fused, graph, folder / "b")}
        for step in arms.values():  # the first step finds mentions and fills allocators
            timed(step, 0)
        taken: dict[str, list[float]] = {key: [] for key in arms}
        for number in range(1, given.steps + 1):
            for key, step in arms.items():
                taken[key].append(timed(step, number))
    ratios = np.array(taken["with"]) / np.array(taken["without"])
    return {
        "seconds": {key: float(np.median(values)) for key, values in taken.items()},
        "more": float(np.median(ratios)) - 1,
        "steps": given.steps,
        "goal": GOAL,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="kalm")
    parser.add_argument("--graph", default="umls")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    found = measure(given)
    print(f"seconds a step: {found['seconds']}; fusion adds {found['more']:.1%} (goal {GOAL:.0%})")
    record = {"recipe": given.recipe, "graph": given.graph, "settings": given.settings, **found}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({**record, "environment": environment()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
