"""Reviewing a queue by keyboard: one item, one letter; back again where a finger slipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from accord.errors import ConfigError, GraphError
from accord.graph.graph import KnowledgeGraph
from accord.refine.context import context
from accord.refine.entry import Decision, Entry, Verdict, changes
from accord.refine.items import Item
from accord.refine.naming import meant
from accord.refine.queue import Queue

KEYS: dict[str, Verdict] = {"a": "accept", "r": "reject", "e": "edit", "s": "skip"}
OTHERS: dict[str, Literal["undo", "quit"]] = {"u": "undo", "q": "quit"}
WORDS: dict[str, str] = {"context": "c"}
WORDS |= {word: key for key, word in KEYS.items()} | {word: key for key, word in OTHERS.items()}
PROMPT = "[a]ccept [r]eject [e]dit [s]kip [c]ontext [u]ndo [q]uit > "
PARTS = ("head", "relation", "tail")
Ask = Callable[[str], str]
Tell = Callable[[str], None]


def review(
    queue: Queue, ask: Ask, tell: Tell, entries: Sequence[Entry] | None = None
) -> Counter[Verdict]:
    """Goes through open items, likeliest first; each decision is kept at once.

    Args:
        queue: An open queue.
        ask: Shows a prompt and gives what was typed; an `EOFError` ends the review.
        tell: Shows a line.
        entries: Which ones; None: all that are open.

    Returns:
        How often each verdict was given; what was taken back does not count.
    """
    entries = queue.entries() if entries is None else entries
    given: list[Verdict] = []
    while len(given) < len(entries):
        entry = entries[len(given)]
        tell(f"\n{len(given) + 1}/{len(entries)}  {describe(queue.graph, entry)}")
        try:
            verdict = _verdict(queue, entry, ask, tell)
        except EOFError:
            break
        if verdict == "quit":
            break
        if verdict != "undo":
            given.append(verdict)
        elif given:
            queue.restore(entries[len(given) - 1])
            tell(f"taken back: {given.pop()}")
        else:
            tell("nothing was decided yet")
    return Counter(given)


def _verdict(queue: Queue, entry: Entry, ask: Ask, tell: Tell) -> Verdict | Literal["undo", "quit"]:
    """Asks until there is a verdict that the queue takes, or `undo` or `quit`."""
    while True:
        typed = ask(PROMPT).strip().lower()
        key = WORDS.get(typed, typed)
        if key == "c":
            tell(context(queue.graph, entry))
        elif key in OTHERS:
            return OTHERS[key]
        elif key not in KEYS:
            tell("type a, r, e, s, c, u or q, or the whole word")
        elif _kept(queue, entry, KEYS[key], ask, tell):
            return KEYS[key]


def _kept(queue: Queue, entry: Entry, verdict: Verdict, ask: Ask, tell: Tell) -> bool:
    """Whether the queue took a verdict; what is typed for an edit may name nothing it knows."""
    if verdict != "edit":
        queue.decide([Decision(entry.id, verdict)])
        return True
    item = entry.item
    try:
        statement = meant(queue.graph, _edited(item.triple, ask), item)
        if statement == item.triple:
            tell("nothing was changed")
            return False
        if item.kind == "proposal" and _is_known(queue, item.edited(*statement)):
            tell("the graph has that already: reject the item if there is nothing to add")
            return False
        queue.decide([Decision(entry.id, verdict, statement)])
    except (GraphError, ConfigError) as error:
        tell(f"{error.message}; {error.hint}" if error.hint else error.message)
        return False
    return True


def _is_known(queue: Queue, item: Item) -> bool:
    return all(map(queue.store.asserts, changes(item)[0]))


def describe(graph: KnowledgeGraph, entry: Entry) -> str:
    """An item for a person: what, how sure, why, on what evidence."""
    item = entry.item
    act = "add" if item.kind == "proposal" else "change to" if item.replaces else "remove"
    sure = "" if item.probability is None else f", right with probability {item.probability:.2f}"
    lines = [f"{act}: {_names(graph, item.triple, item.attribute)}  (score {item.score:.3f}{sure})"]
    if item.replaces is not None:
        lines.append(f"  instead of: {_names(graph, item.replaces, item.attribute)}")
    lines += [f"  because {item.reason}"] if item.reason else []
    return "\n".join([*lines, *(f"  - {x}" for x in item.evidence if x not in item.reason)])


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


def _edited(triple: Sequence[str], ask: Ask) -> tuple[str, str, str]:
    """Head, relation and tail as typed; an empty line keeps what is there."""
    head, relation, tail = (
        ask(f"{part} [{old}] > ").strip() or old for part, old in zip(PARTS, triple, strict=True)
    )
    return head, relation, tail
