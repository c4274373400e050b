"""Import speed beside a raw Oxigraph bulk load and rdflib, memory, and opening WN18RR.

    python benchmarks/import_graph.py [--triples 1000000] [--repeats 3] [--out results.json]

Every arm runs in a process of its own on the same generated N-Triples file; the best of the
repeats counts; rdflib, the slowest by far, runs once.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOALS = {"of_bulk_load": 0.7, "times_rdflib": 10.0, "gb_per_million": 2.0, "open_ms": 50.0}


def generate(path: Path, triples: int, seed: int = 0) -> None:
    """Seven of ten are triples between entities; the rest labels and typed literals."""
    rng = random.Random(seed)
    entities = max(triples // 5, 1)
    base = "http://example.org"
    with path.open("w", encoding="utf-8") as file:
        for number in range(triples):
            head = f"<{base}/entity/{rng.randrange(entities)}>"
            if number % 10 < 7:
                relation, tail = rng.randrange(100), rng.randrange(entities)
                file.write(f"{head} <{base}/relation/{relation}> <{base}/entity/{tail}> .\n")
            elif number % 10 < 9:
                label = "http://www.w3.org/2000/01/rdf-schema#label"
                file.write(f'{head} <{label}> "Entity of numbér {number}"@en .\n')
            else:
                integer = "http://www.w3.org/2001/XMLSchema#integer"
                file.write(f'{head} <{base}/size> "{rng.randrange(10**6)}"^^<{integer}> .\n')


def bulk_load(source: Path, folder: Path) -> None:
    import pyoxigraph

    store = pyoxigraph.Store(str(folder / "raw"))
    store.bulk_load(path=str(source), format=pyoxigraph.RdfFormat.N_TRIPLES)


def accord(source: Path, folder: Path) -> None:
    from accord.graph.formats import import_graph

    import_graph(source, folder / "graph")


def snapshot_only(source: Path, folder: Path) -> None:
    from accord.graph.formats import import_graph

    import_graph(source)


def rdflib(source: Path, folder: Path) -> None:
    import rdflib

    rdflib.Graph().parse(source, format="nt")


def open_wn18rr(source: Path, folder: Path) -> None:
    from accord.graph.graph import KnowledgeGraph

    KnowledgeGraph.load(source).triples_of("train")


def measure(work: Callable[[Path, Path], None], source: Path, repeats: int) -> dict[str, float]:
    """Best seconds and peak gigabytes over runs in fresh processes; imports are not timed.

    Seconds of processor time stand beside those of the clock: a busy machine shows in the second.
    """
    context = multiprocessing.get_context("spawn")
    best = {"seconds": float("inf"), "cpu_seconds": float("inf"), "gb": 0.0}
    for _ in range(repeats):
        queue = context.SimpleQueue()
        process = context.Process(target=timed, args=(work, source, queue))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{work.__name__} failed")
        seconds, cpu, gigabytes = queue.get()
        best["seconds"] = min(best["seconds"], seconds)
        best["cpu_seconds"] = min(best["cpu_seconds"], cpu)
        best["gb"] = max(best["gb"], gigabytes)
    return best


def timed(work: Callable[[Path, Path], None], source: Path, queue: Any) -> None:
    for module in ("pyoxigraph", "accord.graph.formats", "accord.graph.formats_rdf"):
        __import__(module)
    if work is rdflib:
        __import__("rdflib")
    folder = Path(tempfile.mkdtemp(dir=source.parent))
    try:
        start, cpu = time.perf_counter(), time.process_time()
        work(source, folder)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    queue.put((seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def wn18rr(folder: Path) -> Path | None:
    """WN18RR's snapshot, made if the data is at hand."""
    from accord.errors import AccordError
    from accord.graph.datasets import load_dataset

    try:
        return load_dataset("wn18rr").save(folder / "wn18rr")
    except AccordError as error:
        print(f"WN18RR left out: {error.message}")
        return None


def run(triples: int, repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "graph.nt"
        generate(source, triples)
        arms = {
            "Oxigraph bulk load": measure(bulk_load, source, repeats),
            "accord graph import": measure(accord, source, repeats),
            "accord, snapshot only": measure(snapshot_only, source, repeats),
            "rdflib parse": measure(rdflib, source, 1),
        }
        for arm in arms.values():
            arm["triples_per_second"] = triples / arm["seconds"]
        opened = wn18rr(folder)
        open_ms = measure(open_wn18rr, opened, 5)["seconds"] * 1000 if opened else None
    return {"triples": triples, "cores": os.cpu_count(), "arms": arms, **ratios(arms, open_ms)}


def ratios(arms: dict[str, dict[str, float]], open_ms: float | None) -> dict[str, float | None]:
    ours = arms["accord graph import"]
    rate = ours["triples_per_second"]
    triples = rate * ours["seconds"]
    return {
        "of_bulk_load": rate / arms["Oxigraph bulk load"]["triples_per_second"],
        "times_rdflib": rate / arms["rdflib parse"]["triples_per_second"],
        "gb_per_million": ours["gb"] / max(triples / 1e6, 1.0),
        "open_ms": open_ms,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triples", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result = run(arguments.triples, arguments.repeats)
    print(f"{'arm':<24} {'seconds':>9} {'CPU s':>8} {'triples/s':>11} {'GB':>6}")
    for name, arm in result["arms"].items():
        print(
            f"{name:<24} {arm['seconds']:>9.2f} {arm['cpu_seconds']:>8.2f} "
            f"{arm['triples_per_second']:>11,.0f} {arm['gb']:>6.2f}"
        )
    for key, goal in GOALS.items():
        value = result[key]
        print(f"{key:<24} {'-' if value is None else f'{value:.2f}':>9}   goal {goal:g}")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
