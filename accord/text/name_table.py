"""Which entities each folded name stands for, with scores: the table behind mention search."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from accord.graph.graph import KnowledgeGraph
from accord.progress import track
from accord.text.folding import name_key, spaced
from accord.text.render import entity_name

if TYPE_CHECKING:
    from accord.text.mentions import MentionConfig

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
REPORT_EVERY = 4096


@dataclass(frozen=True)
class NameTable:
    """Names as keys of an automaton, and each one's candidates.

    Names are numbered in the order in which the graph has them first.
    """

    automaton: Any
    """Aho-Corasick over the folded names, a space before and after each; None for no names."""
    letters: Int64
    """(K,) characters of each folded name."""
    words: Int64
    """(K,) tokens of each."""
    offsets: Int64
    """(K + 1,) where each name's candidates begin."""
    entities: npt.NDArray[np.int32]
    """(C,) entity idx of each candidate, the best of a name first."""
    scores: Float64
    """(C,) share of each candidate; a name's sum to at most 1."""
    doubtful: dict[int, frozenset[str]]
    """Names that are ordinary words too, and how the graph spells them."""

    def __len__(self) -> int:
        return len(self.letters)


@dataclass
class _Pairs:
    """Names and their owners while they are gathered, in compact arrays."""

    automaton: Any
    letters: array[int] = field(default_factory=lambda: array("q"))
    words: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("q"))
    entities: array[int] = field(default_factory=lambda: array("q"))
    alias: array[int] = field(default_factory=lambda: array("q"))
    spellings: dict[int, set[str]] = field(default_factory=dict)


def build_name_table(graph: KnowledgeGraph, config: MentionConfig) -> NameTable:
    """Gathers all names and aliases of a graph.

    Args:
        graph: The graph; entities without a name are called by their id's words.
        config: Weights and which names are doubtful.

    Returns:
        The table, ready to search.
    """
    import ahocorasick

    pairs = _Pairs(ahocorasick.Automaton(ahocorasick.STORE_INTS))
    stop = frozenset(config.stop_words)
    with track("reading names", graph.num_entities + len(graph.aliases), "names") as advance:
        for place, (entity, alias, name) in enumerate(_all_names(graph), 1):
            _add(pairs, entity, alias, name, config.min_length, stop)
            if place % REPORT_EVERY == 0:
                advance(REPORT_EVERY)
    if pairs.letters:
        pairs.automaton.make_automaton()
    return _table(pairs, graph, config)


def _all_names(graph: KnowledgeGraph) -> Iterator[tuple[int, int, str]]:
    """(entity, 1 for an alias, name), all names before all aliases."""
    for entity, name in enumerate(graph.entity_names):
        yield entity, 0, name or entity_name(graph, entity)
    owners = np.repeat(np.arange(graph.num_entities), np.diff(graph.alias_offsets)).tolist()
    for entity, alias in zip(owners, graph.aliases, strict=True):
        yield entity, 1, alias


def _add(
    pairs: _Pairs, entity: int, alias: int, name: str, min_length: int, stop: frozenset[str]
) -> None:
    """Adds one name of an entity; a name without a visible character is none."""
    key = name_key(name)
    if not key:
        return
    number = _number(pairs, key)
    pairs.keys.append(number)
    pairs.entities.append(entity)
    pairs.alias.append(alias)
    if _is_doubtful(key, min_length, stop):
        pairs.spellings.setdefault(number, set()).add(spaced(name))


def _number(pairs: _Pairs, key: str) -> int:
    """The number of a name; a new one is added."""
    found: int = pairs.automaton.get(f" {key} ", -1)
    if found >= 0:
        return found
    pairs.automaton.add_word(f" {key} ", len(pairs.letters))
    pairs.letters.append(len(key))
    pairs.words.append(key.count(" ") + 1)
    return len(pairs.letters) - 1


def _is_doubtful(key: str, min_length: int, stop: frozenset[str]) -> bool:
    words = [word for word in key.split(" ") if any(c.isalnum() for c in word)]
    return sum(map(len, words)) < min_length or all(word in stop for word in words)


def _table(pairs: _Pairs, graph: KnowledgeGraph, config: MentionConfig) -> NameTable:
    columns = (pairs.keys, pairs.entities, pairs.alias)
    keys, entities, alias = (np.array(column, dtype=np.int64) for column in columns)
    order = np.lexsort((alias, entities, keys))
    keys, entities, alias = keys[order], entities[order], alias[order]
    # An entity may have a name twice: as its name, which comes first, and as an alias.
    fresh = np.ones(len(keys), dtype=bool)
    fresh[1:] = (np.diff(keys) != 0) | (np.diff(entities) != 0)
    keys, entities, alias = keys[fresh], entities[fresh], alias[fresh]
    scores = _scores(graph, config, keys, entities, alias, len(pairs.letters))
    order = np.lexsort((entities, -scores, keys))
    keys, entities, scores = keys[order], entities[order], scores[order]
    keep = _kept(keys, len(pairs.letters), config)
    keys, entities, scores = keys[keep], entities[keep], scores[keep]
    return NameTable(
        pairs.automaton if pairs.letters else None,
        np.array(pairs.letters, dtype=np.int64),
        np.array(pairs.words, dtype=np.int64),
        np.searchsorted(keys, np.arange(len(pairs.letters) + 1)).astype(np.int64),
        entities.astype(np.int32),
        scores,
        {number: frozenset(names) for number, names in pairs.spellings.items()},
    )


def _scores(
    graph: KnowledgeGraph,
    config: MentionConfig,
    keys: Int64,
    entities: Int64,
    alias: Int64,
    count: int,
) -> Float64:
    """(C,) a candidate's weight by kind of name and degree, as a share of its name's sum."""
    train = graph.triples_of("train")
    degree = np.bincount(train[:, [0, 2]].reshape(-1), minlength=graph.num_entities)
    weight = np.where(alias == 1, config.alias_weight, 1.0)
    weight = weight * (1.0 + degree[entities]) ** config.degree_power
    shares: Float64 = weight / np.bincount(keys, weight, minlength=count)[keys]
    return shares


def _kept(keys: Int64, count: int, config: MentionConfig) -> npt.NDArray[np.bool_]:
    """(C,) True for candidates within the limits; `keys` is sorted, best candidates first."""
    owners = np.bincount(keys, minlength=count)
    place = np.arange(len(keys)) - (np.cumsum(owners) - owners)[keys]
    keep: npt.NDArray[np.bool_] = np.ones(len(keys), dtype=bool)
    if config.max_owners is not None:
        keep &= owners[keys] <= config.max_owners
    if config.max_candidates is not None:
        keep &= place < config.max_candidates
    return keep
