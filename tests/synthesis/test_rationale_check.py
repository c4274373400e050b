"""A rationale says the path, all of it and nothing else."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.synthesis import rationale_check as rc
from accord.synthesis.rationale import RationaleConfig, write_rationales
from accord.synthesis.rationale_check import RationaleChecker, check_rationale
from accord.synthesis.rationale_forms import CONNECTIVES, stem
from accord.text.folding import name_key
from accord.text.questions import Hop, Question
from tests.synthesis.rationale_graphs import BOLIVIA, CHILE, asked, build_map, hop

MAP = build_map()
CHECKER = RationaleChecker(MAP)
SAID = "Peru shares a border with Chile. Chile has the capital Santiago."

ACCEPTED = [
    SAID,
    "Chile shares a border with Peru, and Santiago is the capital of Chile.",
    "Peru shares a border with Chile, whose capital is Santiago. So the answer is Santiago.",
    "Peru shares a border with Chile, which has the capital Santiago.",
    "Chile's capital is Santiago, because the capital of Chile is Santiago, and Peru also shares "
    "a border with Chile.",
    "PERU shares a border with\u00a0chile. Chile has the capital Santiago.",
]
REJECTED = [
    ("", rc.EMPTY),
    (" \n\t", rc.EMPTY),
    ("Peru shares a border with Chile.", rc.MISSING),
    ("Chile has the capital Santiago.", rc.MISSING),
    ("So the answer is Santiago.", rc.MISSING),
    (SAID + " So the answer is Peru.", rc.WRONG),
    (SAID + " Peru has the capital Santiago.", rc.WRONG),
    (SAID + " Santiago has the capital Chile.", rc.WRONG),
    ("Peru shares a border with Chile. Chile is the capital of Santiago.", rc.WRONG),
    ("Peru and Santiago share a border with Chile. Chile has the capital Santiago.", rc.WRONG),
    (SAID + " Peru shares a border with Bolivia.", rc.FOREIGN),
    ("Peru shares a border with Chile and Bolivia. Chile has the capital Santiago.", rc.FOREIGN),
    (SAID + " It is near Mexico City.", rc.FOREIGN),
    (SAID + " 6 people know.", rc.NUMBER),
    (SAID + " It has seven million people.", rc.NUMBER),
    ("Peru does not share a border with Chile. Chile has the capital Santiago.", rc.NEGATION),
    ("If Peru shares a border with Chile, Chile has the capital Santiago.", rc.NEGATION),
    (SAID + " Santiago is lovely.", rc.OTHER),
    ("Peru shares a border with Chile? Chile has the capital Santiago.", rc.OTHER),
    ("Peru: " + SAID, rc.OTHER),
    ("lorem ipsum \ud800 dolor", rc.OTHER),
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_the_path_says_in_other_words_is_accepted(text: str) -> None:
    found = CHECKER.check(asked(MAP, CHILE), text)
    assert found.ok, found
    assert found.reached and not found.missing and not found.unsupported


@pytest.mark.parametrize(("text", "reason"), REJECTED)
def test_what_lacks_or_adds_something_is_rejected(text: str, reason: str) -> None:
    found = CHECKER.check(asked(MAP, CHILE), text)
    assert (found.ok, found.reason) == (False, reason)


def test_names_end_where_words_end() -> None:
    niger = asked(MAP, (hop("ne", "borders", "ng"),))
    assert CHECKER.check(niger, "Niger shares a border with Nigeria.").ok
    assert not CHECKER.check(niger, "Nigeria shares a border with Nigeria.").ok
    wrong = CHECKER.check(asked(MAP, (hop("mx", "borders", "pe"),)), "Mexico City is lovely.")
    assert wrong.unsupported[0] == (rc.FOREIGN, "Mexico City")
    only = asked(MAP, (hop("mx", "borders", "pe"),))
    assert CHECKER.check(only, "Mexico shares a border with Peru.").ok
    found = CHECKER.check(only, "Mexico City shares a border with Peru.")
    assert found.unsupported[0] == (rc.FOREIGN, "Mexico City")


def test_names_hold_marks_and_other_scripts() -> None:
    bolivia = asked(MAP, BOLIVIA)
    said = "Peru shares a border with Bolivia. Washington, D.C. is the capital of Bolivia."
    assert CHECKER.check(bolivia, said).ok
    tokyo = asked(MAP, (hop("cl", "borders", "tyo"),))
    for name in ("Tōkyō", unicodedata.normalize("NFD", "Tōkyō"), "東京"):
        assert CHECKER.check(tokyo, f"Chile shares a border with {name}.").ok
    for name in ("Tokyo", "Tōkyōs", "東京都"):
        assert not CHECKER.check(tokyo, f"Chile shares a border with {name}.").ok


def test_attributes_are_facts_too() -> None:
    question = asked(MAP, (*CHILE, hop("scl", "population", "6160000")), answers=("6160000",))
    for number in ("6160000", "6,160,000"):
        assert CHECKER.check(question, f"{SAID} The population of Santiago is {number}.").ok
    wrong = CHECKER.check(question, f"{SAID} The population of Santiago is 6160001.")
    assert wrong.reason == rc.NUMBER and not wrong.reached


def test_paths_must_be_real_joined_and_lead_to_an_answer() -> None:
    assert check_rationale(MAP, asked(MAP, (hop("pe", "capital", "scl"),)), SAID).reason == (
        rc.NOT_IN_GRAPH
    )
    assert CHECKER.check(Question("1", "?", ("Peru",)), SAID).reason == rc.NO_PATH
    elsewhere = CHECKER.check(asked(MAP, CHILE, answers=("Lima",)), SAID)
    assert (elsewhere.reason, elsewhere.missing) == (rc.UNREACHED, ())
    apart = asked(MAP, (hop("pe", "capital", "lim"), hop("cl", "capital", "scl")))
    assert CHECKER.check(apart, "Peru has the capital Lima. Chile has the capital Santiago.").reason
    by_alias = asked(MAP, (hop("cl", "borders", "tyo"),), answers=("東京",))
    assert CHECKER.check(by_alias, "Chile shares a border with Tōkyō.").ok


def test_a_list_says_each_of_its_members_and_only_them() -> None:
    both = asked(MAP, CHILE, BOLIVIA)
    end = "Santiago is the capital of Chile and Bolivia's capital is Washington, D.C."
    assert CHECKER.check(both, f"Peru shares a border with Chile and Bolivia. {end}").ok
    assert CHECKER.check(both, f"Chile, and Bolivia share a border with Peru. {end}").ok
    mixed = "Santiago and Washington, D.C. are the capitals of Chile and Bolivia."
    assert CHECKER.check(both, f"Peru shares a border with Chile and Bolivia. {mixed}").reason == (
        rc.WRONG
    )


# -- properties

WORD = st.text(st.sampled_from("abéßİ日本ก๋'-. ,AB1"), min_size=1, max_size=6)
PHRASES = st.sampled_from(
    ["borders", "has the capital", "is the capital of", "sibling", "is part of", "b a", ""]
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[KnowledgeGraph, Question]:
    """A random graph with awkward names, and a question answered by walks through it."""
    builder = GraphBuilder("random")
    count = draw(st.integers(2, 6))
    for i in range(count):
        builder.entity(f"e{i}", draw(WORD), "", draw(st.lists(WORD, max_size=1)))
    for r in range(2):
        builder.relation(f"r{r}", draw(PHRASES), draw(PHRASES))
    for _ in range(draw(st.integers(1, 10))):
        head, tail = (f"e{draw(st.integers(0, count - 1))}" for _ in range(2))
        builder.triple(head, f"r{draw(st.integers(0, 1))}", tail)
    graph = builder.build()
    walks = draw(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=3), min_size=1))
    paths = tuple(walk(graph, steps) for steps in walks[:4])
    ends = tuple(path[-1].end for path in paths)
    return graph, Question("1", "?", ends, (), ends, paths)


def walk(graph: KnowledgeGraph, steps: list[int]) -> tuple[Hop, ...]:
    """A walk over triples in either direction, chosen by numbers."""
    path: list[Hop] = []
    for step in steps:
        triples = [tuple(map(int, row)) for row in graph.triples]
        hops = [hop_of(graph, triple, way) for triple in triples for way in (False, True)]
        onward = [h for h in hops if not path or h.start == path[-1].end]
        path.append(onward[step % len(onward)])
    return tuple(path)


def hop_of(graph: KnowledgeGraph, triple: tuple[int, ...], inverse: bool) -> Hop:
    head, relation, tail = triple
    ids = graph.entity_ids
    return Hop(ids[head], graph.relation_ids[relation], ids[tail], inverse)


@given(worlds())
def test_templates_always_pass(world: tuple[KnowledgeGraph, Question]) -> None:
    graph, question = world
    assume(all(name_key(graph.entity_names[e]) for e in range(graph.num_entities)))
    (written,) = write_rationales(graph, [question], RationaleConfig(max_words=10_000))
    assert written.question is not None, (written.reason, written.text, written.check)
    assert written.question.paths == tuple(dict.fromkeys(question.paths))


@given(st.integers(0, 200), st.sampled_from(["Bolivia", "Mexico City", "東京", "Nigeria"]))
def test_a_foreign_entity_anywhere_fails(place: int, name: str) -> None:
    words = SAID.split()
    words.insert(place % (len(words) + 1), name)
    found = CHECKER.check(asked(MAP, CHILE), " ".join(words))
    assert not found.ok
    assert (rc.FOREIGN, name) in found.unsupported


@given(st.data())
def test_a_missing_hop_fails(data: st.DataObject) -> None:
    """The template of a part of the path is no rationale of the whole."""
    steps = data.draw(st.lists(st.integers(0, 99), min_size=2, max_size=4))
    path = tuple(dict.fromkeys(walk(MAP, steps)))
    keys = [(h.head, h.relation, h.tail) for h in path]
    left = data.draw(st.sampled_from(keys))
    rest = tuple(h for h, key in zip(path, keys, strict=True) if key != left)
    assume(rest)
    config = RationaleConfig(partial=True, max_words=10_000)
    part = asked(MAP, *((h,) for h in rest))
    (written,) = write_rationales(MAP, [part], config)
    assert written.question is not None
    found = CHECKER.check(asked(MAP, path), written.text)
    assert not found.ok and len(found.missing) == 1


def test_words_that_claim_nothing_are_few_and_hold_no_verbs_of_relations() -> None:
    assert not CONNECTIVES & {"has", "borders", "not", "or", "?", "in", "of", "was"}
    assert [stem(w) for w in ("uses", "series", "glass", "is", "were")] == [
        "use",
        "sery",
        "glass",
        "be",
        "was",
    ]
