"""Which entities and numbers of a text no cited statement supports.

Every name of the graph in a text, every further proper name and every number has to occur in what
is cited. A number may be rounded where its words say so ('32 million' for 31,989,256), and a name
may be any that the graph has for a cited entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from accord.decode.guided import Citation
from accord.graph.graph import KnowledgeGraph
from accord.text.function_words import FUNCTION_WORDS
from accord.text.mentions import MentionIndex
from accord.text.render import entity_name

SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
"""Numbers in words; 'one' is more often none."""
NUMBER = re.compile(
    rf"(?<![\w.])[-−]?(?:\d+(?:,\d{{3}})+|\d+)(?:\.\d+)?(?:\s+(?:{'|'.join(SCALES)})\b)?"
    rf"|\b(?:{'|'.join(WORDS)})\b(?:\s+(?:{'|'.join(SCALES)})\b)?",
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W_][\w'’-]*|\S|\n")
Span = tuple[int, int]


@dataclass(frozen=True)
class Unsupported:
    """What a text says that nothing cited supports."""

    entities: tuple[str, ...]
    """Names, as written, each occurrence."""
    numbers: tuple[str, ...]
    named: int
    """Names that the text has, supported ones among them."""
    counted: int
    """Numbers that it has."""

    @property
    def count(self) -> int:
        """Unsupported names and numbers."""
        return len(self.entities) + len(self.numbers)

    @property
    def rate(self) -> float:
        """Their share, 0 to 1; 0 in a text without names and numbers."""
        return self.count / max(1, self.named + self.counted)

    def to_dict(self) -> dict[str, Any]:
        """{"entities", "numbers", "named", "counted", "rate"}."""
        return {**asdict(self), "rate": self.rate}


class Faithfulness:
    """Counts what is unsupported in texts about one graph.

    Args:
        graph: The graph.

    Example:
        >>> from accord.graph.builder import GraphBuilder
        >>> builder = GraphBuilder("g")
        >>> builder.triple("Peru", "capital", "Lima")
        >>> builder.triple("Chile", "capital", "Santiago")
        >>> cited = [Citation("Peru", "capital", "Lima", False, "The capital of Peru is Lima.")]
        >>> check = Faithfulness(builder.build())
        >>> check("Lima is the capital of Peru, not Santiago, and has 3 ports.", cited).entities
        ('Santiago',)
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self._mentions = MentionIndex(graph)

    def __call__(self, text: str, citations: Iterable[Citation]) -> Unsupported:
        """Names and numbers of a text that citations do not support.

        Args:
            text: The text.
            citations: What it may rest on.

        Returns:
            The unsupported ones in the order of the text.
        """
        cited = list(citations)
        supported = _occurrences(text, self._names(cited))
        # Words of a relation or property, such as 'ISO' or 'the capital', are no names.
        known = [*supported, *_occurrences(text, (word for c in cited for word in _words(c)))]
        # So are its short ones, where they are a whole name: 'tag' in a graph of films.
        said = {word.casefold() for c in cited for word in WORD.findall(c.text)}
        found = [
            span
            for m in self._mentions.find(text)
            if not _inside(span := (m.start, m.end), known)
            and m.text.casefold() not in said
            and not NUMBER.fullmatch(m.text)
        ]
        found += _proper_names(text, [*known, *found])
        figures = {value for c in cited for value in _numbers(f"{c.text} {c.tail}")}
        counted = [m[0] for m in NUMBER.finditer(text) if not _inside(m.span(), known)]
        return Unsupported(
            entities=tuple(text[start:end] for start, end in sorted(found)),
            numbers=tuple(number for number in counted if not _supported(number, figures)),
            named=len(supported) + len(found),
            counted=len(counted),
        )

    def _names(self, cited: Sequence[Citation]) -> set[str]:
        """All names of the entities cited, and literals."""
        found: set[str] = set()
        for citation in cited:
            found |= self._called(citation.head)
            found |= {citation.tail} if citation.attribute else self._called(citation.tail)
        return {name for name in found if name.strip() and not NUMBER.fullmatch(name)}

    def _called(self, identifier: str) -> set[str]:
        entity = self.graph.entity_ids.find(identifier, self.graph.entity_order)
        if entity < 0:
            return {identifier}
        return {entity_name(self.graph, entity), *self.graph.aliases_of(entity)}


def _occurrences(text: str, names: Iterable[str]) -> list[Span]:
    """Where names stand in a text, whole words only; the longest of a place."""
    found: list[Span] = []
    for name in sorted(names, key=len, reverse=True):
        pattern = r"(?<!\w)" + r"\s+".join(map(re.escape, name.split())) + r"(?!\w)"
        spans = (m.span() for m in re.finditer(pattern, text, re.IGNORECASE))
        found += [span for span in spans if not _inside(span, found)]
    return found


def _inside(span: Span, spans: Iterable[Span]) -> bool:
    """Whether a span shares a character with one of several."""
    return any(span[0] < b and a < span[1] for a, b in spans)


def _words(citation: Citation) -> set[str]:
    """The words of a statement, without short ones in small letters."""
    words = (m[0] for m in re.finditer(r"[^\W\d_][\w-]*", citation.text))
    return {word for word in words if len(word) > 3 or word[0].isupper()}


def _proper_names(text: str, known: Sequence[Span]) -> list[Span]:
    """Runs of capitalised words outside of what is known."""
    found: list[Span] = []
    run: list[Span] = []
    for match in WORD.finditer(text):
        named = match[0][0].isupper() and match[0].casefold() not in FUNCTION_WORDS
        if named and not _inside(match.span(), known):
            run.append(match.span())
        else:
            found += _run(text, run)
            run = []
    return [*found, *_run(text, run)]


def _run(text: str, run: list[Span]) -> list[Span]:
    """A run of capitalised words as one name; a single word that opens a sentence is none."""
    if not run:
        return []
    before = text[: run[0][0]].rstrip(" \"'“‘(")
    opens = not before or before[-1] in ".!?:\n"
    return [] if opens and len(run) == 1 else [(run[0][0], run[-1][1])]


def _numbers(text: str) -> set[Decimal]:
    return {value for m in NUMBER.finditer(text) if (value := _value(m[0])) is not None}


def _value(text: str) -> Decimal | None:
    first, *scale = text.lower().replace(",", "").replace("−", "-").split()
    try:
        value = Decimal(WORDS[first]) if first in WORDS else Decimal(first)
    except InvalidOperation:
        return None
    return value.scaleb(SCALES[scale[0]]) if scale else value


def _supported(text: str, known: set[Decimal]) -> bool:
    """Whether a number is one that is known, or one rounded as far as its words say."""
    value = _value(text)
    if value is None or value in known:
        return True
    first, *scale = text.split()
    if not scale:
        return False
    places = len(first.partition(".")[2])
    unit = Decimal(1).scaleb(SCALES[scale[0].lower()] - places)
    return any(abs(value - stated) <= unit / 2 for stated in known)
