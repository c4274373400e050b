"""Probabilities that mean what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import ConfigError
from accord.refine.calibrate import (
    FORMS,
    Calibration,
    Curve,
    Form,
    expected_precision,
    next_precision,
    reliability,
)
from accord.refine.logistic import Logistic, sigmoid


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores whose true log-odds are 2 x - 1, and another 1.5 for the second relation."""
    rng = np.random.default_rng(seed)
    scores, relations = rng.normal(size=8000), rng.integers(2, size=8000)
    labels = rng.random(8000) < sigmoid(2 * scores - 1 + 1.5 * relations)
    return scores, relations.astype(np.int64), labels


def test_logistic_finds_the_weights_that_made_the_labels() -> None:
    scores, relations, labels = drawn()
    features = np.column_stack([scores, relations])
    model = Logistic.fit(features, labels)
    assert np.allclose(model.weights / model.spread, [2, 1.5], atol=0.25)
    assert np.isclose(model.logits(np.zeros((1, 2)))[0], -1, atol=0.15)


@pytest.mark.parametrize("form", FORMS)
def test_calibration_holds_for_each_relation_on_fresh_candidates(form: Form) -> None:
    curve = Calibration.fit(*drawn(0), form)
    scores, relations, labels = drawn(1)
    chance = curve.probabilities(scores, relations)
    for relation in (0, 1):
        own = relations == relation
        assert reliability(chance[own], labels[own]).error < 0.05
    known = labels.sum()
    assert curve.negative_ratio == pytest.approx((8000 - known) / known, rel=0.05)


def test_curves_follow_what_no_line_can() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, size=20000)
    labels = rng.random(20000) < np.where(logits > 2, 0.9, 0.2)
    errors = {}
    for form in FORMS:
        chance = Curve.fit(form, logits[::2], labels[::2])(logits[1::2])
        assert (np.diff(chance[np.argsort(logits[1::2])]) >= -1e-12).all()
        errors[form] = reliability(chance, labels[1::2]).error
    assert errors["isotonic"] < 0.02 < errors["beta"] < errors["platt"]


def test_one_class_alone_is_refused() -> None:
    scores, relations, _ = drawn()
    with pytest.raises(ConfigError, match="no curve"):
        Calibration.fit(scores, relations, np.zeros(8000, dtype=np.bool_))
    with pytest.raises(ConfigError, match="no items"):
        reliability(np.zeros(0), np.zeros(0, dtype=np.bool_))


def test_error_of_a_liar_is_its_lie(tmp_path: Path) -> None:
    found = reliability(np.full(100, 0.9), np.arange(100) < 30)
    assert found.error == pytest.approx(0.6)
    assert found.plot(tmp_path / "r.png").stat().st_size > 1000


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_expected_precision_is_the_running_mean(values: list[float]) -> None:
    found = expected_precision(np.array(values))
    assert found[-1] == pytest.approx(np.mean(values))
    if values == sorted(values, reverse=True):
        assert (np.diff(found) <= 1e-12).all()


def test_precision_of_the_next_items_is_told_as_far_as_there_are_some() -> None:
    found = next_precision(np.array([1.0] * 10 + [0.5] * 20))
    assert found == {"10": 1.0, "30": pytest.approx(20 / 30)}
