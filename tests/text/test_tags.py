"""Words and tags: what is tagged is read back, and no mention is inside without a beginning."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.text.examples import LabelledSpan, MentionExample
from accord.text.span_tokens import around, span_tokens, windows
from accord.text.tags import best_tags, found_spans, readable, span_tags, words_of
from tests.conftest import build_tiny_tokenizer

KINDS = ("LOC", "PER")


@given(st.text(max_size=40))
def test_words_are_apart_and_in_order(text: str) -> None:
    words = words_of(text)
    assert all(0 <= w.start < w.end <= len(text) for w in words)
    assert all(a.end <= b.start for a, b in itertools.pairwise(words))
    assert bool(words) or not any(c.isalnum() for c in text)


@given(st.data())
def test_spans_come_back_from_their_tags(data: st.DataObject) -> None:
    text = "Ōsaka 🙂 e\u0301t 東京 U.S. (Nippon) and so on"
    words = words_of(text)
    cuts = data.draw(st.lists(st.integers(0, len(words)), unique=True, max_size=8).map(sorted))
    spans = [
        LabelledSpan(words[a].start, words[b - 1].end, data.draw(st.sampled_from(KINDS)))
        for a, b in itertools.pairwise(cuts)
        if data.draw(st.booleans())
    ]
    tags = span_tags(words, spans, KINDS)
    scores = np.full((len(words), 5), -9.0, dtype=np.float32)
    scores[np.arange(len(words)), tags] = 0.0
    found = found_spans(words, scores, KINDS)
    assert [(s.start, s.end, s.kind) for s in found] == [(s.start, s.end, s.kind) for s in spans]
    assert all(s.probability == 1.0 for s in found)


@given(st.integers(0, 2**32 - 1))
def test_best_tags_are_the_best_of_all_that_are_allowed(seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(4, 5)).astype(np.float32)

    def allowed(tags: tuple[int, ...]) -> bool:
        pairs = zip((0, *tags), tags, strict=False)
        return all(b == 0 or b % 2 or a in (b - 1, b) for a, b in pairs)

    every = [t for t in itertools.product(range(5), repeat=4) if allowed(t)]
    best = max(every, key=lambda t: float(scores[np.arange(4), list(t)].sum()))
    assert tuple(best_tags(scores).tolist()) == best


def test_overlapping_mentions_the_longest_counts() -> None:
    text = "New York City Hall"
    spans = [LabelledSpan(0, 8, "LOC"), LabelledSpan(0, 18, "PER"), LabelledSpan(4, 13, "LOC")]
    assert span_tags(words_of(text), spans, KINDS).tolist() == [3, 4, 4, 4]
    assert span_tags(words_of(text), spans, ("LOC",)).tolist() == [0, 1, 2, 0]


def test_long_texts_are_read_by_sentences_with_their_offsets() -> None:
    text = "Osaka lies in Japan. " * 40
    at = text.index("Osaka", 300)
    pieces = readable(MentionExample(text, (LabelledSpan(at, at + 5, "LOC"),), "", ("LOC",)))
    assert len(pieces) == 40 and all(text[o : o + len(p.text)] == p.text for o, p in pieces)
    (where,) = [(o, p) for o, p in pieces if p.spans]
    assert where[0] + where[1].spans[0].start == at and where[1].kinds == ("LOC",)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("limit", [0, 12, 31])
def test_windows_hold_every_word_with_its_own_tokens(twice: bool, limit: int) -> None:
    text = "Osaka lies in Japan, and 東京 is a city " * 3
    words = words_of(text)
    whole = span_tokens(build_tiny_tokenizer(), text, words, twice)
    shift = len(whole.sequence[0]) + 1 if twice else 0
    flat = [t for segment in whole.sequence for t in segment]
    seen: list[int] = []
    parts = [(range(rows.start, rows.stop), part) for rows, part in windows(whole, limit)]
    parts += [(range(i, i + 1), around(whole, i, limit)) for i in range(len(words))]
    for rows, part in parts:
        own = [t for segment in part.sequence for t in segment]
        assert not limit or len(own) <= limit
        for row, (first, last) in zip(rows, part.places.tolist(), strict=True):
            a, b = whole.places[row].tolist()
            assert own[first : last + 1] == flat[a : b + 1]
            assert not twice or first > len(part.sequence[0])
        seen += rows
    assert seen == [*range(len(words))] * 2 and shift >= 0
