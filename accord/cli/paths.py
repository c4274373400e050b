"""`accord graph paths`: how two entities hang together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from accord.cli.common import JsonFlag, emit
from accord.errors import ConfigError

if TYPE_CHECKING:
    from accord.graph.graph import KnowledgeGraph
    from accord.graph.paths import PathConfig, PathResult

Graph = Annotated[str, typer.Argument(help="Graph folder, file or data set name.")]


def paths(
    graph: Graph,
    head: Annotated[str, typer.Argument(help="Where a path begins: id, name or alias.")],
    tail: Annotated[str, typer.Argument(help="Where it ends: id, name or alias.")],
    max_hops: Annotated[int, typer.Option(help="Longest path, 1 to 8 steps.")] = 3,
    max_paths: Annotated[int, typer.Option(help="How many, the shortest first; 0 for all.")] = 10,
    repeat: Annotated[
        str,
        typer.Option(
            help="none: no entity twice; entity: entities may recur, but no triple in the same "
            "direction."
        ),
    ] = "none",
    engine: Annotated[
        str, typer.Option(help="bidirectional, astar or bfs; the answers are the same.")
    ] = "bidirectional",
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Relation (id or phrase) that may be walked; repeatable. Default: all."),
    ] = None,
    deny: Annotated[
        list[str] | None, typer.Option(help="Relation that may not be walked; repeatable.")
    ] = None,
    directed: Annotated[
        bool, typer.Option("--directed", help="Walk triples from head to tail only.")
    ] = False,
    hub_limit: Annotated[
        int,
        typer.Option(help="Pass through no entity with more walkable steps than this; 0: any."),
    ] = 0,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Walk the triples of this split only; repeatable. Default: all."),
    ] = None,
    max_expanded: Annotated[
        int, typer.Option(help="Budget: entities whose steps are gone through.")
    ] = 10_000_000,
    seconds: Annotated[float, typer.Option(help="Budget: time.")] = 60.0,
    as_json: JsonFlag = False,
) -> None:
    """Paths between two entities: sequences of triples, the shortest first."""
    from accord.graph.graph import SPLITS
    from accord.graph.load import load_graph
    from accord.graph.lookup import find_entity
    from accord.graph.paths import PathConfig, PathSearch

    if max_paths < 0:
        raise ConfigError(f"--max-paths is {max_paths}", "choose 1 or more, or 0 for all")
    loaded = load_graph(graph)
    config = PathConfig(
        max_hops=max_hops,
        max_paths=max_paths or None,
        repeat=repeat,  # type: ignore[arg-type]  # checked there
        allow=_relations(loaded, allow),
        deny=_relations(loaded, deny),
        inverse=not directed,
        hub_limit=hub_limit,
        max_expanded=max_expanded,
        seconds=seconds,
        engine=engine,  # type: ignore[arg-type]  # checked there
        splits=tuple(split or SPLITS),
    )
    ends = [find_entity(loaded, head)], [find_entity(loaded, tail)]
    found = PathSearch(loaded, config).find(*ends)
    emit(_as_dict(loaded, found), as_json, lambda: _as_text(loaded, found, config))


def _relations(graph: KnowledgeGraph, names: list[str] | None) -> tuple[str, ...]:
    from accord.graph.lookup import find_relation

    numbers = [find_relation(graph, name) % graph.num_relations for name in names or ()]
    return tuple(graph.relation_ids[number] for number in numbers)


def _as_dict(graph: KnowledgeGraph, found: PathResult) -> dict[str, Any]:
    from accord.graph.paths import hops

    listed = [{"hops": [hop._asdict() for hop in hops(graph, path)]} for path in found]
    return {
        "complete": found.complete,
        "limited": found.limited,
        "expanded": found.expanded,
        "paths": listed,
    }


def _as_text(graph: KnowledgeGraph, found: PathResult, config: PathConfig) -> str:
    """One path a line; an inverse step's arrow points back."""
    from accord.graph.paths import hops

    lines = []
    for path in found:
        line = ""
        for hop in hops(graph, path):
            start, end = (hop.tail, hop.head) if hop.inverse else (hop.head, hop.tail)
            arrow = f"<-[{hop.relation}]-" if hop.inverse else f"-[{hop.relation}]->"
            line += f"{'' if line else _label(graph, start)} {arrow} {_label(graph, end)}"
        lines.append(line)
    lines.append(_summary(found, config))
    return "\n".join(lines)


def _label(graph: KnowledgeGraph, entity_id: str) -> str:
    return graph.entity_names[graph.entity(entity_id)] or entity_id


def _summary(found: PathResult, config: PathConfig) -> str:
    count = f"{len(found)} path{'' if len(found) == 1 else 's'} of up to {config.max_hops} hops"
    if not found.complete:
        return (
            f"{count}; incomplete: the budget ended the search after {found.expanded:,} "
            "expanded entities (see --seconds and --max-expanded)"
        )
    return f"{count}; there may be more (see --max-paths)" if found.limited else count
