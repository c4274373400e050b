"""The peers' side of `benchmarks/paths.py`; runs in an interpreter that has them, without Accord.

    python benchmarks/paths_peers.py PROBLEM.npz PEER SECONDS

PROBLEM holds `edges` (N, 2), `pairs` (P, 2), `entities` and `hops`. Prints one JSON object: how
many of the pairs were answered in the time, the CPU seconds, and the number of paths of each.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def networkx(edges: list[tuple[int, int]], entities: int, hops: int) -> Callable[[int, int], int]:
    nx = importlib.import_module("networkx")
    graph: Any = nx.Graph()
    graph.add_nodes_from(range(entities))
    graph.add_edges_from(edges)
    return lambda a, b: sum(1 for _ in nx.all_simple_paths(graph, a, b, cutoff=hops))


def rustworkx(edges: list[tuple[int, int]], entities: int, hops: int) -> Callable[[int, int], int]:
    rx = importlib.import_module("rustworkx")
    graph: Any = rx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(entities))
    graph.add_edges_from_no_data(edges)
    # Its cutoff counts entities, not edges.
    return lambda a, b: len(rx.graph_all_simple_paths(graph, a, b, 0, hops + 1))


def igraph(edges: list[tuple[int, int]], entities: int, hops: int) -> Callable[[int, int], int]:
    graph: Any = importlib.import_module("igraph").Graph(n=entities, edges=edges)
    return lambda a, b: len(graph.get_all_simple_paths(a, b, maxlen=hops))


PEERS = {"networkx": networkx, "rustworkx": rustworkx, "igraph": igraph}


def main() -> None:
    problem, peer, seconds = np.load(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    edges = list(map(tuple, problem["edges"].tolist()))
    count = PEERS[peer](edges, int(problem["entities"]), int(problem["hops"]))
    counts: list[int] = []
    begin = time.process_time()
    for head, tail in problem["pairs"].tolist():
        counts.append(count(head, tail))
        if time.process_time() - begin > seconds:
            break
    spent = time.process_time() - begin
    version = getattr(importlib.import_module(peer), "__version__", "")
    print(json.dumps({"version": version, "seconds": spent, "counts": counts}))


if __name__ == "__main__":
    main()
