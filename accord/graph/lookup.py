"""Finds an entity or a relation by what a person types: id, name, alias, phrase, part of an id."""

from __future__ import annotations

import difflib
import heapq
import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from accord.errors import GraphError
from accord.graph.graph import KnowledgeGraph

SHORTLIST = 200


def find_entity(graph: KnowledgeGraph, text: str) -> int:
    """The entity that a text means: its id, name, one of its aliases, or the last part of its id.

    The first of these that fits counts. Case and doubled spaces matter in whole ids only.

    Args:
        graph: The graph.
        text: What was typed.

    Returns:
        Entity idx.

    Raises:
        GraphError: None (the hint gives near names), or several (the hint gives their ids).
    """
    found = known_entity(graph, text)
    if found is None:
        raise GraphError(
            f"graph {graph.name!r} has no entity with the id, name or alias {text!r}",
            _suggest(text, _entity_labels(graph)),
        )
    return found


def known_entity(graph: KnowledgeGraph, text: str) -> int | None:
    """As `find_entity`, but None where nothing is called so.

    Raises:
        GraphError: Several are (the hint gives their ids).
    """
    found = _called(graph, text)
    if len(found) > 1:
        ids = ", ".join(repr(graph.entity_ids[i]) for i in found[:10])
        raise GraphError(
            f"{len(found)} entities of graph {graph.name!r} are called {text!r}",
            f"give the id of the one you mean: {ids}",
        )
    return found[0] if found else None


def _called(graph: KnowledgeGraph, text: str) -> list[int]:
    by_id = graph.entity_ids.find(text, graph.entity_order)
    if by_id >= 0:
        return [by_id]
    wanted = _fold(text)
    named = [i for i, name in enumerate(graph.entity_names) if _fold(name) == wanted]
    found = named or sorted(set(_alias_owners(graph, wanted)))
    return found or _by_last_part(graph.entity_ids, text)


def find_relation(graph: KnowledgeGraph, text: str) -> int:
    """The relation number that a text means: id, phrase, inverse phrase, or an id's last part.

    The first of these that fits counts.

    Args:
        graph: The graph.
        text: What was typed.

    Returns:
        r, or r + R where the text is the inverse phrase of r.

    Raises:
        GraphError: None (the hint gives near ones), or several (the hint gives their ids).
    """
    by_id = graph.relation_ids.find(text, graph.relation_order)
    if by_id >= 0:
        return by_id
    count, wanted = graph.num_relations, _fold(text)
    for found, shift in (
        ([i for i, phrase in enumerate(graph.relation_phrases) if _fold(phrase) == wanted], 0),
        ([i for i, phrase in enumerate(graph.inverse_phrases) if _fold(phrase) == wanted], count),
        (_by_last_part(graph.relation_ids, text), 0),
    ):
        if len(found) == 1:
            return found[0] + shift
        if found:
            ids = ", ".join(repr(graph.relation_ids[i]) for i in found[:10])
            raise GraphError(
                f"{len(found)} relations of graph {graph.name!r} read {text!r}",
                f"give the id of the one you mean: {ids}",
            )
    labels = [*graph.relation_ids, *graph.relation_phrases, *graph.inverse_phrases]
    hint = _suggest(text, labels)
    if not hint and count <= 40:
        hint = "known: " + ", ".join(sorted(graph.relation_ids))
    raise GraphError(f"graph {graph.name!r} has no relation {text!r}", hint)


def near_names(text: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Names that are spelt like a text.

    A shortlist by shared letter triples comes first, because comparing letter by letter takes
    seconds for tens of thousands of names.

    Args:
        text: What was typed.
        names: The names that exist; empty ones are ignored.
        count: How many to give at most.

    Returns:
        The nearest names, best first, as they are spelt.
    """
    wanted = _triples(_fold(text))
    spelt = {_fold(name): name for name in names if name}
    scored = ((len(wanted & _triples(name)), name) for name in spelt)
    short = [name for shared, name in heapq.nlargest(SHORTLIST, scored) if shared]
    close = difflib.get_close_matches(_fold(text), short, n=count, cutoff=0.5)
    return [spelt[name] for name in close]


def _suggest(text: str, labels: Iterable[str]) -> str:
    close = near_names(text, labels)
    return "did you mean " + " or ".join(repr(name) for name in close) + "?" if close else ""


def _entity_labels(graph: KnowledgeGraph) -> Iterable[str]:
    yield from graph.entity_ids
    yield from graph.entity_names
    yield from graph.aliases


def _alias_owners(graph: KnowledgeGraph, wanted: str) -> Iterable[int]:
    places = [i for i, alias in enumerate(graph.aliases) if _fold(alias) == wanted]
    for place in places:
        yield int(graph.alias_offsets.searchsorted(place, side="right")) - 1


def _by_last_part(ids: Iterable[str], text: str) -> list[int]:
    """Ids whose last part a text is; `ada lee` is that of `http://x.org/on#Ada_Lee`."""
    wanted = _fold(text.replace("_", " "))
    ends = (re.split(r"[/#]", unquote(key).rstrip("/#"))[-1] for key in ids)
    return [i for i, end in enumerate(ends) if _fold(end.replace("_", " ")) == wanted]


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _triples(text: Sequence[str]) -> set[str]:
    padded = f"  {text} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}
