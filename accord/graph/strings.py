"""A table of strings in two arrays, so that millions open without being read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


class StringTable(Sequence[str]):
    """An immutable sequence of strings as UTF-8 bytes and offsets.

    Args:
        data: (bytes,) uint8, all strings one after the other.
        offsets: (N + 1,) int64, where each string begins and the last one ends.
    """

    def __init__(self, data: Bytes, offsets: Ints) -> None:
        self.data = data
        self.offsets = offsets
        # Views of memory: a memory-mapped array takes ten times longer to give one item.
        self._bytes, self._bounds = np.asarray(data).data, np.asarray(offsets).data

    def __reduce__(self) -> tuple[type[StringTable], tuple[Bytes, Ints]]:
        return StringTable, (self.data, self.offsets)

    @classmethod
    def of(cls, strings: Iterable[str]) -> StringTable:
        """Builds a table.

        Args:
            strings: Any strings; the empty string stands for 'none'.

        Returns:
            The table, in memory.
        """
        parts = list(strings)
        data = "".join(parts).encode("utf-8", "surrogatepass")
        if not data.isascii():  # a character is not a byte then
            encoded = [s.encode("utf-8", "surrogatepass") for s in parts]
            lengths = np.fromiter(map(len, encoded), dtype=np.int64)
        else:
            lengths = np.fromiter(map(len, parts), dtype=np.int64)
        offsets = np.zeros(len(parts) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(np.frombuffer(data, dtype=np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def raw(self, index: int) -> bytes:
        """The UTF-8 bytes of one string."""
        return bytes(self._bytes[self._bounds[index] : self._bounds[index + 1]])

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # int | slice
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = int(index)
        if position < 0:
            position += len(self)
        if not 0 <= position < len(self):
            raise IndexError(index)
        return self.raw(position).decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        blob = self.data.tobytes()
        bounds = self.offsets.tolist()
        for start, end in itertools.pairwise(bounds):
            yield blob[start:end].decode("utf-8", "surrogatepass")

    def sorted_order(self) -> Ints:
        """(N,) int64: the permutation that puts the strings in byte order."""
        blob = self.data.tobytes()
        keys = [blob[start:end] for start, end in itertools.pairwise(self.offsets.tolist())]
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)

    def find(self, value: str, order: npt.NDArray[np.integer]) -> int:
        """Looks a string up by binary search.

        Args:
            value: The string.
            order: What `sorted_order` gave for this table.

        Returns:
            Its index, or -1.
        """
        key, order = value.encode("utf-8", "surrogatepass"), np.asarray(order)
        low, high = 0, len(order)
        while low < high:
            middle = (low + high) // 2
            if self.raw(int(order[middle])) < key:
                low = middle + 1
            else:
                high = middle
        if low < len(order) and self.raw(int(order[low])) == key:
            return int(order[low])
        return -1

    def nonempty(self) -> npt.NDArray[np.bool_]:
        """(N,) bool: True where the string has at least one byte."""
        return np.diff(self.offsets) > 0
