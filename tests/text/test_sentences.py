"""Sentences of texts in pieces: nothing lost, no name divided."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.text.sentences import sentences


@given(
    st.lists(
        st.sampled_from(
            ["a. B", "J. R", "St. ", "\n", "。", " ", "x" * 30, "é́", "🙂", "! Ö", "c. "]
        ),
        max_size=60,
    ),
    st.integers(1, 70),
)
def test_sentences_keep_every_character_once(parts: list[str], size: int) -> None:
    text = "".join(parts)
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    found = list(sentences([text], 40))
    assert list(sentences(pieces, 40)) == found
    assert all(text[s.start : s.start + len(s.text)] == s.text for s in found)
    assert all(len(s.text) <= 40 for s in found)
    assert "".join("".join(s.text.split()) for s in found) == "".join(text.split())
    ends = [0, *(s.start + len(s.text) for s in found)]
    assert all(s.start >= end for s, end in zip(found, ends, strict=False))


def test_a_megabyte_without_a_line_end_is_cut_at_spaces() -> None:
    text = "word " * 200_000
    found = list(sentences(text[i : i + 65536] for i in range(0, len(text), 65536)))
    assert sum(s.text.count("word") for s in found) == 200_000
    assert max(len(s.text) for s in found) <= 600


def said(text: str) -> list[str]:
    return [sentence.text for sentence in sentences([text])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Who met Mrs. Poe. St. Ives is big.", ["Dr. Who met Mrs. Poe.", "St. Ives is big."]),
        ("He left the\nhouse. She\nstayed.", ["He left the\nhouse.", "She\nstayed."]),
        ("A title\n\nof two lines\nAnd text.", ["A title", "of two lines", "And text."]),
        ("- one\n- two", ["- one", "- two"]),
        ("Born on Nov. 7, 1867. No. 5 won.", ["Born on Nov. 7, 1867.", "No. 5 won."]),
        ("It was in Nov. The end.", ["It was in Nov.", "The end."]),
        ("In the USA. By J. Doe, U.S. Army.", ["In the USA.", "By J. Doe, U.S. Army."]),
        ("É. Zola (A. K. Roe) in 250 BC. So.", ["É. Zola (A. K. Roe) in 250 BC.", "So."]),
        ("أين؟ هنا۔ यहाँ। वहाँ", ["أين؟", "هنا۔", "यहाँ।", "वहाँ"]),
    ],
)  # fmt: skip
def test_titles_and_lines_of_a_paragraph_end_no_sentence(text: str, expected: list[str]) -> None:
    assert said(text) == expected


NAME = "Acme Inc. Ltd."


def places(text: str) -> Iterator[tuple[int, int]]:
    at = text.find(NAME)
    while at >= 0:
        yield at, at + len(NAME)
        at = text.find(NAME, at + 1)


def test_a_name_is_not_divided_by_its_stops_nor_by_the_greatest_length() -> None:
    text = f"It is {NAME} Here it ends. " + "x" * 30 + f" {NAME} made it."
    assert NAME not in " / ".join(s.text for s in sentences([text], 40))
    found = [s.text for s in sentences([text], 40, places)]
    assert " / ".join(found).count(NAME) == 2
    assert found[0] == f"It is {NAME}" and max(map(len, found)) <= 40
