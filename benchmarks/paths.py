"""Path search: our three engines beside networkx, rustworkx and igraph.

    python benchmarks/paths.py --peers /path/to/python-with-peers
    python benchmarks/paths.py --graphs wn18rr metaqa --pairs 2000 --seconds 5
    python benchmarks/paths.py --graphs --edges 100000 1000000 10000000 --plot growth.png

Pairs are the ends of random walks of `--hops` steps. All simple paths of up to that many hops are
found, one thread, CPU time. Peers get the graph as a simple undirected one, since none keeps
relation types: so every sequence of entities that they count is held against ours, and parallel
triples, which only we tell apart, are counted beside. A peer stops after `--seconds`; its rate is
that of the pairs it answered. Walks that may return to an entity (`--repeat entity` of the program)
are measured for us alone: no peer has them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
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
    steps, found = search.adjacency, []
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
    trial = max(1, len(pairs) // 50)
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
    if args.peers and results is not None:
        report.update(compare(graph, pairs[: len(results)], results, args))
        report["ratios"] = ratios(report)
    return report


def ratios(report: dict[str, Any]) -> dict[str, float]:
    """Our default engine's rate over each peer's."""
    ours = report["bidirectional, repeat none"]["pairs_per_second"]
    rates = {peer: report[peer].get("pairs_per_second") for peer in PEERS}
    return {peer: ours / rate for peer, rate in rates.items() if rate}


def plot(reports: list[dict[str, Any]], file: Path) -> None:
    """Microseconds a pair against the number of triples."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    names = [f"{engine}, repeat none" for engine in get_args(Engine)]
    for name in [*names, *PEERS]:
        points = [
            (report["triples"], 1e6 / report[name]["pairs_per_second"])
            for report in reports
            if report.get(name, {}).get("pairs_per_second")
        ]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=name.split(",")[0])
    axes.set(xscale="log", yscale="log", xlabel="triples", ylabel="microseconds a pair")
    axes.legend()
    figure.savefig(file, dpi=150)


def graphs(args: Any) -> Iterator[KnowledgeGraph]:
    for name in args.graphs:
        yield load_graph(name)
    for edges in args.edges:
        yield power_law(edges, args.seed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graphs", nargs="*", default=list(GRAPHS))
    parser.add_argument("--edges", nargs="*", type=int, default=[])
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--hops", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each engine and peer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", help="interpreter that has networkx, rustworkx and igraph")
    parser.add_argument("--plot", type=Path, help="growth with the number of triples")
    args = parser.parse_args()
    reports = []
    for graph in graphs(args):
        reports.append(bench(graph, args))
        print(json.dumps(reports[-1], indent=1), flush=True)
    if args.plot:
        plot([report for report in reports if report["graph"].startswith("power-law")], args.plot)
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
