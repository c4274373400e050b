"""Held-out texts of a run: its objectives over them, and their losses without gradient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.base import Encode, Objective, Request, Score, places_of
from accord.objectives.choice import Choice
from accord.objectives.labels import UNKNOWN, Labels
from accord.objectives.linking import Linking
from accord.objectives.modelling import Modelling
from accord.objectives.relations import Relations
from accord.objectives.spans import Spans
from accord.text.candidates import Candidates
from accord.text.collate import chunks_by_length
from accord.text.examples import RelationExample, length
from accord.text.mentions import MentionIndex
from accord.train.extraction import (
    link_items,
    marked_pieces,
    modelling_texts,
    read_examples,
    read_tagged,
    sample,
)
from accord.train.recipe import Recipe
from accord.train.setup import Weighted
from accord.train.tasks import Tasks, choice_items, pair_items, typing_items


@dataclass(frozen=True)
class _Held:
    """What is held out, and what reads it."""

    recipe: Recipe
    model: KnowledgeModel
    graph: KnowledgeGraph
    examples: list[RelationExample]
    tasks: Tasks

    def relations(self, objective: Relations) -> Objective | None:
        """None where no pair is judged."""
        judged = [example for example in self.examples if example.asked]
        twice = self.recipe.relations.twice
        items = list(read_examples(self.model, judged, objective.vocabulary, twice))
        return objective.over(items) if items else None

    def linking(self, objective: Linking) -> Objective | None:
        """None where no mention has a candidate."""
        if not self.examples:
            return None
        candidates = Candidates(self.graph, MentionIndex(self.graph))
        found = link_items(self.model, candidates, self.examples, self.recipe.linking.twice)
        some = sample(list(found), self.recipe.loop.validate_queries, self.recipe.seed)
        return objective.over(some) if any(item.candidates for item in some) else None

    def spans(self, objective: Spans) -> Objective | None:
        """None where no text has all its mentions marked."""
        pieces, twice = marked_pieces(self.examples), self.recipe.spans.twice
        texts = list(read_tagged(self.model, pieces, objective.kinds, twice))
        return objective.over(texts) if texts else None

    def modelling(self, objective: Modelling) -> Objective | None:
        """None where no text has two tokens."""
        texts = modelling_texts(self.model, self.examples, self.recipe.modelling.tokens)
        some = any(len(text.sequence[0]) > 1 for text in texts)
        return objective.over(texts) if some else None

    def labels(self, objective: Labels) -> Objective | None:
        """None where nothing has a label that is learnt."""
        if objective.name == "typing":
            twice = self.recipe.typing.twice
            items = list(typing_items(self.model, self.examples, objective.labels, twice))
        else:
            read = pair_items(self.model, self.tasks.pairs, objective.labels)
            items = [item for _, item in read]
        known = [item for item in items if item.label != UNKNOWN]
        return objective.over(known) if known else None


def hold_out(
    recipe: Recipe,
    model: KnowledgeModel,
    graph: KnowledgeGraph,
    objectives: Weighted,
    examples: Iterable[RelationExample],
    tasks: Tasks | None = None,
) -> list[Objective]:
    """The objectives of a run over its held-out texts, with the heads that are trained.

    A step of theirs sees all that is held out.

    Args:
        recipe: The recipe.
        model: The model that is trained.
        graph: Where candidates of mentions come from.
        objectives: Of the run.
        examples: Held-out texts.
        tasks: Held-out pairs and multiple-choice items.

    Returns:
        Those for which something is held out.
    """
    held = _Held(recipe, model, graph, list(examples), tasks or Tasks())
    found: list[Objective | None] = []
    for objective, _ in objectives:
        if isinstance(objective, Relations):
            found.append(held.relations(objective))
        elif isinstance(objective, Linking):
            found.append(held.linking(objective))
        elif isinstance(objective, Spans):
            found.append(held.spans(objective))
        elif isinstance(objective, Modelling):
            found.append(held.modelling(objective))
        elif isinstance(objective, Labels):
            found.append(held.labels(objective))
        elif isinstance(objective, Choice):
            items = choice_items(model, held.tasks.choices)
            found.append(objective.over(items) if items else None)
    return [objective for objective in found if objective is not None]


@torch.no_grad()
def held_out_loss(model: KnowledgeModel, objective: Objective) -> dict[str, float]:
    """The loss of an objective over all that is held out for it, and its parts.

    What is drawn, such as negatives, is the same at every validation.

    Args:
        model: Reads the texts, without dropout.
        objective: As `hold_out` gives it.

    Returns:
        "loss" and the parts.
    """
    batch = objective.batch(0)
    asked = objective.requests(batch)
    loss = objective.loss({k: read(model, request) for k, request in asked.items()}, batch)
    return {"loss": float(loss.value), **loss.parts}


CHUNK_TOKENS = 4096


def read(model: KnowledgeModel, request: Request) -> Any:
    """What a step gives for a request, without gradient; a teacher is not asked.

    Args:
        model: The model.
        request: For embeddings, states, or log-probabilities of given tokens.

    Returns:
        As `objectives.base.Outputs` says.
    """
    points, sequences = places_of(request, model.reader.ends), request.sequences
    lengths = np.array([length(sequence) for sequence in sequences], dtype=np.int64)
    parts, order = [], []
    for group in chunks_by_length(lengths, CHUNK_TOKENS):
        row = np.full(len(sequences), -1, dtype=np.int64)
        row[group] = np.arange(len(group))
        places = np.flatnonzero(row[points.rows] >= 0)
        if not len(places):
            continue
        texts = [sequences[i] for i in group]
        at = points.positions[places]
        parts.append(model.reader.states_at(texts, row[points.rows[places]], at))
        order.append(places)
    states = torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(order)))]
    if isinstance(request, Encode):
        return model.pool(states.reshape(len(sequences), -1), request.view)
    if isinstance(request, Score) and isinstance(request.targets, torch.Tensor):
        return model.logprobs(states, request.targets.to(states.device), request.temperature)
    return states
