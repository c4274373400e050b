"""Which tokens see which entities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import BertNormalizer, Prepend, Replace, Sequence
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import PreTrainedTokenizerFast

from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.text.slots import (
    FOREVER,
    MENTIONED,
    NEIGHBOUR,
    Neighbours,
    Slot,
    SlotBatch,
    SlotFinder,
    SlotRules,
    as_read,
    decoded,
    shared_slots,
)
from tests.conftest import build_tiny_graph, build_tiny_tokenizer

TOKENIZER = build_tiny_tokenizer()
GRAPH = build_tiny_graph()
CAUSAL = SlotFinder(GRAPH, TOKENIZER, SlotRules(True, 5, 0, 1))


def ids_of(text: str) -> tuple[int, ...]:
    return tuple(TOKENIZER(text)["input_ids"])


def seen_from(text: str) -> dict[str, int]:
    """Entity id -> the first token that sees it."""
    return {GRAPH.entity_ids[s.entity]: s.start for s in CAUSAL.of_ids(ids_of(text))}


@pytest.mark.parametrize("text", ["Osaka", "in Osaka and", "東京 by Örebro", "a\u00adb Örebro!"])
def test_a_token_sees_a_mention_only_behind_its_last_token(text: str) -> None:
    slots = CAUSAL.of_ids(ids_of(text))
    assert slots
    for slot in slots:
        before = TOKENIZER.decode(ids_of(text)[: slot.start])
        found = CAUSAL.index.find(before)
        assert slot.entity in {c.entity for m in found for c in m.candidates}
        shorter = TOKENIZER.decode(ids_of(text)[: slot.start - 1])
        assert slot.entity not in {
            c.entity for m in CAUSAL.index.find(shorter) for c in m.candidates
        }
        assert slot.stop == slot.start + 5


def test_names_are_found_as_an_uncased_tokenizer_gives_them_back() -> None:
    words = ["[UNK]", "munchen", "lies", "near", "orebro", "東", "京"]
    uncased = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, "[UNK]")),
        unk_token="[UNK]",
    )
    uncased.backend_tokenizer.normalizer = BertNormalizer(lowercase=True)
    uncased.backend_tokenizer.pre_tokenizer = BertPreTokenizer()
    builder = GraphBuilder("accents")
    builder.entity("munich", "München")
    builder.entity("orebro", "Örebro", aliases=["東京"])
    builder.triple("munich", "near", "orebro")
    graph = builder.build()
    finder = SlotFinder(graph, uncased, SlotRules(False, 4, 0, 1))
    ids = tuple(uncased("MÜNCHEN lies near Örebro 東京", add_special_tokens=False)["input_ids"])
    assert len(ids) == 6 and 0 not in ids
    found = [graph.entity_ids[slot.entity] for slot in finder.of_ids(ids)]
    assert found == ["munich", "orebro", "orebro"]
    assert list(graph.entity_names) == ["München", "Örebro"]
    uncased.backend_tokenizer.normalizer = Sequence([Prepend("▁"), Replace(" ", "▁")])
    assert list(as_read(graph, uncased).entity_names) == ["München", "Örebro"]


def test_an_encoder_sees_on_either_side_and_no_special_token_is_a_mention() -> None:
    finder = SlotFinder(GRAPH, TOKENIZER, SlotRules(False, 2, 0, 1))
    # [CLS] then one token a word.
    text = "we saw Osaka there then"
    offsets = [(0, 0), (0, 2), (3, 6), (7, 12), (13, 18), (19, 23), (0, 0)]
    assert finder.of_text(text, offsets) == (Slot(2, 1, 6, 1.0, MENTIONED),)


def test_neighbours_come_from_train_only_without_the_entity_itself() -> None:
    around = Neighbours(GRAPH, 10)
    named = {GRAPH.entity_ids[e]: {GRAPH.entity_ids[o] for o in around.of(e)} for e in range(8)}
    assert named["japan"] == {"tokyo", "osaka"}
    assert named["osaka"] == {"japan"}  # nemo loves osaka in valid
    assert named["narcissus"] == {"nemo"}  # and himself
    assert Neighbours(GRAPH, 1).of(GRAPH.entity("japan")) == around.of(GRAPH.entity("japan"))[:1]
    assert Neighbours(GRAPH, 0).of(0) == ()


def test_neighbours_of_a_hub_are_the_first_ones_and_not_all_are_read() -> None:
    builder = GraphBuilder("hub")
    for i in range(500):
        builder.triple("hub", "has", f"leaf{i:03}")
    graph = builder.build()
    read: list[int] = []
    around = Neighbours(graph, 3)
    blocks = around._edges

    def counted(entity: int) -> Any:
        for rows, column in blocks(entity):
            read.append(len(rows))
            yield rows, column

    around._edges = counted  # type: ignore[method-assign]
    found = around.of(graph.entity("hub"))
    assert [graph.entity_ids[e] for e in found] == ["leaf000", "leaf001", "leaf002"]
    assert sum(read) <= 48


def test_mentions_bring_their_neighbours_and_all_candidates_asked_for() -> None:
    builder = GraphBuilder("two")
    builder.entity("p1", "Paris")
    builder.entity("p2", "Paris")
    builder.triple("p1", "in", "france")
    builder.triple("p1", "seat of", "unesco")
    graph = builder.build()
    finder = SlotFinder(graph, TOKENIZER, SlotRules(True, 9, 1, 2))
    slots = finder.of_ids(ids_of("in Paris now"))
    kinds = [(graph.entity_ids[s.entity], s.kind) for s in slots]
    assert kinds == [("p1", MENTIONED), ("france", NEIGHBOUR), ("p2", MENTIONED)]
    assert slots[0].weight == slots[1].weight > slots[2].weight > 0
    assert sum(s.weight for s in slots if s.kind == MENTIONED) == pytest.approx(1)


@given(st.lists(st.text(alphabet="aJ apnOosk日本東é🙂\u0301", max_size=6), max_size=6))
def test_tokens_cover_the_text_however_it_was_cut(parts: list[str]) -> None:
    ids = tuple(t for part in parts for t in TOKENIZER(part)["input_ids"])
    text, offsets = decoded(TOKENIZER, ids)
    assert len(offsets) == len(ids)
    assert [b for _, b in offsets] == sorted(b for _, b in offsets)
    assert all(0 <= a <= b <= len(text) for a, b in offsets)
    covered = {i for a, b in offsets for i in range(a, b)}
    assert covered == set(range(len(text)))


def test_pieces_cut_apart_are_found_where_they_stand() -> None:
    # Cut inside a word, so that the tokenizer would cut the whole otherwise.
    ids = (*ids_of("Os"), *ids_of("a"), *ids_of("ka is"))
    assert ids != ids_of("Osaka is")
    (slot,) = CAUSAL.of_ids(ids)
    assert GRAPH.entity_ids[slot.entity] == "osaka"
    assert TOKENIZER.decode(ids[: slot.start]) == "Osaka"


def test_a_batch_pads_and_keeps_each_text() -> None:
    one, two = Slot(3, 1, 9, 0.5, MENTIONED), Slot(4, 2, 8, 1.0, NEIGHBOUR)
    batch = SlotBatch.of([(), (one, two), (two,)])
    np.testing.assert_array_equal(batch.entities, [[-1, -1], [3, 4], [4, -1]])
    np.testing.assert_array_equal(batch.kinds, [[0, 0], [1, 2], [2, 0]])
    np.testing.assert_array_equal(batch.weights, [[1, 1], [0.5, 1], [1, 1]])
    assert batch.open_from.tolist() == [FOREVER] * 3
    assert SlotBatch.of([()]).entities.shape == (1, 0)


def test_texts_share_a_beginning_only_where_it_sees_the_same(tiny_graph: KnowledgeGraph) -> None:
    start = "Osaka is a city "
    count = len(ids_of(start))
    alike = [CAUSAL.of_ids(ids_of(start + end)) for end in ("of Japan now", "of Sweden now")]
    assert shared_slots(alike, count)
    other = [CAUSAL.of_ids(ids_of("Japan is it")), CAUSAL.of_ids(ids_of("Sweden is it"))]
    assert not shared_slots(other, 30)
