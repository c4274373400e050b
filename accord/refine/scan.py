"""One pass over a graph: what looks wrong and what is missing, as items for review."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from accord.errors import ConfigError, GraphError
from accord.evaluate.by_run import ranks_by_text
from accord.evaluate.files import write_lines
from accord.evaluate.protocol import EmbeddingModel
from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.model.load import resolve
from accord.model.saving import model_folder, unfinished
from accord.progress import say
from accord.refine.attributes import flag_attributes, propose_attributes
from accord.refine.calibrate import expected_precision, next_precision
from accord.refine.duplicates import propose_duplicates
from accord.refine.flag import FlagConfig, Suspicion, check_size, judge_triples
from accord.refine.folds import FoldConfig, StructureFolds
from accord.refine.grounds import Trust, weakened
from accord.refine.items import Item
from accord.refine.propose import (
    Proposals,
    ProposeConfig,
    extracted_items,
    propose_triples,
    proposed_items,
)
from accord.refine.reasons import flag_items
from accord.refine.rules import Rules
from accord.refine.shapes import Shapes
from accord.refine.steps import Float64
from accord.refine.texts import TextFolds, text_states
from accord.train.checkpoint import RunFolder
from accord.train.setup import load_with_cache


@dataclass(frozen=True)
class ScanConfig:
    """What is looked for and what is kept."""

    least: float = 0.5
    """Probability from which something is put up for review."""
    most: int = 1000
    """Flags and proposals of triples at most, of each; the surest are kept."""
    structure: bool = True
    """Train structure vectors; without them rules (and the text model) judge."""
    folds: FoldConfig = field(default_factory=FoldConfig)
    """How they are trained."""
    text_share: float = 0.05
    """Share of the triples, the most suspicious ones, that the run's own text model reads where
    heads on its frozen states cannot be trained, or for `control`; 0: no text is read at all."""
    control: bool = False
    """Show beside the rest what the run says, which learnt from the triples; it does not count."""
    missing: float = 0.1
    """Share of the triples that should be in the graph and are believed to be missing: proposals'
    probabilities rest on it."""
    seed: int = 0
    """Of every draw."""

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1 or self.most < 1 or not 0 <= self.text_share <= 1:
            raise ConfigError(
                f"least={self.least}, most={self.most}, text_share={self.text_share}",
                "use probabilities from 0 to 1, and at least one item",
            )
        if not 0 < self.missing < 1:
            raise ConfigError(
                f"missing={self.missing} is not a share between 0 and 1",
                "say which share of the triples is believed to be missing, such as 0.1",
            )


@dataclass(frozen=True)
class Scan:
    """What a scan found."""

    items: list[Item]
    """For review: flags first, each kind with the surest first."""
    suspicion: Suspicion
    proposals: Proposals
    text: str | None
    """How texts were judged: `folds` by heads that did not see the triple, `in-sample` by a model
    that trained on the graph, None: not at all."""
    seconds: float

    def of_kind(self, kind: str) -> list[Item]:
        """The items of one kind: flag or proposal."""
        return [item for item in self.items if item.kind == kind]

    def to_dict(self) -> dict[str, Any]:
        """The result for JSON."""
        flags, proposals = self.of_kind("flag"), self.of_kind("proposal")
        learnt, shapes = self.proposals.learnt, self.suspicion.breaches
        return {
            "flags": len(flags),
            "proposals": len(proposals),
            "attributes": sum(item.attribute for item in self.items),
            "triples": len(self.suspicion.triples),
            "error_share": self.suspicion.error_share,
            "expected_precision": {
                "flags": _mean_probability(flags),
                "proposals": _mean_probability(proposals),
            },
            "expected_precision_next": {
                "flags": next_precision(_probabilities(flags)),
                "proposals": next_precision(_probabilities(proposals)),
            },
            "calibration": None if learnt is None else learnt.to_dict(),
            "text_model": self.text,
            "shapes": None if shapes is None else shapes.to_dict(),
            "seconds": self.seconds,
        }

    def write(self, path: str | Path, graph: KnowledgeGraph) -> Path:
        """Writes every judged triple and every candidate, for `accord eval refinement`.

        Args:
            path: A JSONL file: kind, head, relation, tail, score, probability, and for flags the
                score of each kind of evidence alone.
            graph: The graph that was scanned.
        """
        return write_lines(path, map(json.dumps, self._rows(graph)))

    def _rows(self, graph: KnowledgeGraph) -> Iterator[dict[str, Any]]:
        entities, relations = list(graph.entity_ids), list(graph.relation_ids)
        found, more = self.suspicion, self.proposals
        for row, (h, r, t) in enumerate(found.triples.tolist()):
            arms = {k: v for k, a in found.arms.items() if np.isfinite(v := float(a[row]))}
            yield {
                "kind": "flag", "head": entities[h], "relation": relations[r],
                "tail": entities[t], "score": float(found.logits[row]),
                "probability": float(found.probability[row]), "alone": arms,
            }  # fmt: skip
        for row, (h, r, t) in enumerate(more.triples.tolist()):
            yield {
                "kind": "proposal", "head": entities[h], "relation": relations[r],
                "tail": entities[t], "score": float(more.scores[row]),
                "probability": float(more.probability[row]),
            }  # fmt: skip


def _mean_probability(items: list[Item]) -> float | None:
    """The precision to expect of those whose probability is known."""
    known = _probabilities(items)
    return float(expected_precision(known)[-1]) if len(known) else None


def _probabilities(items: list[Item]) -> Float64:
    """Of those whose probability is known, the likeliest first, as the queue has them."""
    known = [item.probability for item in items if item.probability is not None]
    return np.array(sorted(known, reverse=True))


def scan_graph(
    graph: KnowledgeGraph,
    model: EmbeddingModel | None = None,
    config: ScanConfig | None = None,
    extracted: str | Path | None = None,
    states: Float64 | None = None,
    shapes: str | Path | None = None,
) -> Scan:
    """Looks through a graph; the graph is not changed.

    Args:
        graph: The graph; its train triples are judged, and what any split holds is not proposed.
        model: Whose frozen layers' states of texts heads are trained on, a fold at a time; a model
            without such states reads the most suspicious triples itself.
        config: Settings.
        extracted: What `accord extract` wrote, to be proposed as well.
        states: (E, P) of `accord.refine.texts.text_states`, where they are known already.
        shapes: A file of SHACL shapes that the graph should keep to.

    Returns:
        Items for review, and all scores.

    Raises:
        GraphError: Too few triples to learn from.
        DataError: `extracted` or `shapes` is no such file.
        ConfigError: Shapes without the extra that reads them.
    """
    config, start = config or ScanConfig(), time.monotonic()
    check_size(graph)
    told = [] if extracted is None else extracted_items(graph, extracted, config.least)
    wanted_shapes = None if shapes is None else Shapes.load(shapes)
    rules = Rules(graph, config.seed)
    folds = replace(config.folds, seed=config.seed)
    vectors = StructureFolds.train(graph, folds) if config.structure else None
    if states is None and config.text_share and isinstance(model, KnowledgeModel):
        states = text_states(model, graph)
    texts = None if states is None else TextFolds.train(graph, states, folds)
    judge = FlagConfig(text_share=config.text_share, seed=config.seed)
    asked = model if texts is None or config.control else None
    wrong = judge_triples(graph, rules, vectors, asked, judge, texts, wanted_shapes)
    wanted = ProposeConfig(folds=folds, missing=config.missing, seed=config.seed)
    missing = propose_triples(graph, rules, vectors, wanted, texts, states)
    trust = Trust.of(graph, wrong)
    missing = weakened(rules, missing, trust, config.least)
    rows = wrong.order()[: config.most]
    rows = rows[wrong.probability[rows] >= config.least]
    count = int((missing.probability >= config.least).sum())
    items = [
        *flag_items(graph, rules, wrong, rows),
        *_kept([] if wrong.breaches is None else wrong.breaches.attributes, config),
        *_kept(flag_attributes(graph), config),
        *proposed_items(graph, rules, missing, min(count, config.most), trust.steps),
        *told,
        *_kept(propose_attributes(graph, rules.steps, trust.steps), config),
        *_kept(propose_duplicates(graph, rules.steps), config),
    ]
    how = None if "text" not in wrong.arms else "in-sample" if texts is None else "folds"
    return Scan(_distinct(items), wrong, missing, how, time.monotonic() - start)


def check_inputs(
    graph: KnowledgeGraph, extracted: str | Path | None, shapes: str | Path | None
) -> None:
    """Makes sure, before texts are read for minutes, that `scan_graph` can use what it is given.

    Args:
        graph: As of `scan_graph`.
        extracted: As of `scan_graph`.
        shapes: As of `scan_graph`.

    Raises:
        AccordError: As of `scan_graph`.
    """
    check_size(graph)
    if extracted is not None:
        extracted_items(graph, extracted)
    if shapes is not None:
        Shapes.load(shapes)


def _kept(items: list[Item], config: ScanConfig) -> list[Item]:
    return [item for item in items if item.score >= config.least][: config.most]


def _distinct(items: list[Item]) -> list[Item]:
    """The first of items about the same statement."""
    found: dict[tuple[str | bool, ...], Item] = {}
    for item in items:
        found.setdefault(_said(item), item)
    return list(found.values())


def _said(item: Item) -> tuple[str | bool, ...]:
    return item.kind, *item.triple, item.attribute, item.datatype, item.language


def scan_model(run: str, graph: KnowledgeGraph) -> EmbeddingModel | None:
    """The text model that a scan asks: the run's, where it has learnt to rank by text.

    Args:
        run: RUN of the command line.
        graph: The graph to scan.

    Returns:
        The model; None for a base model, whose cosines say nothing about truth, and for a run
        that has not learnt to rank by text.

    Raises:
        GraphError: The run is of an unrelated graph.
        ModelError: No such run or model, or the run is not finished.
    """
    check_related(run, graph)
    folder = model_folder(run)
    if folder is None and (Path(run) / "config.toml").is_file():
        raise unfinished(run)
    if folder is None:
        resolve(run)  # a name that is misspelt shows
    if folder is None:
        return None
    if not ranks_by_text(run):
        say(f"{run} has not learnt to rank by text: it does not judge texts")
        return None
    return load_with_cache(run)


def base_states(run: str, graph: KnowledgeGraph) -> Float64 | None:
    """What a base model's lower layers say of a graph's entities; None for a run.

    Args:
        run: RUN of the command line.
        graph: The graph to scan.

    Raises:
        ModelError: No such model.
    """
    if model_folder(run) is not None:
        return None
    return text_states(load_with_cache(run), graph)


def check_related(run: str | Path, graph: KnowledgeGraph) -> None:
    """Refuses a run of another graph; a base model has none.

    Raises:
        GraphError: Neither graph descends from the other.
    """
    if not (Path(run) / "graph.json").is_file():
        return
    record = RunFolder(run).read_json("graph.json")
    older = record["hash"], *record.get("ancestors", ())
    if not graph.descends_from(str(record["hash"])) and graph.hash not in older:
        raise GraphError(
            f"{str(run)!r} is a run of graph {record['name']!r}, and {graph.name!r} does not "
            "descend from that",
            "scan the run's own graph or one made from it by patches, or train on this one",
        )
