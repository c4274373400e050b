"""Whose turn a step is, and what each loss counts for."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accord.errors import ConfigError
from accord.objectives.base import Loss, Objective, Stateless
from accord.objectives.structure import StructureConfig
from accord.objectives.triples import TripleSource
from accord.train.mixing import BALANCE, STAGES, Balance, Mixing, Order, add_balances
from accord.train.recipe import LoopConfig, Recipe
from accord.train.setup import triple_source
from tests.conftest import build_tiny_graph
from tests.train.tiny import gradients, tiny_loop, tiny_recipe

NAMES = ("contrastive", "relations", "linking", "rationale", "language")


class Named(Stateless):
    """An objective that only has a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def weighted(*names: str, weight: float = 1.0) -> Any:
    return [(Named(name), weight) for name in names]


def turns(order: Order, steps: int, *names: str) -> list[set[str]]:
    mixing = Mixing(weighted(*names), order, steps)
    return [{o.name for o, _ in mixing.active(step)} for step in range(steps)]


@hypothesis_settings(max_examples=40)
@given(steps=st.integers(3, 200), names=st.sets(st.sampled_from(NAMES), min_size=1))
def test_stages_come_in_order_and_each_has_its_part(steps: int, names: set[str]) -> None:
    found = turns("staged", steps, *names)
    stages = [names.intersection(stage) for stage in STAGES]
    alone = names - {"language"}
    expected = [stage for stage in stages if stage]
    told = [step - {"language"} for step in found]
    assert [s for i, s in enumerate(told) if not i or s != told[i - 1]] == (expected or [set()])
    counts = [told.count(stage) for stage in expected] or [steps]
    assert max(counts) - min(counts) <= 1 and sum(counts) == steps
    assert all("language" in step for step in found) or "language" not in names
    assert set.union(*found) - {"language"} == alone
    mixing = Mixing(weighted(*names), "staged", steps)
    places = [mixing.place(step) for step in range(steps)]
    ends = [count for place, count in places if place == count - 1]
    assert sum(ends) == steps, "within a stage the learning rate goes once from start to end"


@pytest.mark.parametrize("names", [NAMES, ("contrastive", "relations"), NAMES[1:]])
def test_stages_take_turns_and_every_logged_step_may_be_any_stage(names: tuple[str, ...]) -> None:
    found, count = (
        turns("alternating", 60, *names),
        sum(bool(set(names).intersection(stage)) for stage in STAGES),
    )
    cycles = [found[i : i + count] for i in range(0, 60, count)]
    assert all(len({*map(frozenset, cycle)}) == count for cycle in cycles)
    assert len({*map(frozenset, found[9::10])}) == count
    assert turns("simultaneous", 2, *names) == [set(names)] * 2


def balanced(kind: Balance, weights: list[float]) -> tuple[Mixing, torch.Tensor, Any]:
    """Two losses that depend on what was read with gradients of norm 2 and 6; one that does not."""
    names = ("contrastive", "relations", "structure")
    found = [(o, w) for (o, _), w in zip(weighted(*names), weights, strict=True)]
    add_balances(found, kind)
    states = torch.tensor([[1.0, 0.5]], requires_grad=True)
    values = (2 * states[0, 0], 6 * states[0, 1], torch.tensor(5.0, requires_grad=True) * 1.0)
    return Mixing(found), states, {n: Loss(v) for n, v in zip(names, values, strict=True)}


def test_gradient_balance_makes_weights_shares() -> None:
    mixing, states, losses = balanced("gradient", [1.0, 3.0, 0.7])
    _, first = mixing.total(losses, states, {}, shares=True)
    assert first["contrastive/share"] == pytest.approx(0.1), "2 against 3 times 6"
    total, log = mixing.total(losses, states, {}, shares=True)
    assert log["contrastive/share"] == pytest.approx(0.25)
    assert log["relations/share"] == pytest.approx(0.75) and log["structure/share"] == 0
    assert log["structure/weight"] == pytest.approx(0.7), "what reads nothing keeps its weight"
    size = math.sqrt(2 * 6)  # the geometric mean of the gradients' sizes stays
    total.backward()  # type: ignore[no-untyped-call]
    assert states.grad is not None
    assert states.grad[0].tolist() == pytest.approx([size, 3 * size])


def test_uncertainty_balance_is_its_closed_form() -> None:
    mixing, states, losses = balanced("uncertainty", [1.0, 3.0, 0.7])
    objectives: list[Objective] = [objective for objective, _ in mixing.objectives]
    with torch.no_grad():
        objectives[0].parameters[BALANCE].fill_(0.4)
    total, log = mixing.total(losses, states, {"relations": 0.5}, shares=False)
    expected = math.exp(-0.4) * 2 + 0.2 + 0.5 * 9 + 0.7 * 5
    assert float(total.detach()) == pytest.approx(expected)
    assert log["contrastive/weight"] == pytest.approx(math.exp(-0.4))
    total.backward()  # type: ignore[no-untyped-call]
    slopes = [o.parameters[BALANCE].grad for o in objectives]
    wanted = [0.5 - math.exp(-0.4) * 2, 0.5 * (0.5 - 9), 0.5 - 0.7 * 5]
    assert [float(s) for s in slopes if s is not None] == pytest.approx(wanted)


def test_without_balance_nothing_is_added() -> None:
    mixing, states, losses = balanced("none", [1.0, 3.0, 0.7])
    total, log = mixing.total(losses, states, {}, shares=False)
    assert float(total.detach()) == pytest.approx(2 + 9 + 3.5)
    assert not any(key.endswith("/weight") for key in log)
    alone = weighted("contrastive")
    add_balances(alone, "uncertainty")
    assert BALANCE not in alone[0][0].parameters, "one loss needs no balance"


def recipe_of(**loop: Any) -> Recipe:
    """All that the tiny graph teaches, with vectors at a rate of their own."""
    known = tiny_recipe(loop={"steps": 6, "log_every": 2, "accumulation": 2, **loop})
    return replace(known, structure=StructureConfig(1.0, dimension=4, learning_rate=0.02))


@pytest.mark.parametrize("balance", ["uncertainty", "gradient"])
def test_in_two_pieces_as_in_one_and_each_parameter_in_one_group(
    balance: Balance, tmp_path: Path
) -> None:
    recipe = recipe_of(balance=balance)
    whole = tiny_loop(recipe, tmp_path / "whole")
    groups = [id(p) for group in whole.optimizer.param_groups for p in group["params"]]
    trained = [*whole.shared, *whole.replicated]
    assert sorted(groups) == sorted(id(p) for p in trained)
    whole.fit()
    first = tiny_loop(recipe, tmp_path / "cut")
    for _ in range(3):
        first._advance()
    first._save()
    again = tiny_loop(recipe, tmp_path / "cut")
    again.fit(resume=True)
    for (one, _), (other, _) in zip(whole.objectives, again.objectives, strict=True):
        for key, parameter in one.parameters.items():
            assert torch.equal(parameter, other.parameters[key]) or bool(parameter.isnan())
    moved = [float(o.parameters[BALANCE].detach()) for o, _ in whole.objectives]
    assert sum(math.isfinite(value) and value != 0 for value in moved) >= 3
    for one_weight, other_weight in zip(whole.shared, again.shared, strict=True):
        assert torch.equal(one_weight, other_weight)


def test_a_losses_weight_leaves_the_models_gradient_its_size(tmp_path: Path) -> None:
    loop = tiny_loop(recipe_of(balance="uncertainty", clip=1e-3), tmp_path / "run")
    loop._gradient(0)
    loop._reduce_and_clip()
    found = gradients(loop.model, list(loop.objectives))
    large = [float(g.abs()) for name, g in found.items() if name.endswith(BALANCE)]
    assert max(large) > 0.1, "only the model's gradient is clipped"


def test_changed_entities_fill_their_share_of_a_draw(tmp_path: Path) -> None:
    graph = build_tiny_graph()
    (tmp_path / "ids.json").write_text('["osaka", "nobody"]', encoding="utf-8")
    recipe = tiny_recipe(loop={"changed": tmp_path / "ids.json", "changed_share": 0.5})
    source, plain = triple_source(recipe, graph), TripleSource(graph, recipe.seed)
    osaka = graph.entity("osaka")
    drawn = source.draw(3, 8)
    assert (drawn.heads[4:] == osaka).all() and len(drawn.heads) == 8
    assert (source.draw(3, 8).rows == drawn.rows).all()
    assert (source.triples[drawn.rows, 2] == drawn.tails).all()
    counts = [(s.draw(0, 64).heads == osaka).mean() for s in (source, plain)]
    assert counts[0] > counts[1] + 0.3
    (tmp_path / "ids.json").write_text("{", encoding="utf-8")
    with pytest.raises(Exception, match="no list of ids"):
        triple_source(recipe, graph)


@pytest.mark.parametrize("values", [{"balance": "fair"}, {"order": "staged", "changed_share": 1.0}])
def test_settings_out_of_range(values: dict[str, Any]) -> None:
    from accord.config import load_config

    with pytest.raises(ConfigError):
        load_config(Recipe, None, [f"loop.{key}={value}" for key, value in values.items()])
    assert LoopConfig().order == "simultaneous" and LoopConfig().balance == "none"
