"""Path search: our three engines beside networkx, rustworkx and igraph.

    python benchmarks/paths.py --peers /path/to/python-with-peers --out FOLDER
    python benchmarks/paths.py --out FOLDER --graphs wn18rr metaqa --edges --seconds 5
    python benchmarks/paths.py --out FOLDER --graphs --edges 100000000

Each graph is a cell, kept as FOLDER/GRAPH.json as soon as it is measured; repeating the command
goes on with the graphs that have none. With `--minutes` no further graph is begun after so long.
FOLDER/growth.png shows time and expanded entities a pair, and memory an edge, by size of graph.

Pairs are the ends of random walks of `--hops` steps. All simple paths of up to that many hops are
found, one thread, CPU time. Peers get the graph as a simple undirected one, since none keeps
relation types: so every sequence of entities that they count is held against ours, and parallel
triples, which only we tell apart, are counted beside. A peer stops after `--seconds`; its rate is
that of the pairs it answered. The default engine is also run on all cores, by wall time. Walks
that may return to an entity (`--repeat entity` of the program) are measured for us alone: no peer
has them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.graph.paths import Engine, PathConfig, PathResult, PathResults, PathSearch

PEERS = ("networkx", "rustworkx", "igraph")
GRAPHS = ("wn18rr", "metaqa", "fb15k-237")
EDGES = (10**5, 10**6, 10**7)
GOAL_BYTES = 24
PEER_EDGES = 10**6
"""Larger graphs are not given to peers: only making their objects takes minutes and gigabytes."""
Pairs = npt.NDArray[np.int64]


def power_law(edges: int, seed: int) -> KnowledgeGraph:
    """Ten triples an entity; degrees follow a power law of exponent 2.5, at most 1,000 expected.

    Sizes differ, the degrees do not: so what a pair costs should not either.
    """
    rng = np.random.default_rng(seed)
    entities, relations = edges // 10, 50
    weight = np.minimum((1 - rng.random(entities)) ** (-1 / 1.5), 100.0)
    ends = np.cumsum(weight / weight.sum())
    builder = GraphBuilder(f"power-law-{edges}")
    for i in range(entities):
        builder.entity(str(i))
    for i in range(relations):
        builder.relation(f"r{i}")
    rows = np.empty((edges, 3), dtype=np.int32)
    for column in (0, 2):
        rows[:, column] = np.minimum(np.searchsorted(ends, rng.random(edges)), entities - 1)
    rows[:, 1] = rng.integers(0, relations, edges)
    builder.add_triples(rows, np.zeros(edges, dtype=np.uint8))
    return builder.build()


def walked_pairs(search: PathSearch, count: int, hops: int, seed: int) -> Pairs:
    """Ends of random walks; both ends differ."""
    rng = np.random.default_rng(seed)
    steps = search.adjacency
    found: list[tuple[int, int]] = []
    while len(found) < count:
        start = here = int(rng.integers(search.graph.num_entities))
        for _ in range(hops):
            low, high = steps.offsets[here], steps.offsets[here + 1]
            if low == high:
                break
            here = int(steps.neighbours[rng.integers(low, high)])
        if here != start:
            found.append((start, here))
    return np.array(found, dtype=np.int64)


def measure(search: PathSearch, pairs: Pairs, seconds: float) -> tuple[PathResults, dict[str, Any]]:
    """Results and rates of one engine; fewer pairs where all would take too long."""
    trial = max(1, min(20, len(pairs) // 50))
    spent = timed(lambda: search.find_pairs(pairs[:trial], threads=1))[1]
    pairs = pairs[: max(trial, min(len(pairs), int(trial * seconds / max(spent, 1e-6))))]
    results, spent = timed(lambda: search.find_pairs(pairs, threads=1))
    return results, {
        "pairs": len(pairs),
        "pairs_per_second": len(pairs) / spent,
        "expanded_per_pair": float(results.expanded.mean()),
        "expanded_per_second": float(results.expanded.sum()) / spent,
        "paths_per_pair": float(results.counts.sum()) / len(pairs),
        "complete": bool(results.complete.all()),
    }


def timed(work: Any) -> tuple[Any, float]:
    """What a call gives, and the CPU seconds of the better of two."""
    spent = []
    for _ in range(2):
        begin = time.process_time()
        found = work()
        spent.append(time.process_time() - begin)
    return found, min(spent)


def sequences(graph: KnowledgeGraph, result: PathResult) -> int:
    """How many different sequences of entities the paths of a pair pass."""
    found, start = 0, 0
    for length, count in enumerate(result.counts):
        codes = result.codes[start : start + length * count].reshape(count, length)
        start += length * count
        if count:
            ends = np.where(codes & 1, graph.triples[codes >> 1, 0], graph.triples[codes >> 1, 2])
            found += len(np.unique(ends, axis=0))
    return found


def compare(graph: KnowledgeGraph, pairs: Pairs, results: PathResults, args: Any) -> dict[str, Any]:
    """The peers on the same pairs, their answers held against ours."""
    ends = np.sort(graph.triples[:, [0, 2]], axis=1)
    edges = np.unique(ends[ends[:, 0] != ends[:, 1]], axis=0)
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.npz"
        np.savez(file, edges=edges, pairs=pairs, entities=graph.num_entities, hops=args.hops)
        for peer in PEERS:
            report[peer] = one_peer(peer, file, graph, results, args)
    return report


def one_peer(
    peer: str, file: Path, graph: KnowledgeGraph, results: PathResults, args: Any
) -> dict[str, Any]:
    script = Path(__file__).with_name("paths_peers.py")
    words = [args.peers, str(script), str(file), peer, str(args.seconds)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"skipped": (done.stderr.strip() or "killed").splitlines()[-1]}
    said = json.loads(done.stdout)
    common = min(len(said["counts"]), len(results))
    ours = [sequences(graph, results[i]) for i in range(common)]
    return {
        "version": said["version"],
        "pairs": len(said["counts"]),
        "pairs_per_second": len(said["counts"]) / said["seconds"],
        "same_answers": ours == said["counts"][:common],
        "compared": common,
    }


def threads(search: PathSearch, pairs: Pairs) -> dict[str, Any]:
    """Wall seconds of one thread over those of all cores, on the same pairs."""
    spent = []
    for count in (1, 0):
        begin = time.perf_counter()
        search.find_pairs(pairs, threads=count)
        spent.append(time.perf_counter() - begin)
    return {"cores": len(os.sched_getaffinity(0)), "times_one_thread": spent[0] / spent[1]}


def bench(graph: KnowledgeGraph, args: Any) -> dict[str, Any]:
    """All engines, both repeat modes, and the peers, on one graph."""
    config = PathConfig(max_hops=args.hops, max_paths=None, seconds=args.seconds)
    begin = time.process_time()
    search = PathSearch(graph, config)
    report: dict[str, Any] = {
        "graph": graph.name,
        "triples": graph.num_triples,
        "prepare_seconds": time.process_time() - begin,
        "bytes_per_edge": search.adjacency.owned_bytes / graph.num_triples,
    }
    pairs = walked_pairs(search, args.pairs, args.hops, args.seed)
    results: PathResults | None = None
    for engine in get_args(Engine):
        for repeat in ("none", "entity"):
            other = PathSearch(graph, replace(config, engine=engine, repeat=repeat))
            found, rates = measure(other, pairs, args.seconds)
            report[f"{engine}, repeat {repeat}"] = rates
            if results is None:
                results = found
                report["in parallel"] = threads(other, pairs[: len(found)])
    if args.peers and results is not None and graph.num_triples <= PEER_EDGES:
        report.update(compare(graph, pairs[: len(results)], results, args))
        report["ratios"] = ratios(report)
    return report


def ratios(report: dict[str, Any]) -> dict[str, float]:
    """Our default engine's rate over each peer's."""
    ours = report["bidirectional, repeat none"]["pairs_per_second"]
    rates = {peer: report[peer].get("pairs_per_second") for peer in PEERS}
    return {peer: ours / rate for peer, rate in rates.items() if rate}


def plot(reports: list[dict[str, Any]], file: Path) -> None:
    """Time and expanded entities a pair, and memory an edge, against the number of triples."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), layout="constrained")
    panels = figure.subplots(1, 3)
    names = [f"{engine}, repeat none" for engine in get_args(Engine)]
    for name in [*names, *PEERS]:
        rows = [report for report in reports if report.get(name, {}).get("pairs_per_second")]
        sizes, label = [row["triples"] for row in rows], name.split(",")[0]
        times = [1e6 / row[name]["pairs_per_second"] for row in rows]
        panels[0].plot(sizes, times, marker="o", label=label)
        if name in names:
            expanded = [row[name]["expanded_per_pair"] for row in rows]
            panels[1].plot(sizes, expanded, marker="o", label=label)
    sizes = [row["triples"] for row in reports]
    panels[2].plot(sizes, [row["bytes_per_edge"] for row in reports], marker="o", label="memory")
    panels[2].axhline(GOAL_BYTES, linestyle=":", label="goal")
    panels[2].set(ylim=(0, None))
    titles = ("microseconds a pair", "expanded entities a pair", "bytes an edge")
    for axes, title in zip(panels, titles, strict=True):
        axes.set(xscale="log", xlabel="triples", ylabel=title)
        axes.legend()
    for axes in panels[:2]:
        axes.set(yscale="log")
    figure.savefig(file, dpi=150)


def cells(args: Any) -> Iterator[tuple[str, Callable[[], KnowledgeGraph]]]:
    """The name of each graph, and what makes it."""
    for name in args.graphs:
        yield name, partial(load_graph, name)
    for edges in args.edges:
        yield f"power-law-{edges}", partial(power_law, edges, args.seed)


def measured(args: Any) -> list[dict[str, Any]]:
    """The report of each graph: kept from before, or measured now while there is time."""
    begin, reports = time.monotonic(), []
    settings = {name: getattr(args, name) for name in ("pairs", "hops", "seconds", "seed", "peers")}
    args.out.mkdir(parents=True, exist_ok=True)
    for name, make in cells(args):
        file = args.out / f"{name}.json"
        kept = json.loads(file.read_text()) if file.exists() else {}
        if kept.get("settings") != settings:
            if time.monotonic() - begin > args.minutes * 60:
                print(f"{name}: no time left; repeat the command", file=sys.stderr)
                continue
            kept = {"settings": settings, **bench(make(), args)}
            half = file.with_suffix(".part")
            half.write_text(json.dumps(kept, indent=1) + "\n")
            half.replace(file)
        print(json.dumps(kept, indent=1), flush=True)
        reports.append(kept)
    return reports


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--graphs", nargs="*", default=list(GRAPHS))
    parser.add_argument("--edges", nargs="*", type=int, default=list(EDGES), help="synthetic ones")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--hops", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each engine and peer")
    parser.add_argument("--minutes", type=float, default=10.0, help="begin no graph after so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", help="interpreter that has networkx, rustworkx and igraph")
    args = parser.parse_args()
    reports = measured(args)
    synthetic = [report for report in reports if report["graph"].startswith("power-law")]
    if synthetic:
        plot(synthetic, args.out / "growth.png")
    differ = [
        (report["graph"], peer)
        for report in reports
        for peer in PEERS
        if report.get(peer, {}).get("same_answers") is False
    ]
    if differ:
        sys.exit(f"answers differ: {differ}")


if __name__ == "__main__":
    main()
