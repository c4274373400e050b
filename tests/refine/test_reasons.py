"""Reasons are true, say triples in their own direction, and name what can be looked up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.refine.amounts import amounts
from accord.refine.attributes import flag_attributes, propose_attributes
from accord.refine.doubts import Doubts
from accord.refine.flag import Suspicion
from accord.refine.grounds import Trust, weakened
from accord.refine.items import Item
from accord.refine.propose import Learnt, Proposals
from accord.refine.reasons import flag_items, proposal_items
from accord.refine.rules import EVIDENCE, Rules
from accord.refine.steps import Steps
from tests.refine.test_scan import shared_zones

COUNT = 12


def choir() -> KnowledgeGraph:
    """Pairs of singers in towns, and three errors: two homes, a town that sings, one that weds."""
    builder = GraphBuilder("choir")
    for i in range(COUNT):
        one, other, town = f"alto{i}", f"bass{i}", f"town{i // 3}"
        builder.triple(one, "weds", other)
        builder.triple(other, "weds", one)
        for singer in (one, other):
            builder.triple(singer, "lives_in", town)
            builder.triple(singer, "sings_in", f"choir{i // 3}")
        builder.triple(f"choir{i // 3}", "of_town", town)
    builder.triple("alto1", "lives_in", "town3")
    builder.triple("town2", "weds", "bass5")
    return builder.build()


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return choir()


@pytest.fixture(scope="module")
def rules(graph: KnowledgeGraph) -> Rules:
    return Rules(graph)


def judged(graph: KnowledgeGraph, rules: Rules, shares: dict[str, float]) -> Suspicion:
    """All triples as if each of some kinds of evidence had added that much."""
    triples = graph.triples.astype(np.int64)
    found = rules.evidence(triples, np.ones(len(triples), dtype=np.int64))
    added = np.array([shares.get(name, 0.0) for name in EVIDENCE])
    none = np.zeros(len(triples))
    return Suspicion(triples, none, none, {}, found, np.tile(added, (len(none), 1)), 0.1)


def reasons(
    graph: KnowledgeGraph, rules: Rules, triple: tuple[str, str, str], *kinds: str
) -> list[str]:
    row = [graph.entity(triple[0]), graph.relation(triple[1]), graph.entity(triple[2])]
    place = int(np.flatnonzero((graph.triples == row).all(axis=1))[0])
    shares = {kind: 1.0 - i / 100 for i, kind in enumerate(kinds)}
    return Doubts(graph, rules, judged(graph, rules, shares)).of(place)


def test_a_second_home_is_named(graph: KnowledgeGraph, rules: Rules) -> None:
    found = reasons(graph, rules, ("alto1", "lives_in", "town3"), "one_tail", "path", "path_lack")
    assert found[0] == "alto1 also lives in town0, and 96% of heads have only one"
    assert found[1].startswith("no two triples lead from alto1 to town3 as they do for other")
    assert "(by 'sings in', then 'of town')" in found[1] and len(found) == 2


def test_a_town_that_weds_is_said_to_be_a_town(graph: KnowledgeGraph, rules: Rules) -> None:
    kinds = ("head_role", "tail_use", "missing", "implied", "one_head")
    found = reasons(graph, rules, ("town2", "weds", "bass5"), *kinds)
    assert found[0].startswith("town2 is not used like other heads of 'weds': it is the tail of")
    assert found[1] == "bass5 is the tail of 1 other 'weds', where none is usual"
    assert found[2].startswith("'bass5 weds town2' goes with it in")
    assert found[2].endswith("of cases and is not in the graph")
    (crowd,) = reasons(graph, rules, ("town2", "weds", "bass5"), "one_head")
    assert crowd.startswith("alto5 also weds bass5, and ")
    (none,) = reasons(graph, rules, ("town2", "weds", "bass5"), "implied")
    assert none == "nothing else between town2 and bass5 supports it"


def test_what_is_as_usual_is_no_reason(graph: KnowledgeGraph, rules: Rules) -> None:
    found = reasons(graph, rules, ("alto4", "lives_in", "town1"), *EVIDENCE)
    assert found == ["several weak signs together speak against it"]


def test_entities_used_alike_are_counted(graph: KnowledgeGraph, rules: Rules) -> None:
    found = reasons(graph, rules, ("alto1", "lives_in", "town3"), "head_near", "head_nearest")
    (said,) = found
    assert said.startswith("under 1% of the entities used like alto1 lives in town3, where ")


def test_a_flag_says_its_triple_and_its_first_doubt(graph: KnowledgeGraph, rules: Rules) -> None:
    last = np.array([len(graph.triples) - 1], dtype=np.int64)
    (item,) = flag_items(graph, rules, judged(graph, rules, {"one_head": 1.0}), last)
    assert item.reason == f"town2 weds bass5: {item.evidence[0]}"


def proposed(graph: KnowledgeGraph, rules: Rules, *triple: str) -> Item:
    row = [graph.entity(triple[0]), graph.relation(triple[1]), graph.entity(triple[2])]
    asked = np.array([row], dtype=np.int64)
    trust = Trust.of(graph, judged(graph, rules, {}))
    return proposal_items(graph, rules, asked, np.zeros(1), np.array([0.9]), trust.steps)[0]


def test_a_proposal_says_stored_triples_and_in_how_many_cases(
    graph: KnowledgeGraph, rules: Rules
) -> None:
    found = proposed(graph, rules, "bass5", "weds", "town2")
    assert "inverse of" not in found.reason + "".join(found.evidence)
    assert found.reason.startswith("bass5 weds town2: so it is in ")
    assert found.reason.endswith("% of cases like this: town2 weds bass5")
    assert found.evidence[0] == "town2 weds bass5"
    weak = proposed(graph, rules, "choir0", "lives_in", "bass7")
    assert "no rule gives it by itself" in weak.reason


def dated(values: list[str], kind: str = "") -> list[Item]:
    builder = GraphBuilder("amounts")
    for i, value in enumerate(values):
        builder.triple(f"e{i}", "r", f"e{i + 1}")
        builder.attribute(f"e{i}", "value", value, *([kind] if kind else []))
    return flag_attributes(builder.build())


def test_dates_and_amounts_far_from_the_rest_are_flagged() -> None:
    days = [f"{1950 + i}-03-1{i % 9}" for i in range(30)]
    (late,) = dated([*days, "3019-01-01"])
    assert late.tail == "3019-01-01"
    assert late.reason.endswith("the usual values lie between 1950-03-10 and 1979-03-12")
    (said,) = dated([*days, "12 May 1954"], "http://www.w3.org/2001/XMLSchema#date")
    assert said.evidence[0] == "'12 May 1954' is no date"
    tall = {item.tail: item for item in dated([f"{160 + i} cm" for i in range(30)] + ["1710 cm"])}
    assert list(tall) == ["1710 cm"]
    assert tall["1710 cm"].reason.endswith("the usual values lie between 160 cm and 189 cm")
    (metre,) = dated([f"{160 + i} cm" for i in range(30)] + ["1.71 m"])
    assert metre.reason.endswith("97% of the values look like '160 cm'")
    assert len(metre.evidence) == 1 and metre.score < 0.8


def test_numbers_without_a_datatype_count_and_codes_do_not() -> None:
    assert [item.tail for item in dated([*map(str, range(100, 130)), "999999"])] == ["999999"]
    assert amounts([f"0{i}" for i in range(30)]) is None
    assert amounts(["red", "green"] * 10) is None
    found = amounts(["1,200 km", "3 km", "4.5 km", "-2 km"])
    assert found is not None and found.numbers.tolist() == [1200.0, 3.0, 4.5, -2.0]
    assert amounts(["2001-13-01"] * 5) is None


def test_what_rests_on_a_triple_that_looks_wrong_is_less_probable(
    graph: KnowledgeGraph, rules: Rules
) -> None:
    plain = judged(graph, rules, {})
    chance = np.full(len(plain.triples), 0.1)
    chance[-1] = 0.91  # town2 weds bass5
    trust = Trust.of(graph, replace(plain, probability=chance))
    ends = [["bass5", "weds", "town2"], ["alto7", "weds", "town2"], ["bass1", "lives_in", "town3"]]
    asked = np.array([[graph.entity(h), graph.relation(r), graph.entity(t)] for h, r, t in ends])
    found = Proposals(asked, np.array([2.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.7]), None)
    after = weakened(rules, found, trust, least=0.75)
    assert after.triples.tolist() == asked[[1, 2, 0]].tolist()
    assert after.probability.tolist() == pytest.approx([0.8, 0.7, 0.09])
    none = np.zeros(1)
    (item,) = proposal_items(graph, rules, asked[:1], none, none, trust.steps)
    assert item.reason.endswith("town2 weds bass5; but 'town2 weds bass5' looks wrong itself")


def test_a_value_that_comes_by_a_wrong_triple_is_less_probable() -> None:
    graph = shared_zones()
    steps = Steps.of(graph.triples, graph.num_entities, 1)
    (full,) = propose_attributes(graph, steps)
    (half,) = propose_attributes(graph, steps, lambda *ends: np.full(len(ends[0]), 0.5))
    assert full.probability and half.probability == pytest.approx(full.probability / 2)
    assert full.reason == "town4 part of land4, and 97% of such pairs have the same zone"


def test_few_hidden_triples_bound_what_can_be_stated() -> None:
    class Sure:
        def probabilities(self, scores: object, relations: object) -> object:
            return np.ones(1)

    learnt = Learnt(None, Sure(), None, {}, 12, 11, 1.0)  # type: ignore[arg-type]  # a stand-in
    assert learnt.probabilities(np.zeros(1), np.zeros(1, dtype=np.int64)) == pytest.approx(12 / 13)
    many = replace(learnt, found=1000)
    assert many.probabilities(np.zeros(1), np.zeros(1, dtype=np.int64)) == pytest.approx(0.99)
