"""Structure embeddings: against PyKEEN at equal epochs, and with text on UMLS.

    python benchmarks/structure.py models --peer-python PYTHON [--graph umls] [--epochs 100]
    python benchmarks/structure.py fused --text RUN --text RUN [--peer-python PYTHON]
    python benchmarks/structure.py models --peer-python PYTHON --graph fb15k-237 --epochs 10 \
        --model complex --model rotate --rate 1e-2

models: TransE, DistMult, ComplEx and RotatE, ours and PyKEEN's, one after the other in one run with
one thread each, of equal dimension, batch, epochs and loss (products: all entities; distances:
drawn negatives with weights); of several learning rates the best on valid is taken for each, and
both are ranked on test by our ranking. Time is CPU time of training alone.
fused: runs that rank by text, and vectors of the recipe `structure` with seeds 0, 1, ...: test MRR
of text, structure and their sum, whose weights valid has taught. With --peer-python PyKEEN searches
settings by valid MRR for --peer-minutes of wall clock beside.

Every cell is a file in --folder; one that is there is not measured again, so a run that was stopped
goes on. Writes benchmarks/results/structure-COMMAND-GRAPH.json. PyKEEN lives in an environment of
its own: python -m venv V && V/bin/pip install pykeen.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator

from accord.api import load_graph, train_run
from accord.config import load_config
from accord.evaluate.by_run import link_prediction_of
from accord.evaluate.link_prediction import LinkPredictionConfig, LinkPredictionResult
from accord.evaluate.report_runs import deviation, mean
from accord.evaluate.statistics import paired_bootstrap
from accord.evaluate.structure import evaluate_structure
from accord.evaluate.tables import table
from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.model.pykeen import import_pykeen
from accord.model.structure import DISTANCES, INTERACTIONS, Interaction, StructureVectors
from accord.objectives.structure import Structure, StructureConfig
from accord.objectives.triples import TripleSource
from accord.train.checkpoint import RunFolder
from accord.train.environment import environment
from accord.train.loop import Loop
from accord.train.recipe import Recipe

HERE = Path(__file__).resolve().parent
RATES, GOAL, PEER_MINUTES = (3e-3, 1e-2, 3e-2), 0.93, 15.0
VECTORS = "vectors"
Cell = dict[str, Any]


def cell(path: Path, measure: Callable[..., Cell], *args: Any) -> Cell:
    """What was measured before, or is now."""
    if not path.is_file():
        found = measure(*args)
        path.parent.mkdir(parents=True, exist_ok=True)
        work = path.with_suffix(".writing")
        work.write_text(json.dumps(found, indent=1) + "\n")
        work.replace(path)
    measured: Cell = json.loads(path.read_text())
    return measured


def setting(model: Interaction, given: argparse.Namespace, rate: float) -> Cell:
    """One setting as both sides take it."""
    return {
        "model": model,
        "dimension": given.dimension,
        "epochs": given.epochs,
        "batch": given.batch,
        "rate": rate,
        "negatives": given.negatives if model in DISTANCES else 0,
        "seed": given.seed,
        "threads": 1,
    }


def ours(task: Cell, graph: KnowledgeGraph, model: KnowledgeModel, folder: Path) -> Cell:
    """CPU seconds of our training, and valid and test MRR."""
    config = StructureConfig(
        weight=1.0,
        model=task["model"],
        dimension=task["dimension"],
        batch_size=task["batch"],
        negatives=task["negatives"],
    )
    structure = Structure(TripleSource(graph, task["seed"]), config)
    steps = task["epochs"] * math.ceil(len(structure.source) / task["batch"])
    loop = replace(
        load_config(Recipe, "structure").loop,
        steps=steps,
        learning_rate=task["rate"],
        schedule="constant",
        warmup=0.0,
        clip=0.0,
        validate_every=0,
        checkpoint_seconds=1e9,
        log_every=steps,
    )
    accelerator = Accelerator(cpu=True)
    folder.mkdir(parents=True, exist_ok=True)
    runner = Loop(
        model, [(structure, 1.0)], loop, RunFolder(folder), task["seed"], None, accelerator
    )
    cpu, wall = time.process_time(), time.monotonic()
    runner.fit()
    spent = {"cpu_seconds": time.process_time() - cpu, "seconds": time.monotonic() - wall}
    vectors = structure.vectors()
    vectors.save(folder / VECTORS)
    return {**task, **spent, "valid": mrr(vectors, graph, "valid")}


def theirs(task: Cell, graph: KnowledgeGraph, python: str, folder: Path) -> Cell:
    """The same of PyKEEN, ranked as ours are."""
    for split in ("train", "valid"):
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{split}.npy", labels(graph, split))
    (folder / "task.json").write_text(json.dumps(task))
    command = [python, str(HERE / "structure_peers.py"), str(folder), str(folder / "task.json")]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    if "setting" in found:
        found = {**found["setting"], **found}
    vectors = import_pykeen(folder, graph, {**task, **found}["model"], 2)
    vectors.save(folder / VECTORS)
    return {**task, **found, "valid": mrr(vectors, graph, "valid")}


def labels(graph: KnowledgeGraph, split: str) -> np.ndarray[Any, np.dtype[np.str_]]:
    rows = graph.triples_of(split)
    entity, relation = np.array(graph.entity_ids[:]), np.array(graph.relation_ids[:])
    return np.stack([entity[rows[:, 0]], relation[rows[:, 1]], entity[rows[:, 2]]], axis=1)


def mrr(vectors: StructureVectors, graph: KnowledgeGraph, split: str) -> float:
    """Both directions; test is filtered with all splits."""
    config = LinkPredictionConfig(split=split, boost=None, baseline=False)
    return evaluate_structure(vectors, graph, config).mrr


def tested(folder: Path, graph: KnowledgeGraph) -> Cell:
    """Test MRR of what valid has chosen."""
    return {"test": mrr(StructureVectors.load(folder / VECTORS), graph, "test")}


def best_of(cells: Mapping[Path, Cell], graph: KnowledgeGraph) -> Cell:
    """The cell that is best on valid, with its test MRR."""
    folder = max(cells, key=lambda path: float(cells[path]["valid"]))
    return {**cells[folder], **cell(folder.with_suffix(".test.json"), tested, folder, graph)}


def compare_models(given: argparse.Namespace) -> Cell:
    """Every model and rate, ours and PyKEEN's in turns."""
    graph, root = load_graph(given.graph), given.folder / f"models-{given.graph}"
    config = load_config(Recipe, "structure")
    model = KnowledgeModel.create(config.model, config.text, "cpu")  # never read, nor trained
    rows: dict[str, dict[str, Cell]] = {}
    for name in given.model or INTERACTIONS:
        mine: dict[Path, Cell] = {}
        peers: dict[Path, Cell] = {}
        for rate in given.rate or RATES:
            task = setting(name, given, rate)
            place = root / f"{name}-{given.epochs}-{rate:g}-{given.seed}"
            own, other = place / "accord", place / "pykeen"
            mine[own] = cell(place / "accord.json", ours, task, graph, model, own)
            if given.peer_python:
                args = (task, graph, given.peer_python, other)
                peers[other] = cell(place / "pykeen.json", theirs, *args)
        rows[name] = {"accord": best_of(mine, graph)}
        if peers:
            rows[name]["pykeen"] = best_of(peers, graph)
    return {"models": rows, "triples": len(graph.triples_of("train")), "dimension": given.dimension}


def shown_models(found: Mapping[str, Any]) -> str:
    rows = []
    for name, sides in found["models"].items():
        for side, best in sides.items():
            rate = best["epochs"] * found["triples"] / best["cpu_seconds"]
            rows.append(
                [name, side, best["valid"], best["test"], f"{best['rate']:g}", f"{rate:,.0f}"]
            )
    return table(["model", "side", "valid", "test", "learning rate", "triples/s of CPU"], rows)


def fused(given: argparse.Namespace) -> Cell:
    """Text, structure and both, for each text run; PyKEEN's search beside."""
    root = given.folder / f"fused-{given.graph}"
    rows = [
        cell(root / f"seed-{seed}.json", _fused, given, run, seed, root)
        for seed, run in enumerate(given.text)
    ]
    found: Cell = {"rows": rows, "goal": GOAL}
    names = ("text", "structure", "fused")
    found["mean"] = {n: mean([row[n] for row in rows]) for n in names}
    found["sd"] = {n: deviation([row[n] for row in rows]) for n in names}
    if given.peer_python:
        task = {"minutes": given.peer_minutes, "seed": 0, "threads": 2}
        graph = load_graph(given.graph)
        args = (task, graph, given.peer_python, root / "pykeen")
        cells = {root / "pykeen": cell(root / "pykeen.json", theirs, *args)}
        found["pykeen"] = best_of(cells, graph)
    return found


def _fused(given: argparse.Namespace, run: str, seed: int, root: Path) -> Cell:
    folder = root / f"structure-{seed}"
    if not (folder / "result.json").is_file():
        begun = (folder / "config.toml").is_file()
        chosen = [] if begun else [*given.settings, f"seed={seed}"]
        train_run("structure", given.graph, folder, overrides=chosen, resume=begun)
    graph = load_graph(given.graph)
    both = {}
    for split in ("valid", "test"):
        config = LinkPredictionConfig(split=split, boost=None, baseline=False)
        both[split] = link_prediction_of(run, graph, config, folder)
    test = reciprocal(both["test"])
    return {
        "seed": seed,
        "queries": len(test["fused"]),
        **{name: float(values.mean()) for name, values in test.items()},
        "valid": {name: float(v.mean()) for name, v in reciprocal(both["valid"]).items()},
        "over_text": paired_bootstrap(test["text"], test["fused"]).to_dict(),
        "over_structure": paired_bootstrap(test["structure"], test["fused"]).to_dict(),
        "structure_seconds": RunFolder(folder).read_json("result.json")["seconds"],
        "text_seconds": text_seconds(run),
    }


def text_seconds(run: str) -> float | None:
    path = Path(run) / "result.json"
    return float(json.loads(path.read_text())["seconds"]) if path.is_file() else None


def reciprocal(result: LinkPredictionResult) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Reciprocal ranks of the same queries by each."""
    beside = result.beside
    assert beside is not None
    ranks = {"text": result.ranks, "structure": beside.structure, "fused": beside.fused}
    return {name: np.asarray(1.0 / found.realistic) for name, found in ranks.items()}


def shown_fused(found: Mapping[str, Any]) -> str:
    names: Sequence[str] = ("text", "structure", "fused")
    rows: list[list[object]] = [
        [f"seed {row['seed']}", *(row[n] for n in names), row["over_structure"]["low"]]
        for row in found["rows"]
    ]
    rows.append(["mean", *(found["mean"][n] for n in names), ""])
    if "pykeen" in found:
        rows.append(["PyKEEN, searched", "", found["pykeen"]["test"], "", ""])
    head = ["test MRR", "text", "structure", "both", "gain over structure, low end"]
    return f"{table(head, rows)}\ngoal of both: {found['goal']}"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("models", "fused"))
    parser.add_argument("--graph", default="umls")
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark-structure"))
    parser.add_argument("--peer-python", help="an interpreter that has PyKEEN; none leaves it out")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--model", action="append", choices=INTERACTIONS)
    parser.add_argument("--rate", type=float, action="append", help=f"default: {RATES}")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--negatives", type=int, default=32, help="of transe and rotate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--text", action="append", default=[], help="finished run; repeatable")
    parser.add_argument("--peer-minutes", type=float, default=PEER_MINUTES)
    parser.add_argument("--set", dest="settings", action="append", default=[])
    return parser.parse_args()


def main() -> None:
    given = parsed()
    if given.command == "fused":
        found = fused(given)
        print(shown_fused(found))
    else:
        found = compare_models(given)
        print(shown_models(found))
    out = given.out or HERE / "results" / f"structure-{given.command}-{given.graph}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**found, "environment": environment()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
