"""The token trie: everything that it allows is the graph's, and nothing of the graph is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.decode.places import Literals, Names, Walk
from accord.decode.trie import Option, TokenTrie
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.text.collate import tokens
from tests.conftest import build_tiny_graph, build_tiny_tokenizer

TOKENIZER = build_tiny_tokenizer()
END = int(TOKENIZER.eos_token_id)


@dataclass(frozen=True)
class Texts:
    """Texts that end."""

    texts: tuple[str, ...]
    join: str = ""

    def options(self) -> list[Option]:
        return [Option(text, None, i) for i, text in enumerate(self.texts)]


def spelt(text: str) -> list[int]:
    return list(tokens(TOKENIZER, text))


def joined(texts: list[str], join: str) -> list[int]:
    """The tokens of texts with the join between them."""
    found = spelt(texts[0])
    for text in texts[1:]:
        found += spelt(join) + spelt(text)
    return found


def all_sequences(trie: TokenTrie, longest: int = 40) -> set[tuple[int, ...]]:
    """Every token sequence that a trie lets end."""
    found: set[tuple[int, ...]] = set()
    open_: list[tuple[int, ...]] = [()]
    while open_:
        written = open_.pop()
        for token in trie.allowed(written).tolist():
            if token == trie.end:
                found.add(written)
            elif len(written) < longest:
                open_.append((*written, token))
    return found


@settings(max_examples=30)
@given(st.lists(st.text("abc é東", min_size=1, max_size=5), min_size=1, max_size=8))
def test_it_allows_exactly_the_texts(texts: list[str]) -> None:
    trie = TokenTrie(Texts(tuple(texts)), TOKENIZER, END)
    assert all_sequences(trie) == {tuple(spelt(text)) for text in texts}
    for text in texts:
        values = {way[0].value for way in trie.read([*spelt(text), END, 7])}
        assert values == {i for i, other in enumerate(texts) if spelt(other) == spelt(text)}


@settings(max_examples=30)
@given(
    st.lists(st.text("ab;", min_size=1, max_size=3), min_size=1, max_size=3, unique=True),
    st.sampled_from([";", "; ", "a"]),
)
def test_several_answers_each_at_most_once(texts: list[str], join: str) -> None:
    """Whatever ends can be read as different texts, even where the join occurs inside them."""
    trie = TokenTrie(Texts(tuple(texts), join), TOKENIZER, END)
    sequences = all_sequences(trie)
    assert tuple(spelt(texts[0])) in sequences
    assert tuple(joined(texts, join)) in sequences
    for sequence in sequences:
        ways = trie.read(sequence)
        assert ways
        for way in ways:
            assert joined([o.text for o in way], join) == list(sequence)
        assert any(len({o.value for o in way}) == len(way) for way in ways)


def test_names_with_a_shared_beginning_and_one_name_for_several() -> None:
    builder = GraphBuilder("g")
    for key, name in (("1", "Guinea"), ("2", "Guinea-Bissau"), ("3", "Guinea")):
        builder.entity(key, name)
    builder.triple("1", "borders", "2")
    trie = TokenTrie(Names(builder.build(), join=""), TOKENIZER, END)
    short = spelt(" Guinea")
    after = set(trie.allowed(short).tolist())
    assert END in after and spelt(" Guinea-Bissau")[len(short)] in after and len(after) == 2
    assert {way[0].value for way in trie.read(short)} == {0, 2}
    assert [way[0].value for way in trie.read(spelt(" Guinea-Bissau"))] == [1]
    assert trie.read(short[:-1]) == []


def test_a_dead_end_allows_only_the_end() -> None:
    graph = build_tiny_graph()
    for trie in (
        TokenTrie(Names(graph), TOKENIZER, END),
        TokenTrie(Names(graph, ()), TOKENIZER, END),
        TokenTrie(Literals(graph, ()), TOKENIZER, END),
        TokenTrie(Texts(("",)), TOKENIZER, END),
    ):
        wrong = spelt(" no such name")
        assert trie.allowed(wrong).tolist() == [END]
        assert not trie.complete(wrong)


def test_paths_are_paths_of_the_graph() -> None:
    graph = build_tiny_graph()
    sweden = graph.entity("sweden")
    trie = TokenTrie(Walk(graph, sweden, 2), TOKENIZER, END)
    sequences = all_sequences(trie, 80)
    assert sequences
    for sequence in sequences:
        for way in trie.read(sequence):
            here = sweden
            for relation, end in zip(way[::2], way[1::2], strict=True):
                number, to = int(str(relation.value)), int(str(end.value))
                inverse = number >= graph.num_relations
                hop = (to, here) if inverse else (here, to)
                row = [hop[0], number % graph.num_relations, hop[1]]
                assert row in graph.triples.tolist()
                here = to
    texts = {TOKENIZER.decode(list(s)) for s in sequences}
    assert (
        " borders > Norway" in texts and " has the city > Örebro > is a city of > Sweden" in texts
    )


class _Counting:
    """A tokenizer that counts what it is given."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer, self.texts = tokenizer, 0

    def __call__(self, text: Any, add_special_tokens: bool) -> Any:
        self.texts += 1 if isinstance(text, str) else len(text)
        return self.tokenizer(text, add_special_tokens=add_special_tokens)


def chain_graph(entities: int) -> KnowledgeGraph:
    builder = GraphBuilder("chain")
    for i in range(entities):
        for relation in ("left", "right"):
            builder.triple(f"n{i}", relation, f"n{(2 * i + (relation == 'right')) % entities}")
    return builder.build()


def test_a_graph_is_not_enumerated() -> None:
    counting = _Counting(TOKENIZER)
    trie = TokenTrie(Walk(chain_graph(5000), 1, 8), counting, END)
    written: list[int] = []
    for _ in range(60):
        onward = [token for token in trie.allowed(written).tolist() if token != END]
        if not onward:
            break
        written.append(onward[0])
    assert len(written) > 20
    assert counting.texts < 200  # of the 5,000 names, and of about 4**8 paths
    assert trie.size < 20_000


def test_little_memory_forgets_and_finds_again() -> None:
    graph = chain_graph(300)
    rich = TokenTrie(Walk(graph, 1, 3), TOKENIZER, END)
    poor = TokenTrie(Walk(graph, 1, 3), TOKENIZER, END, memory=500)
    written: list[int] = []
    for _ in range(40):
        allowed = rich.allowed(written)
        assert poor.allowed(written).tolist() == allowed.tolist()
        assert poor.size <= 2000
        written.append(int(allowed[-1]))
        if written[-1] == END:
            break


def test_a_place_is_hashed_once_and_not_at_every_token() -> None:
    hashed = []

    @dataclass(frozen=True)
    class Counted(Texts):
        def __hash__(self) -> int:
            hashed.append(1)
            return 1

    trie = TokenTrie(Counted(("one", "two", "three", "tone"), ";"), TOKENIZER, END)
    written: list[int] = []
    for text in ("one", ";", "two", ";", "tone", ";"):
        for token in spelt(text):
            assert token in trie.allowed(written)
            written.append(token)
    left = trie.allowed(written).tolist()
    assert left == spelt("three")[:1], "what was chosen is no choice any more"
    assert len(hashed) == 1 and trie.read([*written, *spelt("three")])


@pytest.mark.parametrize("name", ["wordpiece", "characters"])
def test_other_tokenizers(name: str) -> None:
    """Tokenizers without bytes: what they cannot spell is read back by what was chosen."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = {c: i for i, c in enumerate(["[UNK]", "[END]", *"abcdefghijklmnopqrstuvwxyzJST"])}
    letters |= {f"##{c}": len(letters) + i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz")}
    core = (
        Tokenizer(models.WordPiece(letters, unk_token="[UNK]"))
        if name == "wordpiece"
        else Tokenizer(models.BPE(letters, [], unk_token="[UNK]"))
    )
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=core, unk_token="[UNK]", eos_token="[END]")
    graph = build_tiny_graph()
    trie = TokenTrie(Names(graph, join=""), tokenizer, int(tokenizer.eos_token_id))
    for entity in range(graph.num_entities):
        text = next(o.text for o in Names(graph, (entity,)).options())
        ids = tokens(tokenizer, text)
        assert ids[-1] in trie.allowed(ids[:-1]).tolist()
        assert entity in {way[0].value for way in trie.read(ids)}
