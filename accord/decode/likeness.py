"""How alike words are: by their letters, and by a language model's own embedding table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from accord.decode.ranking import word_pieces
from accord.decode.schema import Schema
from accord.text.function_words import FUNCTION_WORDS
from accord.text.render import humanise, relation_text

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel

Float32 = npt.NDArray[np.float32]
WORD = re.compile(r"[^\W\d_]{2,}")
COMMON = 8
"""Directions in which an embedding table varies most, which tell how frequent words are."""
WIDTH = 128
"""Directions that are kept of the rest."""
FLOOR = 0.25
"""Likeness that words have by chance; it counts as none."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Unit vectors of words."""

    words: tuple[str, ...]
    vectors: Float32
    """(V, D)"""
    _place: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        place = {word: i for i, word in enumerate(self.words)}
        object.__setattr__(self, "_place", place)

    def of(self, word: str) -> Float32 | None:
        """(D,) the vector of a word; None for one that has none."""
        place = self._place.get(word)
        return None if place is None else self.vectors[place]


def word_vectors(model: KnowledgeModel) -> WordVectors:
    """Vectors of the words that are one token of a model each, from its embedding table.

    What all words share and the directions in which they vary most are taken away: these tell
    frequency and not meaning.

    Args:
        model: Any model with a table of token embeddings.

    Returns:
        The vectors, 128 numbers a word.
    """
    rows: dict[str, int] = {}
    tokenizer = model.tokenizer
    for token, number in sorted(tokenizer.get_vocab().items()):
        text = str(tokenizer.convert_tokens_to_string([token]))
        if WORD.fullmatch(text.strip()) and not token.startswith("##"):
            # A word after a blank, in small letters, is put before its other forms.
            plain = text.startswith(" ") and text.strip().islower()
            if plain or text.strip().casefold() not in rows:
                rows[text.strip().casefold()] = number
    lm: Any = model.lm
    table = lm.get_input_embeddings().weight.detach()[list(rows.values())]
    found = table.float().cpu().numpy()
    found = found - found.mean(axis=0)
    spread = np.linalg.eigh(found.T @ found)[1][:, ::-1]
    found = found @ spread[:, COMMON : COMMON + WIDTH]
    found /= np.linalg.norm(found, axis=1, keepdims=True) + 1e-9
    return WordVectors(tuple(rows), found.astype(np.float32))


class Likeness:
    """How like words are to the steps of one graph.

    Args:
        schema: The graph's steps.
        vectors: Vectors of words; None compares letters alone.
    """

    def __init__(self, schema: Schema, vectors: WordVectors | None = None) -> None:
        self._vectors = vectors
        self._steps = [_words_of(schema, step) for step in range(len(schema))]
        every = sorted({word for step in self._steps for word in step})
        place = {word: i for i, word in enumerate(every)}
        self._places = [[place[word] for word in step] for step in self._steps]
        self._pieces = [word_pieces(word) for word in every]
        self._known = [vectors.of(word) if vectors else None for word in every]
        self.of = lru_cache(maxsize=1 << 14)(self._of)

    def _of(self, word: str) -> Float32:
        """(S,) from 0 to 1, of the likest word of each step."""
        if word in FUNCTION_WORDS or not self._pieces:
            return np.zeros(len(self._steps), dtype=np.float32)
        alike = np.maximum(self._by_letters(word), self._by_vectors(word))
        alike = np.maximum(0, (alike - FLOOR) / (1 - FLOOR))
        found = [alike[places].max() if places else 0.0 for places in self._places]
        return np.array(found, dtype=np.float32)

    def _by_letters(self, word: str) -> Float32:
        mine = word_pieces(word)
        shared = (2 * len(mine & other) / max(1, len(mine) + len(other)) for other in self._pieces)
        return np.fromiter(shared, dtype=np.float32)

    def _by_vectors(self, word: str) -> Float32:
        mine = self._vectors.of(word) if self._vectors else None
        if mine is None:
            return np.zeros(len(self._known), dtype=np.float32)
        return np.array([0.0 if v is None else mine @ v for v in self._known], dtype=np.float32)


def _words_of(schema: Schema, step: int) -> Sequence[str]:
    """The content words by which a step is known: its phrases both ways, and its id."""
    graph, texts = schema.graph, [schema.texts[step]]
    if not schema.is_property(step):
        for number in schema.steps[step]:
            turned = (number + graph.num_relations) % (2 * graph.num_relations)
            texts += [relation_text(graph, turned)]
            texts += [humanise(graph.relation_ids[number % graph.num_relations])]
    found = (word for text in texts for word in re.findall(r"\w+", text.casefold()))
    return sorted({word for word in found if word not in FUNCTION_WORDS and word != "inverse"})
