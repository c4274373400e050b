"""Validation of runs that learn from labelled texts: loss and metric of each objective."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from accord.evaluate.extractor import Extractor
from accord.evaluate.linking import LinkingResult
from accord.evaluate.ner import evaluate_ner
from accord.evaluate.relations import f1, holding
from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.base import Objective
from accord.objectives.choice import Choice
from accord.objectives.labels import Labels
from accord.objectives.linking import Linking
from accord.objectives.relations import Relations, Vocabulary
from accord.objectives.spans import Spans
from accord.text.examples import RelationExample
from accord.train.held_out import held_out_loss
from accord.train.loop import Validate, Validated
from accord.train.recipe import Recipe

HEADS = ("relations", "linking", "spans")


def held_out_measure(
    recipe: Recipe,
    graph: KnowledgeGraph,
    objectives: Sequence[Objective],
    examples: Sequence[RelationExample],
) -> Validate | None:
    """What a run that learns from labelled texts is judged by while it trains.

    Args:
        recipe: The recipe.
        graph: The graph of the candidates.
        objectives: Of the run over what it holds out, as `train.held_out.hold_out` gives them.
        examples: The texts that are held out.

    Returns:
        Gives each objective's loss and metric, and the mean of the metrics as the figure to raise:
        F1 of relations and spans, accuracy of all else. Where language alone is modelled, the
        figure is the geometric mean of the probabilities of its tokens. None where nothing is held
        out.
    """
    if not objectives:
        return None

    def validate(model: KnowledgeModel) -> Validated:
        parts: dict[str, float] = {}
        metrics: list[float] = []
        extractor = _extractor(recipe, model, objectives)
        for objective in objectives:
            found = held_out_loss(model, objective)
            named = _metric(extractor, graph, objective, examples, found)
            metrics += named.values()
            found |= named
            parts |= {f"{objective.name}/{key}": value for key, value in found.items()}
        likely = [math.exp(-value) for key, value in parts.items() if key == "modelling/loss"]
        return Validated(float(np.mean(metrics or likely)), parts)

    return validate


def _extractor(recipe: Recipe, model: KnowledgeModel, objectives: Sequence[Objective]) -> Extractor:
    """The model with its heads as they are now."""
    heads = {o.name: o.parameters for o in objectives}
    vocabulary, types = Vocabulary((), ("",)), tuple[str, ...]()
    for objective in objectives:
        if isinstance(objective, Relations):
            vocabulary = objective.vocabulary
        elif isinstance(objective, Spans):
            types = objective.kinds
    relations, links, spans = (heads.get(name, nn.ParameterDict()) for name in HEADS)
    return Extractor(model, recipe, vocabulary, relations, links, spans, types)


def _metric(
    extractor: Extractor,
    graph: KnowledgeGraph,
    objective: Objective,
    examples: Sequence[RelationExample],
    parts: Mapping[str, float],
) -> dict[str, float]:
    """The metric of an objective by its name; nothing for one that has none."""
    if isinstance(objective, Relations):
        return {"micro_f1": _relations_f1(extractor, objective)}
    if isinstance(objective, Linking):
        items = tuple(objective.items)
        probabilities = tuple(extractor.links(graph, items))
        found = LinkingResult(graph, "held out", "valid", items, probabilities)
        return {"accuracy": float((found.gold == found.found).mean())}
    if isinstance(objective, Spans):
        judged = evaluate_ner(extractor, examples, "held out", "valid").to_dict()
        return {"micro_f1": float(judged["micro_f1"])}
    if isinstance(objective, (Labels, Choice)):
        return {"accuracy": parts["right"]}
    return {}


def _relations_f1(extractor: Extractor, objective: Relations) -> float:
    """Micro-F1 over facts, those of the run's own relations."""
    counts = np.zeros(3, dtype=np.int64)  # right, found, stated
    margins = extractor.relations(objective.examples)
    for example, rows in zip(objective.examples, margins, strict=True):
        found, stated = holding(rows, example.single), example.labels
        counts += [int((found & stated).sum()), int(found.sum()), int(stated.sum())]
    return f1(*counts.tolist())
