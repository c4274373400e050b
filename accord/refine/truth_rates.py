"""How wrong and how incomplete a graph is, where it is known what was planted and removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accord.evaluate.refinement import Planted
from accord.graph.graph import KnowledgeGraph
from accord.graph.patches import Patch, Statement
from accord.refine.changers import id_triples

Triple = tuple[str, str, str]


def rates(graph: KnowledgeGraph, truth: Planted, patches: Sequence[Patch]) -> dict[str, Any]:
    """Error and missing rate of a graph's train triples.

    True is what the graph held before all patches but the planted errors, and what was removed
    from it. Anything else that was added counts as wrong, so the error rate is an upper bound.

    Args:
        graph: The graph after the patches.
        truth: What was planted and removed before them.
        patches: What was done to the graph since, oldest first.

    Returns:
        {"triples", "errors", "error_rate", "missing", "missing_rate", "planted_left",
        "removed_left", "wrongly_added", "wrongly_removed"}; the missing rate is a share of the
        true triples.
    """
    now = set(id_triples(graph, graph.triples_of("train")))
    start = set(now)
    for patch in reversed(patches):
        start = (start - _triples(patch.add)) | _triples(patch.remove)
    true = (start - truth.planted) | truth.removed
    errors, missing = now - true, true - now
    return {
        "triples": len(now),
        "errors": len(errors),
        "error_rate": len(errors) / max(1, len(now)),
        "missing": len(missing),
        "missing_rate": len(missing) / max(1, len(true)),
        "planted_left": len(errors & truth.planted),
        "removed_left": len(missing & truth.removed),
        "wrongly_added": len(errors - truth.planted),
        "wrongly_removed": len(missing - truth.removed),
    }


def _triples(statements: Sequence[Statement]) -> set[Triple]:
    return {(s.subject, s.predicate, s.value) for s in statements if not s.literal}
