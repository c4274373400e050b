"""Which tokens may come next when a model may write only what a graph has.

Where something is chosen is a *place*: one of the names that a step leads to, one of the relations
that go on from there. A place's texts are turned into tokens when writing first reaches it, so a
graph is never enumerated; what is kept of a place is its sorted token rows (4 bytes a token), and
a node of the trie is a range of them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import islice
from operator import ne
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from accord.text.collate import tokens

CHUNK = 4096
STATES = 8192
"""Written beginnings whose state is remembered."""
Int64 = npt.NDArray[np.int64]


class Option(NamedTuple):
    """One text that may be written at a place."""

    text: str
    then: Place | None
    """Where writing goes on; None where it may end. For both, give the text twice."""
    value: Hashable = None
    """What the text stands for: an entity idx, a step, a row of attributes."""


class Place(Protocol):
    """Where one of several texts is written; equal places have equal options."""

    @property
    def join(self) -> str:
        """What is written between several choices of this place; empty for one choice only."""

    def options(self) -> Iterable[Option]:
        """The texts; those of no token are left out."""

    def __hash__(self) -> int: ...


class _Spot:
    """A place whose hash is taken once: that of a place of many names takes as long as they do."""

    __slots__ = ("_hash", "place")

    def __init__(self, place: Place) -> None:
        self.place = place
        self._hash = hash(place)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Spot) and self.place == other.place


class _Rows:
    """A place's texts as sorted rows of token ids; equal rows are one."""

    def __init__(self, place: Place, tokenizer: Any) -> None:
        keys: list[bytes] = []
        self.follow: list[_Spot | None] = []
        number: dict[Place | None, int] = {}
        after = array("i")
        for option, ids in _encoded(place.options(), tokenizer):
            if option.then not in number:
                number[option.then] = len(self.follow)
                self.follow.append(None if option.then is None else _Spot(option.then))
            after.append(number[option.then])
            keys.append(np.array(ids, dtype=">u4").tobytes())
        self.after = np.array(after, dtype=np.int32)
        self._order(keys)

    def _order(self, keys: list[bytes]) -> None:
        """Sorts rows; of a million, what is not needed any more must not stay beside the rest."""
        order = sorted(range(len(keys)), key=keys.__getitem__)
        self.options = np.array(order, dtype=np.int32)
        keys[:] = [keys[i] for i in order]
        del order
        new = np.ones(len(keys), dtype=np.bool_)
        new[1:] = np.fromiter(map(ne, keys, islice(keys, 1, None)), np.bool_)
        self.first = np.append(np.flatnonzero(new), len(keys))
        """Where the options of each row begin in `options`."""
        sizes = np.fromiter(map(len, keys), np.int64, len(keys)) // 4
        self.begin = (np.cumsum(sizes) - sizes)[new]
        self.length = sizes[new].astype(np.int32)
        self.ids = np.frombuffer(b"".join(keys), dtype=">u4").astype(np.int32)

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def size(self) -> int:
        """Bytes of its arrays."""
        arrays = (self.options, self.first, self.begin, self.length, self.ids, self.after)
        return sum(part.nbytes for part in arrays)

    def token(self, row: int, depth: int) -> int:
        """The row's token at a depth; -1 behind its end."""
        return int(self.ids[self.begin[row] + depth]) if depth < self.length[row] else -1

    def within(self, low: int, high: int, depth: int) -> Int64:
        """The different tokens at a depth of rows that begin alike."""
        # Sorted rows: only the first can end here, and equal tokens are neighbours.
        low += low < high and int(self.length[low]) == depth
        found = self.ids[self.begin[low:high] + depth].astype(np.int64)
        new = np.ones(len(found), dtype=np.bool_)
        new[1:] = found[1:] != found[:-1]
        different: Int64 = found[new]
        return different

    def narrow(self, low: int, high: int, depth: int, token: int) -> tuple[int, int]:
        """The rows of a range that go on with a token."""
        rows = range(low, high)

        def at(row: int) -> int:
            return self.token(row, depth)

        return low + bisect_left(rows, token, key=at), low + bisect_right(rows, token, key=at)

    def thens(self, row: int) -> list[_Spot | None]:
        """Where writing may go on behind a row."""
        chosen = self.options[self.first[row] : self.first[row + 1]]
        return [self.follow[i] for i in dict.fromkeys(self.after[chosen].tolist())]


class _At(NamedTuple):
    """A node: rows of a place that begin as what was written of it."""

    spot: _Spot
    used: tuple[int, ...]
    """Rows of the place that were chosen before, which may not be chosen again."""
    joining: int
    """Tokens of the join still to come; 0 inside a text."""
    low: int
    high: int
    depth: int
    trail: tuple[Any, ...]
    """The choices before, newest first: (spot, row, the choices before that)."""


class TokenTrie:
    """The token sequences that a graph allows, from a place on.

    Its state is a function of the tokens written so far and nothing else, so that it serves beams
    and batches alike.

    Args:
        start: Where writing begins.
        tokenizer: Of the model that writes; any.
        end: The token that ends a text.
        memory: Bytes of rows kept at most; what was used longest ago is forgotten and made again
            when it is met again.
    """

    def __init__(self, start: Place, tokenizer: Any, end: int, memory: int = 150_000_000) -> None:
        self.end = end
        self._start = _Spot(start)
        self._tokenizer = tokenizer
        self._memory = memory
        self._rows: OrderedDict[_Spot, _Rows] = OrderedDict()
        self._joins: dict[str, tuple[int, ...]] = {}
        self._states: OrderedDict[tuple[int, ...], tuple[_At, ...]] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes of the rows that it keeps."""
        return sum(rows.size for rows in self._rows.values())

    def allowed(self, written: Sequence[int]) -> Int64:
        """The tokens that may come next.

        Args:
            written: Token ids so far.

        Returns:
            (n,) sorted token ids; the end token alone where nothing may follow: behind a text that
            is complete or ended, and where what was written is none of the graph's.
        """
        nodes = self._nodes(tuple(written))
        found = [self._tokens(node) for node in nodes]
        if any(self._may_end(node) for node in nodes) or not any(len(part) for part in found):
            found.append(np.array([self.end], dtype=np.int64))
        return np.unique(np.concatenate(found))

    def complete(self, written: Sequence[int]) -> bool:
        """Whether tokens, with or without the end token, are a whole text of the graph."""
        return bool(self.read(written))

    def read(self, written: Sequence[int]) -> list[tuple[Option, ...]]:
        """What tokens stand for.

        Args:
            written: Token ids, with or without the end token and what follows it.

        Returns:
            Every way to choose options that is written so: several where a name has several
            entities; none where the tokens are no whole text.
        """
        ids = list(written)
        body = ids[: ids.index(self.end)] if self.end in ids else ids
        ways: list[tuple[Option, ...]] = []
        for node in self._nodes(tuple(body)):
            if self._may_end(node):
                ways += self._ways((node.spot, node.low, node.trail), None)
        return list(dict.fromkeys(ways))

    def _ways(self, trail: tuple[Any, ...], then: _Spot | None) -> list[tuple[Option, ...]]:
        if not trail:
            return [()]
        spot, row, before = trail
        rows = self._rows_of(spot)
        wanted = set(rows.options[rows.first[row] : rows.first[row + 1]].tolist())
        kept = (o for o, _ in _encoded(spot.place.options(), self._tokenizer))
        last = max(wanted) + 1
        options = [o for i, o in enumerate(islice(kept, last)) if i in wanted]
        # Behind a join the same place goes on, and each choice there could have been the last.
        again = then is not None and then == spot and bool(spot.place.join)
        goal = None if then is None else then.place
        options = [o for o in options if o.then == goal or (again and o.then is None)]
        return [(*way, o) for o in options for way in self._ways(before, spot)]

    def _nodes(self, written: tuple[int, ...]) -> tuple[_At, ...]:
        known = len(written)
        while known and written[:known] not in self._states:
            known -= 1
        nodes = self._states[written[:known]] if known else self._enter(self._start, (), ())
        for size in range(known + 1, len(written) + 1):
            nodes = tuple(n for node in nodes for n in self._step(node, written[size - 1]))
            self._states[written[:size]] = nodes
            if len(self._states) > STATES:
                self._states.popitem(last=False)
        return nodes

    def _enter(self, spot: _Spot, used: tuple[int, ...], trail: tuple[Any, ...]) -> tuple[_At, ...]:
        count = len(self._rows_of(spot))
        return (_At(spot, used, 0, 0, count, 0, trail),) if count > len(used) else ()

    def _step(self, node: _At, token: int) -> Iterator[_At]:
        """The nodes that a token leads to: deeper in the same text, or into what follows it."""
        if node.joining:
            yield from self._joined(node, token)
            return
        rows = self._rows_of(node.spot)
        low, high = rows.narrow(node.low, node.high, node.depth, token)
        if high - low > _between(node.used, low, high):
            yield node._replace(low=low, high=high, depth=node.depth + 1)
        for after in self._behind(node):
            yield from self._step(after, token)

    def _joined(self, node: _At, token: int) -> Iterator[_At]:
        join = self._join(node.spot)
        if join[-node.joining] == token:
            yield node._replace(joining=node.joining - 1)

    def _behind(self, node: _At) -> Iterator[_At]:
        """Where writing may go on behind the text that a node completes."""
        rows = self._rows_of(node.spot)
        row = self._completed(node)
        if row is None:
            return
        trail = (node.spot, row, node.trail)
        for then in rows.thens(row):
            if then is not None:
                yield from self._enter(then, (), trail)
            elif node.spot.place.join and len(rows) > len(node.used) + 1:
                used = tuple(sorted((*node.used, row)))
                join = len(self._join(node.spot))
                yield _At(node.spot, used, join, 0, len(rows), 0, trail)

    def _completed(self, node: _At) -> int | None:
        if node.joining or node.depth == 0 or node.low in node.used:
            return None
        whole = self._rows_of(node.spot).length[node.low] == node.depth
        return node.low if whole else None

    def _may_end(self, node: _At) -> bool:
        row = self._completed(node)
        return row is not None and None in self._rows_of(node.spot).thens(row)

    def _tokens(self, node: _At) -> Int64:
        if node.joining:
            return np.array([self._join(node.spot)[-node.joining]], dtype=np.int64)
        rows = self._rows_of(node.spot)
        here = rows.within(node.low, node.high, node.depth)
        here = here[~np.isin(here, self._used_up(node))] if node.used else here
        return np.concatenate([here, *(self._tokens(after) for after in self._behind(node))])

    def _used_up(self, node: _At) -> list[int]:
        """Tokens behind which all rows were chosen before."""
        rows, used = self._rows_of(node.spot), node.used
        inside = used[bisect_left(used, node.low) : bisect_left(used, node.high)]
        found = []
        for token in {rows.token(row, node.depth) for row in inside}:
            low, high = rows.narrow(node.low, node.high, node.depth, token)
            if high - low == _between(used, low, high):
                found.append(token)
        return found

    def _join(self, spot: _Spot) -> tuple[int, ...]:
        join = spot.place.join
        if join not in self._joins:
            self._joins[join] = tokens(self._tokenizer, join)
        return self._joins[join]

    def _rows_of(self, spot: _Spot) -> _Rows:
        found = self._rows.get(spot)
        if found is None:
            found = self._rows[spot] = _Rows(spot.place, self._tokenizer)
            while self.size > self._memory and len(self._rows) > 1:
                self._rows.popitem(last=False)
        self._rows.move_to_end(spot)
        return found


def _encoded(options: Iterable[Option], tokenizer: Any) -> Iterator[tuple[Option, list[int]]]:
    """Options with their token ids, a chunk at a time; those of no token are left out."""
    left = iter(options)
    while chunk := list(islice(left, CHUNK)):
        found = tokenizer([option.text for option in chunk], add_special_tokens=False)["input_ids"]
        yield from ((o, ids) for o, ids in zip(chunk, found, strict=True) if ids)


def _between(used: tuple[int, ...], low: int, high: int) -> int:
    return bisect_left(used, high) - bisect_left(used, low)
