"""Scores of triples by texts, by heads that were not trained on them: K folds over frozen states.

What frozen layers say of an entity's text has seen no triple of the graph. Only a small map from
there, and a vector for each relation, are learnt, anew without each fold: seconds, and no text is
read twice.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.model.reading import Reader, weighted_means
from accord.model.structure import FIRST_SPREAD, StructureVectors
from accord.progress import say, track
from accord.refine.folds import (
    Advance,
    FoldConfig,
    Folds,
    fold_numbers,
    steps_for,
    structure_objective,
    train_folds,
)
from accord.refine.steps import Float64, Int64
from accord.text.collate import chunks_by_length
from accord.text.examples import Sequence, length

READ = 150_000
"""Tokens that a scan reads for this at most; what a run kept costs nothing."""
GROUP = 4096
"""Tokens at once."""
WIDTH = 256
"""Directions of the states that are kept."""
RIDGE = 1e-2
"""Share of the largest variance that is added to all before they are made alike."""
STEPS = 150
"""Steps of a fold at most; more of them learn a small graph by heart."""
DEPTH = 2 / 3
"""Layers that are read, of a model of which none were frozen."""


def text_states(model: KnowledgeModel, graph: KnowledgeGraph) -> Float64 | None:
    """What layers that never saw the graph say of its entities.

    Args:
        model: A run or a base model. Layers below its frozen ones are read, or its lower ones
            without their adapter.
        graph: The graph.

    Returns:
        (E, at most `WIDTH`) centred, of like spread; None where every layer was trained, the
        model does not write, or more than `READ` tokens would have to be read.
    """
    config = model.config
    if not model.reader.causal or (config.adapter == "full" and not config.freeze_layers):
        return None
    reader, texts = _reader(model), model.texts(graph)
    texts.prepare(range(graph.num_entities))
    sequences = [texts.tail(entity) for entity in range(graph.num_entities)]
    fresh = _fresh(reader, sequences)
    if fresh > READ:
        say(f"the entities' texts have {fresh:,} tokens that were not kept: they are not read")
        return None
    return _alike(_states(reader, sequences))


def _reader(model: KnowledgeModel) -> Reader:
    if model.config.freeze_layers:
        return model.reader
    own, layers = model.reader, int(model.lm.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]  # of a module
    depth = max(1, round(DEPTH * layers))
    return Reader(model.lm, depth, own.segments, own.sink, own.fill, own.device)


def _fresh(reader: Reader, sequences: list[Sequence]) -> int:
    """Tokens that no cache holds."""
    keys = dict.fromkeys(key for sequence in sequences for key in reader.pieces(sequence))
    store = reader.store
    return sum(len(key[1]) for key in keys if store is None or store.start(key) < 0)


@torch.no_grad()
def _states(reader: Reader, sequences: list[Sequence]) -> Float64:
    """(E, 2 D) the state at the last token and the mean over all, of like length."""
    place = {sequence: i for i, sequence in enumerate(dict.fromkeys(sequences))}
    distinct = list(place)
    lengths = np.array([length(s) for s in distinct], dtype=np.int64)
    parts = np.zeros((len(distinct), 0))
    with track("reading entities", int(lengths.sum()), "tokens") as advance:
        for group in chunks_by_length(lengths, GROUP):
            states = reader.lower([distinct[i] for i in group]).states.float()
            rows = np.arange(len(group), dtype=np.int64)
            last = states[torch.from_numpy(rows), torch.from_numpy(lengths[group] - 1)]
            last = functional.rms_norm(last, last.shape[-1:])
            both = torch.cat([last, weighted_means(states, None, rows, lengths[group])], dim=1)
            if not parts.shape[1]:
                parts = np.zeros((len(distinct), both.shape[1]))
            parts[group] = both.cpu().double().numpy()
            advance(int(lengths[group].sum()))
    found: Float64 = parts[[place[s] for s in sequences]]
    return found


def _alike(states: Float64) -> Float64:
    """(E, P) the directions in which states differ most, the large ones drawn nearer to others."""
    centred = states - states.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    first = np.argsort(-values)[: min(WIDTH, len(states) - 1)]
    found: Float64 = centred @ vectors[:, first] / np.sqrt(values[first] + RIDGE * values.max())
    return found / max(1e-9, float(np.sqrt((found**2).mean())))


class TextFolds(Folds):
    """Heads on texts, one set a fold.

    Args:
        graph: The graph.
        folds: (T,) fold of each train triple; one fold only trains on all of them.
        states: (E, P) of `text_states`.
        config: Settings, as of structure vectors.
    """

    def __init__(
        self, graph: KnowledgeGraph, folds: Int64, states: Float64, config: FoldConfig
    ) -> None:
        def train(
            part: KnowledgeGraph, fold: int, steps: int, advance: Advance
        ) -> StructureVectors:
            return train_heads(part, states, config, fold, steps, advance)

        def steps(triples: int) -> int:
            return min(STEPS, steps_for(triples, config))

        super().__init__(graph, folds, train_folds(graph, folds, steps, train, "heads on texts"))

    @classmethod
    def train(cls, graph: KnowledgeGraph, states: Float64, config: FoldConfig) -> TextFolds:
        """Draws the same folds as for structure vectors, and trains."""
        count = len(graph.triples_of("train"))
        settings = config.for_size(count)
        folds = fold_numbers(count, settings.folds, settings.seed)
        return cls(graph, folds, states, replace(settings, dropout=config.dropout))


def train_heads(
    graph: KnowledgeGraph,
    states: Float64,
    config: FoldConfig,
    fold: int,
    steps: int,
    advance: Advance,
) -> StructureVectors:
    """Trains a map from states to ComplEx vectors, and a vector for each relation.

    Args:
        graph: The graph; only its train triples are used.
        states: (E, P) of `text_states`.
        config: Settings.
        fold: Goes into the seed.
        steps: How many.
        advance: Told of each step.
    """
    objective = structure_objective(graph, config, fold)
    entities, relations = objective.parameters["entities"], objective.parameters["relations"]
    read = torch.from_numpy(states).float()
    draw = torch.Generator().manual_seed(config.seed * 100 + fold)
    first = torch.randn(read.shape[1], entities.shape[1], generator=draw)
    heads = nn.Parameter(first * (FIRST_SPREAD / read.shape[1] ** 0.5))
    optimizer = torch.optim.Adam([heads, relations], lr=config.learning_rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * (1 - step / steps)
        entities.data = read @ heads.data
        optimizer.zero_grad(set_to_none=True)
        entities.grad = None
        objective.loss({}, objective.batch(step)).value.backward()  # type: ignore[no-untyped-call]  # untyped there
        # The vectors are states times the map: so is their gradient.
        heads.grad = read.T @ entities.grad if entities.grad is not None else None
        optimizer.step()
        advance(1)
    entities.data = read @ heads.data
    return objective.vectors()
