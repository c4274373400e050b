"""False triples to learn from: none is true, and rare entities come as often as common ones."""

from __future__ import annotations

import numpy as np

from accord.graph.builder import GraphBuilder, triple_keys
from accord.refine.corrupt import corrupt


def test_peers_are_drawn_alike_however_often_they_stand_there() -> None:
    builder = GraphBuilder("skewed")
    for number in range(400):
        builder.triple(f"p{number}", "born_in", "here" if number % 40 else f"far{number}")
    for number in range(5):
        builder.triple(f"c{number}", "part_of", f"c{number + 1}")
    graph = builder.build()
    made = corrupt(graph, np.resize(np.arange(len(graph.triples)), 20_000), 0)
    sizes = graph.num_relations, graph.num_entities
    assert not np.isin(triple_keys(made.triples, *sizes), triple_keys(graph.triples, *sizes)).any()
    true = graph.triples[made.sources]
    for relation in range(graph.num_relations):
        for column in (0, 2):
            ends = np.unique(graph.triples[graph.triples[:, 1] == relation, column])
            own = (made.kinds == 1) & (true[:, 1] == relation)
            drawn = made.triples[own & (made.triples[:, column] != true[:, column]), column]
            assert np.isin(drawn, ends).all()
            if relation == 0 and column == 2:
                rare = [end for end in ends.tolist() if "far" in graph.entity_ids[end]]
                counts = np.array([(drawn == end).sum() for end in rare])
                assert len(counts) == 10 and counts.min() > 0.7 * counts.mean() > 100
