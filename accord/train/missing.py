"""Objectives of a recipe that have nothing to learn from, left out where the recipe allows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from accord.config import apply_override
from accord.graph.graph import KnowledgeGraph
from accord.progress import say
from accord.text.examples import RelationExample
from accord.train.recipe import Recipe

NO_QUESTIONS = {"rationale": "no questions are given (--qa FILE)"}
WHERE = "--data, --text or descriptions in the graph"


def without_data(recipe: Recipe, overrides: Iterable[str], absent: Mapping[str, str]) -> Recipe:
    """A recipe without those of its objectives that have no data.

    Args:
        recipe: The recipe; one with `missing = "refuse"` stays as it is.
        overrides: `key=value` settings; an objective whose weight is among them stays.
        absent: Objective -> why it has nothing to learn from.

    Returns:
        The recipe, with a weight of 0 for what is left out; each is said with its reason.

    Raises:
        ConfigError: Nothing is left to train.
    """
    if recipe.missing == "refuse":
        return recipe
    said: dict[str, Any] = {}
    for override in overrides:
        said = apply_override(Recipe, said, override)
    out = [
        name
        for name in absent
        if getattr(recipe, name).weight and "weight" not in said.get(name, {})
    ]
    for name in out:
        say(f"the {name} objective is left out: {absent[name]}")
    changed = {name: replace(getattr(recipe, name), weight=0.0) for name in out}
    return replace(recipe, **changed)


def lacking(examples: Collection[RelationExample], graph: KnowledgeGraph) -> dict[str, str]:
    """What texts with mentions do not teach: objective -> why.

    Args:
        examples: All examples of a run; those of valid are not learnt from.
        graph: The run's.
    """
    learnt = [example for example in examples if example.split != "valid"]
    taught = {
        "relations": any(example.asked and example.facts for example in learnt),
        "linking": bool((graph.entities(_meant(learnt)) >= 0).any()),
        "spans": any(example.mentions.kinds for example in learnt),
        "modelling": bool(learnt),
    }
    whys = {
        "relations": f"no text states a fact of the graph or is labelled ({WHERE})",
        "linking": f"no text mentions an entity of the graph ({WHERE})",
        "spans": "no text has all its mentions marked (--data)",
        "modelling": f"there are no texts ({WHERE})",
    }
    return {name: whys[name] for name, known in taught.items() if not known}


def _meant(examples: Iterable[RelationExample]) -> list[str]:
    """The ids of entities that texts mention."""
    spans = (span for example in examples for span in example.mentions.spans)
    return [span.entity for span in spans if span.entity]
