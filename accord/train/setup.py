"""From a recipe and a graph to a model, objectives and a cache, ready for the loop."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from accord.errors import ConfigError, DataError
from accord.graph.graph import KnowledgeGraph
from accord.model import load
from accord.model.config import ModelConfig
from accord.model.knowledge_model import KnowledgeModel
from accord.model.pooled import PooledStates
from accord.model.reading import flat
from accord.model.saving import base_sha256, load_model, trainable
from accord.objectives.base import Objective
from accord.objectives.completion import Completion
from accord.objectives.contrastive import Contrastive
from accord.objectives.language import Language
from accord.objectives.structure import Structure
from accord.objectives.triples import TripleSource
from accord.progress import say, track
from accord.text.collate import tokens
from accord.text.examples import RelationExample, Sequence, length
from accord.text.pieces import read_pieces
from accord.text.questions import Question
from accord.train.cache import GIGABYTE, RECORD, build_cache, open_cache, plan_pieces
from accord.train.checkpoint import RunFolder
from accord.train.extraction import (
    build_linking,
    build_modelling,
    build_relations,
    build_spans,
    learns_labels,
)
from accord.train.knowledge import build_knowledge
from accord.train.mixing import add_balances
from accord.train.questions import build_rationale
from accord.train.recipe import Recipe
from accord.train.tasks import Tasks, task_objectives

TEXTS, CACHE = "texts.json", "cache"
"""Places in a run folder."""
Weighted = list[tuple[Objective, float]]
Int64 = npt.NDArray[np.int64]


def build_objectives(
    recipe: Recipe,
    model: KnowledgeModel,
    graph: KnowledgeGraph,
    texts: Iterable[Path] = (),
    run: RunFolder | None = None,
    questions: Iterable[Question] = (),
    examples: Collection[RelationExample] = (),
    tasks: Tasks | None = None,
) -> Weighted:
    """The objectives whose weight is not 0.

    Args:
        recipe: The recipe.
        model: The model that will be trained.
        graph: The graph; only its train split is used.
        texts: Files of plain text for the language objective; none lets the model write them.
        run: Keeps those texts, so that every process and every later piece of a run has the same.
        questions: Of `--qa`, for the rationale objective.
        examples: Texts with mentions, for the relations and the linking objective.
        tasks: Labelled pairs and multiple-choice items.

    Returns:
        Objectives with their weights.
    """
    if not model.reader.causal:
        _check_encoder(recipe)
    found = Weighted()
    if recipe.contrastive.weight or recipe.completion.weight:
        found += _triple_objectives(recipe, model, graph)
    if recipe.rationale.weight:
        rationale = build_rationale(recipe, model, graph, questions)
        found.append((rationale, recipe.rationale.weight))
    if recipe.relations.weight:
        relations = build_relations(recipe, model, examples, run)
        found.append((relations, recipe.relations.weight))
    if recipe.linking.weight:
        linking = build_linking(recipe, model, graph, examples)
        found.append((linking, recipe.linking.weight))
    if recipe.modelling.weight:
        modelling = build_modelling(recipe, model, examples)
        found.append((modelling, recipe.modelling.weight))
    if recipe.spans.weight:
        found.append((build_spans(recipe, model, examples, run), recipe.spans.weight))
    found += task_objectives(recipe, model, examples, tasks or Tasks(), run)
    if recipe.language.weight:
        plain = _kept_texts(recipe, model, list(texts), run)
        found.append((Language(plain, recipe.language, recipe.seed), recipe.language.weight))
    if recipe.knowledge.weight:
        known = build_knowledge(recipe, model, graph)
        found.append((known, recipe.knowledge.weight))
    if recipe.structure.weight:
        structure = Structure(triple_source(recipe, graph), recipe.structure)
        found.append((structure, recipe.structure.weight))
    add_balances(found, recipe.loop.balance)
    return found


def _check_encoder(recipe: Recipe) -> None:
    """Refuses objectives that predict next tokens for a model that does not."""
    for part in ("completion", "rationale", "language"):
        if getattr(recipe, part).weight:
            raise ConfigError(
                f"the {part} objective predicts next tokens, which an encoder does not",
                f"set {part}.weight=0; modelling.weight trains an encoder on masked tokens",
            )


def triple_source(recipe: Recipe, graph: KnowledgeGraph) -> TripleSource:
    """The train triples, those of changed entities more often where the recipe names some.

    Raises:
        DataError: The file of changed entities is not there or is no list of ids.
    """
    changed, share = recipe.loop.changed, recipe.loop.changed_share
    if changed is None:
        return TripleSource(graph, recipe.seed)
    try:
        ids = [str(identifier) for identifier in json.loads(changed.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"no list of ids ({error})", changed, hint="rounds write one") from error
    return TripleSource(graph, recipe.seed, graph.entities(ids).tolist(), share)


def _triple_objectives(recipe: Recipe, model: KnowledgeModel, graph: KnowledgeGraph) -> Weighted:
    source, found = triple_source(recipe, graph), Weighted()
    sequences = model.texts(graph)
    sequences.prepare(range(graph.num_entities))
    if recipe.contrastive.weight:
        contrastive = Contrastive(source, sequences, recipe.contrastive, recipe.model.query)
        found.append((contrastive, recipe.contrastive.weight))
    if recipe.completion.weight:
        size = (
            recipe.contrastive.batch_size if recipe.contrastive.weight else recipe.completion.rows
        )
        completion = Completion(source, sequences, recipe.completion, size)
        found.append((completion, recipe.completion.weight))
    return found


def _kept_texts(
    recipe: Recipe, model: KnowledgeModel, files: list[Path], run: RunFolder | None
) -> list[Sequence]:
    if run is None:
        return language_texts(recipe, model, files)
    if not (run.path / TEXTS).is_file():
        written = language_texts(recipe, model, files)
        run.write_json(TEXTS, {"tokens": [[*map(list, text)] for text in written]})
    return [tuple(map(tuple, text)) for text in run.read_json(TEXTS)["tokens"]]


@torch.no_grad()
def start_projection(recipe: Recipe, model: KnowledgeModel, graph: KnowledgeGraph) -> None:
    """Gives the maps after pooling their closed-form start from train triples.

    Args:
        recipe: The recipe; nothing is done without a projection or with projection_start=0.
        model: The model; its adapter is still at zero.
        graph: The graph; only its train split is used.
    """
    if model.projection.rarity is not None:
        model.projection.rarity.copy_(rarity(model, graph))
    if not (recipe.model.projection and recipe.model.projection_start):
        return
    triples, texts = TripleSource(graph, recipe.seed).triples, model.texts(graph)
    count = min(recipe.model.projection_start, len(triples))
    rng = np.random.default_rng([recipe.seed, 3])
    drawn = triples[rng.choice(len(triples), size=count, replace=False)].tolist()
    pairs = np.array(drawn, dtype=np.int64)[:, :2]
    states = {
        view: torch.from_numpy(model.hidden_states(sequences, view))
        for view, sequences in texts.query_readings(pairs, recipe.model.query).items()
    }
    tails = torch.from_numpy(model.hidden_states([texts.tail(t) for _, _, t in drawn], "tail"))
    if "query" in states:
        model.projection.start_from(states.pop("query"), tails)
    else:
        states["tail"] = tails
    for view, found in states.items():
        model.projection.centre(view, found)


def rarity(model: KnowledgeModel, graph: KnowledgeGraph) -> torch.Tensor:
    """How rare each token is among the texts of a graph's entities.

    Source: inverse document frequency, Spärck Jones 1972.

    Returns:
        (V,) float32 natural logarithms, .01 at least: a text of common tokens alone has a mean too.
    """
    texts, count = model.texts(graph), graph.num_entities
    seen = [np.unique(flat(texts.tail(entity))) for entity in range(count)]
    found = np.bincount(np.concatenate(seen), minlength=load.vocabulary(model.lm))
    weights = np.log((count + 1) / (found + 1)).clip(0.01)
    return torch.from_numpy(weights.astype(np.float32))


def pooled_texts(
    recipe: Recipe, model: KnowledgeModel, objectives: Weighted
) -> tuple[list[Sequence], Int64]:
    """The texts whose states a run keeps in memory: where only the maps train, and all fit.

    Args:
        recipe: The recipe; `loop.cache_gb` is the limit here too.
        model: The model.
        objectives: What will be asked for.

    Returns:
        N distinct texts, none where states are not kept, and the (N, P) places asked for.
    """
    texts: list[Sequence] = []
    if not trainable(model.lm) and model.fusion is None and model.reader.causal:
        embedded = (o for o, _ in objectives if isinstance(o, Contrastive))
        texts = list(dict.fromkeys(s for o in embedded for s in o.sequences()))
    if len(texts) * model.projection.hidden * 4 > recipe.loop.cache_gb * GIGABYTE:
        texts = []
    return texts, model.reader.ends(np.array([length(text) for text in texts], dtype=np.int64))


def keep_pooled(recipe: Recipe, model: KnowledgeModel, objectives: Weighted) -> None:
    """Reads every text to the end once where only the maps train, see `pooled_texts`."""
    texts, places = pooled_texts(recipe, model, objectives)
    if texts:
        states = torch.from_numpy(model.hidden_states(texts, "tail")).to(model.device)
        states = states.view(len(texts), places.shape[1], -1)
        model.reader.pooled = PooledStates(texts, places, states)


def language_texts(recipe: Recipe, model: KnowledgeModel, files: list[Path]) -> list[Sequence]:
    """Token sequences to stay fluent in: windows of files, or the model's own continuations."""
    config = recipe.language
    if files:
        return _windows(model, files, config.tokens, config.texts)
    say(f"writing {config.texts} texts with the model as it starts, to stay near its language")
    return own_continuations(model, config.texts, config.tokens, recipe.seed)


def _windows(model: KnowledgeModel, files: list[Path], size: int, count: int) -> list[Sequence]:
    found: list[Sequence] = []
    for path in files:
        ids = tokens(model.tokenizer, "".join(read_pieces(path)))
        found += [(ids[i : i + size],) for i in range(0, len(ids) - 1, size)]
    if not found:
        raise ConfigError("the text files hold no text", "give files with at least two tokens")
    stride = max(1, len(found) // count)
    return found[::stride][:count]


@torch.no_grad()
def own_continuations(model: KnowledgeModel, count: int, size: int, seed: int) -> list[Sequence]:
    """Texts that the model writes itself from nothing, sampled at temperature 1.

    Args:
        model: The model, before it is trained.
        count: How many texts.
        size: Tokens of each.
        seed: Of the sampling.

    Returns:
        Sequences of one segment; end tokens and what follows them are cut off.
    """
    start = model.tokenizer.unk_token_id
    start = model.tokenizer.eos_token_id if start is None else start
    first = torch.full((count, 1), int(start), device=model.device)
    torch.manual_seed(seed)
    with track(f"writing {count} texts", size, "tokens each") as advance:

        def shown(ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            advance(1)
            return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)  # nothing stops here

        out = model.lm.generate(  # type: ignore[operator]  # of a module
            input_ids=first,
            attention_mask=torch.ones_like(first),
            max_new_tokens=size,
            do_sample=True,
            top_k=0,
            pad_token_id=model.tokenizer.pad_token_id,
            stopping_criteria=[shown],
        )
    stop = {int(model.tokenizer.eos_token_id), int(model.tokenizer.pad_token_id)}
    found: list[Sequence] = []
    for row in out.tolist():
        end = next((i for i, t in enumerate(row) if i and t in stop), len(row))
        found.append((tuple(row[:end]),))
    return found


def validation_readings(
    recipe: Recipe, model: KnowledgeModel, graph: KnowledgeGraph
) -> list[Sequence]:
    """Every distinct text of valid queries, where a run's validation ranks by text; else none."""
    if not recipe.contrastive.weight and (recipe.rationale.weight or learns_labels(recipe)):
        return []
    valid = graph.triples_of("valid").astype(np.int64)
    queries = np.concatenate([valid[:, :2], valid[:, [2, 1]] + [0, graph.num_relations]])
    texts = model.texts(graph)
    return list(texts.readings_once(np.unique(queries, axis=0), recipe.model.query))


def attach_cache(
    recipe: Recipe,
    model: KnowledgeModel,
    objectives: Weighted,
    folder: Path,
    also: Iterable[Sequence] = (),
) -> int:
    """Reads the frozen layers once for every text that training and validation ask for.

    Args:
        recipe: The recipe; nothing is done without frozen layers or with cache_gb=0.
        model: The model; its reader gets the cache.
        objectives: What will be asked for.
        folder: Where the cache lies.
        also: Further texts, such as those of validation.

    Returns:
        Tokens in the cache.
    """
    if not (recipe.model.freeze_layers and recipe.loop.cache_gb):
        return 0
    asked = (s for objective, _ in objectives for s in objective.sequences())
    pieces = plan_pieces(model.reader, (s for group in (asked, also) for s in group))
    others = [Path(run) / CACHE for run in recipe.loop.cache_from]
    model.reader.store = build_cache(
        model.reader, pieces, folder, recipe.loop.cache_gb, _identity(recipe.model), others
    )
    return sum(len(key[1]) for key in pieces)


def load_with_cache(name: str | Path, device: str | None = None) -> KnowledgeModel:
    """Opens a run or a base model; texts that the run kept are not read through the frozen layers.

    Args:
        name: As in `accord.load_model`.
        device: "cpu", "cuda", ...; None picks one.

    Returns:
        The model, in eval mode.
    """
    model = load_model(name, device)
    if model.config.freeze_layers and (Path(name) / CACHE / RECORD).is_file():
        model.reader.store = open_cache(Path(name) / CACHE, _identity(model.config))
    return model


def _identity(config: ModelConfig) -> str:
    """Of which model and layers states are."""
    return f"{base_sha256(config.name)} {config.freeze_layers}"
