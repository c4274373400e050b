"""Mentions in a text: names and aliases of a graph's entities, found by Aho-Corasick.

Names and text are folded alike (case, Unicode form, underscores) and compared word by word; the
longest name wins, and an ambiguous one keeps all its entities.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.text.folding import HANGUL, fold, name_key, spaced, token_spans
from accord.text.function_words import FUNCTION_WORDS
from accord.text.name_table import build_name_table
from accord.text.near_names import MOST_WORDS, NearNames
from accord.text.render import entity_name

BRACKETS = {"[": "]", "“": "”", "«": "»", '"': '"', "「": "」", "『": "』", "《": "》"}
SENTENCE_ENDS = frozenset(".!?:;。！？…\"'([{-*#")
_HANGUL = re.compile(f"[{HANGUL}]")


@dataclass(frozen=True)
class MentionConfig:
    """Which names count as a mention."""

    min_length: int = 2
    """Characters of a name at least, those of words only; a shorter one counts where marked."""
    stop_words: tuple[str, ...] = FUNCTION_WORDS
    """A name made only of these counts only where it is marked or spelt as a name."""
    alias_weight: float = 0.3
    """Weight of an entity that has the name as an alias, beside 1 for one called so."""
    spelling_weight: float = 10.0
    """Weight of an entity spelt exactly as the mention, capitals too, beside 1 for the others."""
    degree_power: float = 0.5
    """An entity's weight grows with (1 + triples in train) to this power; 0 is off."""
    max_candidates: int | None = None
    """Keep at most this many candidates of a name; None keeps all."""
    max_owners: int | None = None
    """Names that more entities share are no mentions (such as 'untitled'); None is off."""
    fuzzy: float | None = None
    """Also find names spelt this similarly (0.5 to 1); None is off."""

    def __post_init__(self) -> None:
        if self.min_length < 1:
            raise ConfigError(f"min_length is {self.min_length}", "use 1 or more")
        if not 0 < self.alias_weight <= 1:
            raise ConfigError(f"alias_weight is {self.alias_weight}", "use more than 0, up to 1")
        if self.spelling_weight < 1:
            raise ConfigError(f"spelling_weight is {self.spelling_weight}", "use 1 or more")
        if not 0 <= self.degree_power <= 4:
            raise ConfigError(f"degree_power is {self.degree_power}", "use 0 to 4")
        for name in ("max_candidates", "max_owners"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}", "use 1 or more, or none")
        if self.fuzzy is not None and not 0.5 <= self.fuzzy <= 1:
            raise ConfigError(f"fuzzy is {self.fuzzy}", "use 0.5 to 1; 0.9 forgives a letter in 10")


@dataclass(frozen=True)
class Candidate:
    """An entity that a mention may stand for."""

    entity: int
    """Entity idx."""
    score: float
    """Share of the mention, 0 to 1; a mention's scores sum to at most 1."""


@dataclass(frozen=True)
class Mention:
    """A piece of text that is an entity's name."""

    start: int
    """Offset of its first character in the text as it was given."""
    end: int
    """Offset behind its last character."""
    text: str
    """``text[start:end]``."""
    candidates: tuple[Candidate, ...]
    """Best first; equal scores in the order of the graph."""
    marked: bool = False
    """Whether the writer marked it: in [brackets] or quotation marks, or nothing but it."""


class _Hit(NamedTuple):
    """A name found in the tokens of a text."""

    first: int
    """Its first token."""
    last: int
    """The token behind its last."""
    key: int
    """The name's number."""
    marked: bool = False
    mass: float = 1.0
    """What its candidates share: below 1 where the spelling is only near."""


class _Text:
    """A text with its folded tokens, and what stands around them."""

    def __init__(self, text: str) -> None:
        self.text = text
        folded = fold(text)
        spans = token_spans(folded.text)
        self.words = [folded.text[start:end] for start, end in spans]
        bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
        self.starts: list[int] = folded.starts[bounds[:, 0]].tolist()
        """Where each token begins in the original."""
        self.ends: list[int] = folded.ends[bounds[:, 1] - 1].tolist()
        """Where it ends."""


class MentionIndex:
    """Finds the entities of a graph that a text names.

    It is built anew for a graph (about a minute for a million names) and not stored, because a
    stored automaton would have to be trusted blindly.

    Args:
        graph: The graph whose names and aliases count.
        config: Which names count; None for the defaults.

    Example:
        >>> from accord.graph.builder import GraphBuilder
        >>> builder = GraphBuilder("people")
        >>> builder.triple("jane_doe", "knows", "john_roe")
        >>> index = MentionIndex(builder.build())
        >>> [(m.text, m.start, m.candidates[0].entity) for m in index.find("Does JANE  Doe know?")]
        [('JANE  Doe', 5, 0)]
    """

    def __init__(self, graph: KnowledgeGraph, config: MentionConfig | None = None) -> None:
        self.config = config or MentionConfig()
        self.graph = graph
        self.table = build_name_table(graph, self.config)
        self._longest = int(self.table.words.max(initial=0))
        self._candidates = lru_cache(maxsize=1 << 16)(self._read_candidates)
        self._stop = frozenset(self.config.stop_words)
        fuzzy = self.config.fuzzy
        self._near = None if fuzzy is None else NearNames(self.table, fuzzy)

    def __len__(self) -> int:
        """How many different names it knows."""
        return len(self.table)

    def find(self, text: str) -> list[Mention]:
        """All mentions of a text, from left to right; they do not overlap.

        Args:
            text: A question, a sentence or a document.

        Returns:
            The mentions; of the names that begin at one place the longest.
        """
        return self._scan(text, 0, alone=True, final=True)[0]

    def find_overlapping(self, text: str) -> list[Mention]:
        """Mentions of a text that may overlap; none lies within another.

        Args:
            text: A question or a sentence.

        Returns:
            From left to right; of 'the Sea of Love' both 'the Sea' and 'Sea of Love'.
        """
        read, found, reach = _Text(text), list[_Hit](), 0
        for first, last, key in self._matches(read):
            marked = _is_marked(read, first, last, alone=True)
            if last > reach and self._counts(read, first, last, key, marked):
                found.append(_Hit(first, last, key, marked))
                reach = last
        return [self._mention(read, hit) for hit in found]

    def find_all(self, texts: Iterable[str]) -> list[list[Mention]]:
        """`find` for each of several texts."""
        return [self.find(text) for text in texts]

    def stream(self, pieces: Iterable[str]) -> Iterator[Mention]:
        """The mentions of a text that comes in pieces, cut anywhere.

        Memory is bounded by the largest piece; the result is what `find` gives for the whole.

        Args:
            pieces: The text's pieces in order.

        Yields:
            Mentions with offsets into the whole text.
        """
        rest, base, resume, alone = "", 0, 0, True
        last: tuple[str, bool] = ("", True)
        for piece, final in itertools.chain(((p, False) for p in pieces), [last]):
            text = rest + piece
            found, resume, cut = self._scan(text, resume, alone, final)
            for mention in found:
                yield replace(mention, start=mention.start + base, end=mention.end + base)
            alone = alone and not name_key(text[:cut])
            rest, base, resume = text[cut:], base + cut, resume - cut

    def _scan(
        self, text: str, resume: int, alone: bool, final: bool
    ) -> tuple[list[Mention], int, int]:
        """Mentions that begin at or after an offset and that later text cannot change.

        Args:
            text: The text so far.
            resume: The offset from which mentions may begin.
            alone: No word stands before the text.
            final: The text ends here.

        Returns:
            The mentions, the offset from which to resume, and the offset before which the text
            may be forgotten.
        """
        read = _Text(text)
        count = len(read.words)
        # Two tokens behind the longest name tell what stands around it; the last may be half read.
        horizon = count if final else count - self._longest - 2
        begin = next((t for t in range(count) if read.starts[t] >= resume), count)
        hits = self._exact(read, begin, horizon, alone and final)
        settled = max(begin, horizon, hits[-1].last if hits else 0)
        if self._near is not None:
            hits, settled = self._with_near(self._near, read, hits, begin, settled, final)
        found = [self._mention(read, hit) for hit in hits]
        # Two tokens, or what is left of one, tell what stands before the next mention.
        cut = read.starts[max(0, settled - 2)] if count else max(0, len(text) - 2)
        return found, max(cut, read.starts[settled] if settled < count else resume), cut

    def _exact(self, read: _Text, begin: int, horizon: int, alone: bool) -> list[_Hit]:
        """The longest names from left to right, begun at a token from `begin` up to `horizon`."""
        hits: list[_Hit] = []
        free = begin
        for first, last, key in self._matches(read):
            if first < free:
                continue
            if first >= horizon:
                break
            marked = _is_marked(read, first, last, alone)
            if self._counts(read, first, last, key, marked):
                hits.append(_Hit(first, last, key, marked))
                free = last
        return hits

    def _with_near(
        self,
        near: NearNames,
        read: _Text,
        exact: list[_Hit],
        begin: int,
        settled: int,
        final: bool,
    ) -> tuple[list[_Hit], int]:
        """Exact hits and near ones in the gaps between, and the token from which to resume."""
        reach = settled if final else settled - MOST_WORDS
        hits: list[_Hit] = []
        token = begin
        for stop, following in [*((hit.first, hit) for hit in exact), (settled, None)]:
            while token < min(stop, reach):
                found = self._near_at(near, read, token, stop)
                token = token + 1 if found is None else found.last
                hits += [] if found is None else [found]
            if stop > reach or following is None:
                break
            hits.append(following)
            token = following.last
        return hits, token

    def _near_at(self, near: NearNames, read: _Text, first: int, stop: int) -> _Hit | None:
        """The name most like the words from a token on, the longer of two that are equally so."""
        if not self._opens_name(read.words[first]):
            return None
        found: list[tuple[float, int, int]] = []
        for last in range(first + 1, min(first + MOST_WORDS, stop) + 1):
            if self._opens_name(read.words[last - 1]) and _stands_alone(read, first, last):
                best = near.best(" ".join(read.words[first:last]))
                found += [] if best is None else [(best[1], last, best[0])]
        if not found:
            return None
        mass, last, key = max(found)
        return _Hit(first, last, key, mass=mass)

    def _opens_name(self, word: str) -> bool:
        """Whether a misspelt name may begin or end with a word."""
        return word[0].isalnum() and word not in self._stop

    def _matches(self, read: _Text) -> Iterable[tuple[int, int, int]]:
        """(first token, token behind the last, name) of all names, the longest of a place first."""
        if self.table.automaton is None or not read.words:
            return []
        found = self.table.automaton.iter(f" {' '.join(read.words)} ")
        pairs = np.fromiter(itertools.chain.from_iterable(found), dtype=np.int64).reshape(-1, 2)
        lengths = np.fromiter(map(len, read.words), dtype=np.int64, count=len(read.words))
        places = np.cumsum(lengths + 1) - lengths
        keys = pairs[:, 1]
        first = np.searchsorted(places, pairs[:, 0] - self.table.letters[keys])
        size = self.table.words[keys]
        order = np.lexsort((-size, first))
        rows = (first[order], (first + size)[order], keys[order])
        return zip(*(row.tolist() for row in rows), strict=True)

    def _counts(self, read: _Text, first: int, last: int, key: int, marked: bool) -> bool:
        """Whether a name found in the tokens is a mention in the text."""
        if self.table.offsets[key] == self.table.offsets[key + 1] or not _stands_alone(
            read, first, last
        ):
            return False
        spellings = self.table.doubtful.get(key)
        return spellings is None or marked or _is_spelt_as_name(read, first, last, spellings)

    def _mention(self, read: _Text, hit: _Hit) -> Mention:
        start, end = read.starts[hit.first], read.ends[hit.last - 1]
        text = read.text[start:end]
        candidates = self._candidates(hit.key)
        # Small letters tell nothing unless the writer marked them: whole texts are written so.
        if len(candidates) > 1 and (hit.marked or text != text.lower()):
            candidates = self._by_spelling(candidates, text)
        if hit.mass < 1:
            candidates = tuple(replace(c, score=c.score * hit.mass) for c in candidates)
        return Mention(start, end, text, candidates, hit.marked)

    def _by_spelling(self, candidates: tuple[Candidate, ...], text: str) -> tuple[Candidate, ...]:
        """The candidates with those first that are spelt exactly so; their sum stays."""
        spelt = spaced(text)
        weights = [
            c.score * (self.config.spelling_weight if self._is_called(c.entity, spelt) else 1.0)
            for c in candidates
        ]
        share = sum(c.score for c in candidates) / sum(weights)
        pairs = zip(candidates, weights, strict=True)
        weighed = (replace(c, score=weight * share) for c, weight in pairs)
        return tuple(sorted(weighed, key=lambda c: (-c.score, c.entity)))

    def _is_called(self, entity: int, spelt: str) -> bool:
        names = (entity_name(self.graph, entity), *self.graph.aliases_of(entity))
        return any(spaced(name) == spelt for name in names)

    def _read_candidates(self, key: int) -> tuple[Candidate, ...]:
        """All that a name may stand for, best first."""
        rows = slice(int(self.table.offsets[key]), int(self.table.offsets[key + 1]))
        entities, scores = self.table.entities[rows].tolist(), self.table.scores[rows].tolist()
        return tuple(map(Candidate, entities, scores))


def _stands_alone(read: _Text, first: int, last: int) -> bool:
    """Whether a run of tokens is cut from nothing longer: an id, a number, a Korean word."""
    text, start, end = read.text, read.starts[first], read.ends[last - 1]
    if (first and read.ends[first - 1] > start) or (
        last < len(read.words) and read.starts[last] < end
    ):
        return False  # Part of one character, such as the 2 of a circled 12.
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:] == "_" and before[:-1].isalnum():
        return False
    if after[:1] == "_" and after[1:].isalnum():
        return False
    if before[-1:] in (".", ",") and before[:-1].isdigit() and text[start].isdigit():
        return False
    if after[:1] in (".", ",") and after[1:].isdigit() and text[end - 1].isdigit():
        return False
    # Korean particles follow a noun directly, but nothing stands directly before it.
    return not (
        first
        and read.ends[first - 1] == start
        and _HANGUL.match(read.words[first])
        and _HANGUL.match(read.words[first - 1])
    )


def _is_marked(read: _Text, first: int, last: int, alone: bool) -> bool:
    """Whether the writer says where the name begins and ends."""
    if alone and first == 0 and last == len(read.words):
        return True
    if first == 0 or last == len(read.words):
        return False
    opening = read.text[read.starts[first - 1]]
    return opening in BRACKETS and read.text[read.ends[last] - 1] == BRACKETS[opening]


def _is_spelt_as_name(read: _Text, first: int, last: int, spellings: frozenset[str]) -> bool:
    """Whether an ordinary word is spelt as the graph spells a name, and not by its place alone."""
    start, end = read.starts[first], read.ends[last - 1]
    if spaced(read.text[start:end]) not in spellings:
        return False
    opens = first == 0 or read.text[read.ends[first - 1] - 1] in SENTENCE_ENDS
    shown = first + 1 if opens else first
    return any(
        read.text[read.starts[token] : read.ends[token]] != read.words[token]
        for token in range(shown, last)
    )
