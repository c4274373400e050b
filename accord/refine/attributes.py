"""Attributes that look wrong, and values that a rule tells: datatype, range, form, number.

What is usual for a property is learnt from all its values, by medians and shares that a few wrong
ones do not move.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.refine.amounts import USUAL, amounts
from accord.refine.items import Item
from accord.refine.steps import Float64, Int64, Steps, Trusted
from accord.refine.wording import step_said
from accord.text.render import entity_name, humanise

ENOUGH = 20
"""Values of a property from which it is judged."""
AGREE = 0.9
"""Share of agreeing pairs of a relation from which one end tells the other's value."""
FAR = 8.0
"""Robust standard deviations from the median from which a number is an outlier."""
TYPED = re.compile(r"(integer|decimal|double|float|int|long|short|byte|date|dateTime)$", re.I)
"""Datatypes of which every value must be a number, or a date."""


@dataclass(frozen=True)
class _Property:
    """The values of one property."""

    number: int
    rows: Int64
    """(n,) rows of the graph's attributes."""
    values: list[str]


def flag_attributes(graph: KnowledgeGraph) -> list[Item]:
    """Finds attributes that differ from what their property usually is.

    Args:
        graph: The graph.

    Returns:
        Flags, the most suspicious first; one an attribute.
    """
    found: dict[int, tuple[float, list[str]]] = {}
    for prop in _properties(graph):
        checks = (
            _datatypes(graph, prop),
            _amounts(graph, prop),
            _forms(prop),
            _several(graph, prop),
        )
        for row, chance, reason in (hit for check in checks for hit in check):
            before, reasons = found.get(row, (0.0, []))
            found[row] = (1 - (1 - before) * (1 - chance), [*reasons, reason])
    items = [_flag(graph, row, chance, reasons) for row, (chance, reasons) in found.items()]
    return sorted(items, key=lambda item: -item.score)


Hit = tuple[int, float, str]


def _properties(graph: KnowledgeGraph) -> Iterator[_Property]:
    order = np.argsort(graph.attributes[:, 1], kind="stable").astype(np.int64)
    numbers = graph.attributes[order, 1]
    for number in np.unique(numbers):
        first, last = np.searchsorted(numbers, [number, number + 1])
        rows = order[first:last]
        if len(rows) >= ENOUGH:
            yield _Property(int(number), rows, [graph.attribute_values[int(r)] for r in rows])


def _datatypes(graph: KnowledgeGraph, prop: _Property) -> Iterator[Hit]:
    kinds = graph.attributes[prop.rows, 2]
    usual, share = _majority(kinds)
    if share >= USUAL:
        name = _type(graph, usual)
        for row in prop.rows[kinds != usual]:
            own = _type(graph, int(graph.attributes[row, 2]))
            reason = f"{share:.0%} of the values are of type {name}, this one is of type {own}"
            yield int(row), share * 0.8, reason


def _type(graph: KnowledgeGraph, kind: int) -> str:
    return humanise(graph.datatypes[kind]) or "text"


def _majority(kinds: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> tuple[int, float]:
    counts = np.bincount(kinds)
    return int(counts.argmax()), float(counts.max() / len(kinds))


def _amounts(graph: KnowledgeGraph, prop: _Property) -> Iterator[Hit]:
    """Numbers, amounts with a unit and dates that lie far off, or are none."""
    found = amounts(prop.values)
    if found is None:
        return
    usual, share = _majority(graph.attributes[prop.rows, 2])
    known = np.isfinite(found.numbers)
    if share >= USUAL and TYPED.search(graph.datatypes[usual]):
        for row in np.flatnonzero(~known).tolist():
            yield int(prop.rows[row]), 0.95, f"{prop.values[row]!r} is no {found.kind}"
    if known.sum() < ENOUGH:
        return
    at = np.flatnonzero(known)
    far = _far(found.numbers[at])
    near = at[far <= FAR]
    near = near[np.argsort(found.numbers[near], kind="stable")]
    low, high = prop.values[int(near[0])], prop.values[int(near[-1])]
    for row, distance in zip(prop.rows[at], far, strict=True):
        if distance > FAR:
            chance = float(1 - FAR / (2 * distance))
            yield int(row), chance, f"the usual values lie between {low} and {high}"


def _far(numbers: Float64) -> Float64:
    """(n,) robust standard deviations from the median."""
    # Sizes of cities and the like spread over orders of magnitude: there, their logarithms count.
    positive = bool((numbers > 0).mean() >= USUAL)
    wide = positive and np.percentile(numbers, 90) > 10 * max(np.percentile(numbers, 10), 1e-300)
    scaled = np.sign(numbers) * np.log1p(np.abs(numbers)) if wide else numbers
    middle = np.median(scaled)
    spread = 1.4826 * np.median(np.abs(scaled - middle))
    spread = max(float(spread), float(np.subtract(*np.percentile(scaled, [90, 10]))) / 2.56, 1e-9)
    found: Float64 = np.abs(scaled - middle) / spread
    return found


def form(value: str) -> str:
    """The form of a value: runs of capitals, letters and digits as one sign each.

    Example:
        >>> form("SE-123 45")
        'A-9 9'
    """
    letters = re.sub(r"[^\W\d_]+", lambda run: "A" if run[0].isupper() else "a", value)
    return re.sub(r"\d+", "9", letters)


def _forms(prop: _Property) -> Iterator[Hit]:
    """Values that look otherwise; where their lengths differ too, that is the same sign."""
    plain = [form(v) for v in prop.values]
    forms = [
        f"{p}:{len(v)}" if len(v) <= 12 else p for p, v in zip(plain, prop.values, strict=True)
    ]
    told: set[int] = set()
    for kinds, weight in ((plain, 0.8), (forms, 0.7)):
        usual, count = Counter(kinds).most_common(1)[0]
        share, example = count / len(kinds), prop.values[kinds.index(usual)]
        if share >= USUAL:
            reason = f"{share:.0%} of the values look like {_short(example)!r}"
            others = [i for i, kind in enumerate(kinds) if kind != usual and i not in told]
            yield from ((int(prop.rows[i]), share * weight, reason) for i in others)
            told.update(others)


def _short(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:39]}…"


def _several(graph: KnowledgeGraph, prop: _Property) -> Iterator[Hit]:
    entities = graph.attributes[prop.rows, 0].astype(np.int64)
    languages = graph.attributes[prop.rows, 3].astype(np.int64)
    key = entities * (int(languages.max(initial=0)) + 2) + languages + 1
    _, group, counts = np.unique(key, return_inverse=True, return_counts=True)
    single = float((counts == 1).mean())
    if single >= USUAL:
        for row in prop.rows[counts[group.ravel()] > 1]:
            yield (
                int(row),
                single * 0.5,
                f"{single:.0%} of entities have one value, this one several",
            )


def _flag(graph: KnowledgeGraph, row: int, chance: float, reasons: list[str]) -> Item:
    found = graph.attribute(row)
    entity = int(graph.attributes[row, 0])
    reason = f"{humanise(found.property)} of {entity_name(graph, entity)}: {reasons[0]}"
    return Item(
        "flag", graph.entity_ids[entity], found.property, found.value, chance, None, reason,
        tuple(reasons), True, found.datatype, found.language,
    )  # fmt: skip


def propose_attributes(
    graph: KnowledgeGraph, steps: Steps, trust: Trusted | None = None
) -> list[Item]:
    """Finds values that entities lack and a neighbour's value tells.

    A rule is a relation whose two ends nearly always have the same value of a property.

    Args:
        graph: The graph.
        steps: Its triples.
        trust: How far they can be trusted; None: all of them fully.

    Returns:
        Proposals, the surest first; their probability is that share, as far as the triple that a
        value comes by can be trusted.
    """
    found: dict[tuple[int, int, str], Item] = {}
    for prop in _properties(graph):
        value, row = _values_of(graph, prop)
        both = (value[steps.sources] >= 0) & (value[steps.targets] >= 0)
        agree = both & (value[steps.sources] == value[steps.targets])
        size = 2 * graph.num_relations
        pairs = np.bincount(steps.numbers[both], minlength=size)
        shares = np.bincount(steps.numbers[agree], minlength=size) / np.maximum(pairs + 1, 1)
        good = (pairs >= ENOUGH) & (shares >= AGREE)
        lack = (value[steps.sources] == -1) & (value[steps.targets] >= 0) & good[steps.numbers]
        lacking = np.flatnonzero(lack)
        sure = shares[steps.numbers[lacking]]
        if trust is not None:
            ends = steps.sources[lacking], steps.numbers[lacking], steps.targets[lacking]
            sure = sure * trust(*ends)
        for step, chance in zip(lacking.tolist(), sure.tolist(), strict=True):
            item = _told(graph, steps, step, int(row[steps.targets[step]]), shares, chance)
            key = (int(steps.sources[step]), prop.number, item.tail)
            if key not in found or found[key].score < item.score:
                found[key] = item
    return sorted(found.values(), key=lambda item: -item.score)


def _values_of(graph: KnowledgeGraph, prop: _Property) -> tuple[Int64, Int64]:
    """(E,) number of each entity's value (-1 none, -2 several), (E,) a row that states it."""
    numbers = {value: i for i, value in enumerate(dict.fromkeys(prop.values))}
    value = np.full(graph.num_entities, -1, dtype=np.int64)
    row = np.full(graph.num_entities, -1, dtype=np.int64)
    entities = graph.attributes[prop.rows, 0]
    value[entities] = [numbers[v] for v in prop.values]
    row[entities] = prop.rows
    several = np.bincount(entities, minlength=graph.num_entities) > 1
    value[several] = -2
    return value, row


def _told(
    graph: KnowledgeGraph, steps: Steps, step: int, row: int, shares: Float64, chance: float
) -> Item:
    source, target = int(steps.sources[step]), int(steps.targets[step])
    number, found = int(steps.numbers[step]), graph.attribute(row)
    reason = (
        f"{step_said(graph, source, number, target)}, and {shares[number]:.0%} of such pairs have "
        f"the same {humanise(found.property)}"
    )
    return Item(
        "proposal", graph.entity_ids[source], found.property, found.value, chance, chance, reason,
        (), True, found.datatype, found.language,
    )  # fmt: skip
