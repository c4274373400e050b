"""Reviewing a queue by keyboard: one item, one letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from accord.errors import GraphError
from accord.graph.graph import KnowledgeGraph
from accord.refine.entry import Decision, Entry, Verdict
from accord.refine.queue import Queue

KEYS: dict[str, Verdict] = {"a": "accept", "r": "reject", "e": "edit", "s": "skip"}
PROMPT = "[a]ccept [r]eject [e]dit [s]kip [q]uit > "
PARTS = ("head", "relation", "tail")


def review(
    queue: Queue, ask: Callable[[str], str], tell: Callable[[str], None]
) -> Counter[Verdict]:
    """Goes through the open items, likeliest first; each decision is kept at once.

    Args:
        queue: An open queue.
        ask: Shows a prompt and gives what was typed; an `EOFError` ends the review.
        tell: Shows a line.

    Returns:
        How often each verdict was given.
    """
    given: Counter[Verdict] = Counter()
    entries = queue.entries()
    for number, entry in enumerate(entries, 1):
        tell(f"\n{number}/{len(entries)}  {describe(queue.graph, entry)}")
        try:
            decision = _kept(queue, entry, ask, tell)
        except EOFError:
            break
        if decision is None:
            break
        given[decision.verdict] += 1
    return given


def _kept(
    queue: Queue, entry: Entry, ask: Callable[[str], str], tell: Callable[[str], None]
) -> Decision | None:
    """Asks until there is a decision that the queue takes; None: stop here."""
    while (decision := _decide(entry, ask, tell)) is not None:
        try:
            queue.decide([decision])
        except GraphError as error:
            # What was typed names nothing in the graph; the review goes on with the same item.
            if decision.statement is None:
                raise
            tell(f"{error.message}; {error.hint}" if error.hint else error.message)
            continue
        return decision
    return None


def describe(graph: KnowledgeGraph, entry: Entry) -> str:
    """An item for a person: what, how sure, why, on what evidence."""
    item = entry.item
    act = "add" if item.kind == "proposal" else "change to" if item.replaces else "remove"
    sure = "" if item.probability is None else f", right with probability {item.probability:.2f}"
    lines = [f"{act}: {_names(graph, item.triple, item.attribute)}  (score {item.score:.3f}{sure})"]
    if item.replaces is not None:
        lines.append(f"  instead of: {_names(graph, item.replaces, item.attribute)}")
    lines += [f"  because {item.reason}"] if item.reason else []
    return "\n".join([*lines, *(f"  - {text}" for text in item.evidence)])


def _names(graph: KnowledgeGraph, triple: tuple[str, str, str], attribute: bool) -> str:
    head, relation, tail = triple
    tail = repr(tail) if attribute else _name(graph, tail)
    return f"{_name(graph, head)} | {relation} | {tail}"


def _name(graph: KnowledgeGraph, identifier: str) -> str:
    idx = graph.entity_ids.find(identifier, graph.entity_order)
    if idx < 0:
        return f"{identifier} (new to the graph)"
    name = graph.entity_names[idx]
    return f"{name} ({identifier})" if name and name != identifier else identifier


def _decide(
    entry: Entry, ask: Callable[[str], str], tell: Callable[[str], None]
) -> Decision | None:
    """Asks until there is an answer; None: stop here."""
    while True:
        key = ask(PROMPT).strip().lower()[:1]
        if key == "q":
            return None
        verdict = KEYS.get(key)
        if verdict == "edit":
            statement = _edited(entry.item.triple, ask)
            if statement == entry.item.triple:
                tell("nothing was changed")
                continue
            return Decision(entry.id, verdict, statement)
        if verdict is not None:
            return Decision(entry.id, verdict)
        tell("type a, r, e, s or q")


def _edited(triple: Sequence[str], ask: Callable[[str], str]) -> tuple[str, str, str]:
    """Head, relation and tail as typed; an empty line keeps what is there."""
    head, relation, tail = (
        ask(f"{part} [{old}] > ").strip() or old for part, old in zip(PARTS, triple, strict=True)
    )
    return head, relation, tail
