"""What proposals' probabilities rest on."""

from __future__ import annotations

import numpy as np
import pytest

from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.graph.noise import Noise, plant
from accord.refine.propose import Proposals, ProposeConfig, propose_triples
from accord.refine.rules import Rules
from tests.refine.test_rules import lawful_graph


@pytest.fixture(scope="module")
def lacking() -> KnowledgeGraph:
    """The lawful graph without a tenth of its triples."""
    return plant(lawful_graph(), Noise(errors=0.0, gaps=0.1, seed=1)).graph


@pytest.fixture(scope="module")
def proposals(lacking: KnowledgeGraph) -> Proposals:
    return propose_triples(lacking, Rules(lacking))


def test_gaps_come_first_and_are_said_to_be_true(
    lacking: KnowledgeGraph, proposals: Proposals
) -> None:
    true = {tuple(row) for row in lawful_graph().triples.tolist()}
    right = np.array([tuple(row) in true for row in proposals.triples.tolist()])
    assert right.sum() >= 10
    stated = proposals.probability[:10]
    assert right[:10].mean() >= 0.9 and stated.mean() == pytest.approx(right[:10].mean(), abs=0.25)
    assert proposals.learnt is not None
    told = proposals.learnt.to_dict()
    assert set(told["curves"]) == {"platt", "beta", "isotonic"}
    assert told["found"] < 200 and told["curve"] in ("platt", "beta")


def test_who_believes_less_is_missing_is_told_lower_probabilities(
    lacking: KnowledgeGraph, proposals: Proposals
) -> None:
    fewer = propose_triples(lacking, Rules(lacking), None, ProposeConfig(missing=0.01))
    assert fewer.learnt is not None and proposals.learnt is not None
    assert fewer.learnt.ratio == pytest.approx(1 / 9.9) and proposals.learnt.ratio <= 1 / 0.9
    scores = np.zeros(1), np.zeros(1, dtype=np.int64)
    assert fewer.learnt.probabilities(*scores) < proposals.learnt.probabilities(*scores)
    with pytest.raises(ConfigError):
        ProposeConfig(missing=0)
