"""Attributes of entities out of sentences: rules tied to the properties that a graph has."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from accord.graph.graph import KnowledgeGraph
from accord.graph.iris import XSD
from accord.text.examples import LabelledSpan
from accord.text.folding import name_key
from accord.text.render import humanise
from accord.text.values import Kind, Value, values

SAMPLE = 200
"""Values of a property that tell its type."""
NEAR = 60
"""Characters between a property's word and its value at most."""
VAGUE = frozenset(
    (
        *("date", "year", "number", "total", "place", "value", "count", "amount"),
        *("of", "in", "the", "a", "at", "by", "for"),
    )
)
"""Words of a property's name that a sentence need not have."""
SAID = {
    "birth": ("born", "birth"),
    "born": ("born", "birth"),
    "death": ("died", "death"),
    "died": ("died", "death"),
    "inception": ("founded", "established", "created"),
    "founded": ("founded", "established"),
    "founding": ("founded", "established"),
    "population": ("population", "inhabitants", "people", "residents"),
    "area": ("area", "covers"),
    "height": ("height", "tall", "high"),
    "elevation": ("elevation", "altitude"),
    "length": ("length", "long"),
}
"""How sentences say what properties are called; any other word stands for itself."""
UNIT_SAYS = {"km²": "area", "mi²": "area", "ha": "area", "m²": "area", "people": "population"}
"""What a unit tells of the property, where the sentence does not."""
LENGTHS = frozenset(("km", "mi", "m", "cm", "ft"))
MEASURES = {
    "population": frozenset(("people",)),
    "area": frozenset(("km²", "mi²", "ha", "m²")),
    **dict.fromkeys(("height", "elevation", "altitude", "length", "width", "depth"), LENGTHS),
}
"""Units of what a property's word says; a value in any other unit is not of that property."""
TYPES: dict[str, Kind] = {
    XSD + "date": "date",
    XSD + "dateTime": "date",
    XSD + "gYear": "gYear",
    XSD + "gYearMonth": "gYearMonth",
    **{XSD + name: "integer" for name in ("integer", "int", "long", "nonNegativeInteger")},
    **{XSD + name: "decimal" for name in ("decimal", "double", "float")},
}
FITS: dict[Kind, tuple[Kind, ...]] = {
    "date": ("date",),
    "gYearMonth": ("gYearMonth", "date"),
    "gYear": ("gYear", "gYearMonth", "date"),
    "integer": ("integer",),
    "decimal": ("decimal", "integer"),
}
"""Values that a property's type takes; a date is cut to its year or month."""
CUT = {"gYear": 4, "gYearMonth": 7}
_VERB = r"(is|are|was|were|has|had)\s*"
DIRECTLY = re.compile(rf"\s*,?\s*((which|who|that)\s+)?({_VERB})?(a|an|the)?\s*", re.I)
"""What may stand between a mention and the word for its own property."""
ASIDE = re.compile(rf"\s*,?\s*((which|who|that)\s+{_VERB})?(a|an|the)?\s*", re.I)
"""The same for a mention behind a preposition: a verb of its own needs its own pronoun."""
PREPOSITION = re.compile(r"\b(in|at|of|from|near|to|by|with|on|for)\s+(the\s+)?$", re.I)


class Property(NamedTuple):
    """A property whose values are dates or numbers."""

    id: str
    words: tuple[str, ...]
    """The words of its name that a sentence must say, in one form or another."""
    kind: Kind
    datatype: str


class Statement(NamedTuple):
    """An attribute that a sentence states."""

    span: int
    """Which mention it is of."""
    property: str
    text: str
    """The value's lexical form."""
    datatype: str
    unit: str


def typed_properties(graph: KnowledgeGraph) -> list[Property]:
    """The properties of a graph whose values are mostly of a type that texts can state."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for row in range(len(graph.attributes)):
        item = graph.attribute(row)
        if kinds[item.property].total() < SAMPLE:
            kinds[item.property][item.datatype] += 1
    found = []
    for name, counts in kinds.items():
        datatype, times = counts.most_common(1)[0]
        words = tuple(w for w in name_key(humanise(name)).split() if w not in VAGUE)
        if datatype in TYPES and 2 * times > counts.total() and words:
            found.append(Property(name, words, TYPES[datatype], datatype))
    return found


def statements(
    text: str, spans: Sequence[LabelledSpan], properties: Iterable[Property]
) -> Iterator[Statement]:
    """The attributes that a sentence states of what it mentions.

    A value belongs to the property that the sentence names nearest to it, or that its unit tells,
    and to the mention right behind that word ("the area of Osaka") or right before it ("Osaka,
    founded"), else to the first mention before it that follows no preposition.

    Args:
        text: A sentence.
        spans: Its mentions.
        properties: As `typed_properties` gives them.

    Yields:
        At most one statement a value, and one a property and mention.
    """
    known = list(properties)
    seen: set[tuple[int, str]] = set()
    for value in values(text) if known and spans else ():
        if any(s.start < value.end and value.start < s.end for s in spans):
            continue  # part of a name
        near = [(place, p) for p in known for place in _said(text, value, p)]
        if not near:
            continue
        said, best = min(near, key=lambda item: _gap(item[0], value))
        span = _owner(text, spans, value, said)
        if (span, best.id) not in seen:
            seen.add((span, best.id))
            form = value.text[: CUT.get(best.kind, len(value.text))]
            form += "T00:00:00" if best.datatype == XSD + "dateTime" else ""
            yield Statement(span, best.id, form, best.datatype, value.unit)


def _said(text: str, value: Value, prop: Property) -> Iterator[tuple[int, int]]:
    """Where a sentence names a property near a value that it may have."""
    if value.kind not in FITS[prop.kind]:
        return
    places = []
    for word in prop.words:
        if value.unit and value.unit not in MEASURES.get(word, (value.unit,)):
            return
        said = SAID.get(word, (word,))
        pattern = "|".join(re.escape(form) for form in said)
        hits = [m.span() for m in re.finditer(rf"\b(?:{pattern})s?\b", text, re.I)]
        if UNIT_SAYS.get(value.unit) == word:
            hits.append((value.end, value.end))
        close = [hit for hit in hits if _gap(hit, value) <= NEAR]
        if not close:
            return
        places.append(min(close, key=lambda hit: _gap(hit, value)))
    yield min(places, key=lambda hit: _gap(hit, value))


def _gap(place: tuple[int, int], value: Value) -> int:
    return max(0, place[0] - value.end, value.start - place[1])


def _owner(text: str, spans: Sequence[LabelledSpan], value: Value, said: tuple[int, int]) -> int:
    """The number of the mention that a value is of."""
    order = sorted(range(len(spans)), key=lambda i: spans[i].start)
    for i in order:
        if re.fullmatch(r"\s+of\s+(the\s+)?", text[said[1] : max(said[1], spans[i].start)]):
            return i
        between = ASIDE if PREPOSITION.search(text[: spans[i].start]) else DIRECTLY
        if spans[i].end <= said[0] and between.fullmatch(text[spans[i].end : said[0]]):
            return i
    before = [i for i in order if spans[i].end <= value.start]
    free = [i for i in before if not PREPOSITION.search(text[: spans[i].start])]
    return (free or before or order)[0]
