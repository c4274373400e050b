"""Random graphs for property tests, and what makes two graphs the same."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from accord.graph.builder import XSD_STRING, GraphBuilder
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.iris import RDFS, XSD

# Letters of several scripts, and everything that a table, an IRI or a quoted literal could trip on.
TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from("ab éßØ東京🙂\\|\t\n\r\"'<>{}%#:/;,.\u2028\x85\x00"),
        st.characters(exclude_categories=["Cs"]),
    ),
    min_size=1,
    max_size=8,
)
IDS = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "http://example.org/a",
            "http://example.org/ü?q=1#f",
            "https://example.org/a b",
            "http://example.org/%zz",
            "http://[::1]/x",
            "urn:accord:x",
            "urn:accord:graph:train",
            "urn:accord:genid:1",
            "a:b",
            ":",
            "_:b0",
            "entity",
            "id",
            "#",
            "@base",
        ]
    ),
)


@st.composite
def graphs(draw: st.DrawFn, splits: tuple[str, ...] = SPLITS) -> KnowledgeGraph:
    """A graph with loops, parallel edges, texts and attributes; some entities stand alone."""
    builder = GraphBuilder(draw(st.sampled_from(["g", "Ω graph"])))
    ids = draw(st.lists(IDS, min_size=1, max_size=6, unique=True))
    relations = draw(st.lists(IDS, min_size=1, max_size=3, unique=True))
    for key in ids:
        name, description = draw(st.one_of(st.just(""), TEXT)), draw(st.one_of(st.just(""), TEXT))
        builder.entity(key, name, description, draw(st.lists(TEXT, max_size=2)))
    for key in relations:
        builder.relation(key, *draw(st.tuples(*[st.one_of(st.just(""), TEXT)] * 2)))
    end, middle = st.sampled_from(ids), st.sampled_from(relations)
    rows = st.tuples(end, middle, end, st.sampled_from(splits))
    for row in draw(st.lists(rows, min_size=1, max_size=12)):
        builder.triple(*row)
    for key in draw(st.lists(end, max_size=4)):
        builder.attribute(key, *draw(attributes()))
    return builder.build()


@st.composite
def attributes(draw: st.DrawFn) -> tuple[str, str, str, str]:
    """(property, value, datatype, language); also names and descriptions that were not chosen."""
    value = draw(st.one_of(st.just(""), TEXT))
    kind = draw(st.sampled_from(["typed", "language", "name", "description"]))
    if kind == "typed":
        datatype = st.sampled_from(
            [XSD_STRING, XSD + "integer", "http://example.org/type", "my type"]
        )
        return draw(IDS), value, draw(datatype), ""
    if kind == "name":
        return RDFS + "label", draw(TEXT), "", "de"
    if kind == "description":
        return RDFS + "comment", draw(TEXT), "", draw(st.sampled_from(["en", "de"]))
    return draw(IDS), value, "", draw(st.sampled_from(["en", "zh-hant"]))


def content(graph: KnowledgeGraph) -> dict[str, Any]:
    """What a graph states, independent of order and numbers."""
    entities, relations = list(graph.entity_ids), list(graph.relation_ids)
    texts = zip(entities, graph.entity_names, graph.entity_descriptions, strict=True)
    return {
        "entities": {
            (key, name, description, frozenset(graph.aliases_of(i)))
            for i, (key, name, description) in enumerate(texts)
        },
        "relations": set(
            zip(relations, graph.relation_phrases, graph.inverse_phrases, strict=True)
        ),
        "triples": {
            (entities[h], relations[r], entities[t], SPLITS[split])
            for (h, r, t), split in zip(graph.triples.tolist(), graph.split.tolist(), strict=True)
        },
        "attributes": {
            (entities[entity], graph.attribute(row))
            for row, entity in enumerate(graph.attributes[:, 0].tolist())
        },
    }
