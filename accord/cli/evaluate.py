"""`accord eval`: link prediction, triple classification, generation, retention."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph, record

if TYPE_CHECKING:
    from accord.evaluate.triples import Labelled
    from accord.graph.graph import KnowledgeGraph

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure a run or a base model.")
Run = Annotated[str, typer.Argument(help="Run folder, or a base model's name.")]
Split = Annotated[str, typer.Option(help="valid or test (or train).")]
Seed = Annotated[int, typer.Option(help="Of every draw; the same seed gives the same result.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="Only so many triples; each relation keeps its share."),
]
Before = Annotated[
    Path | None,
    typer.Option(
        help="A run folder: measure RUN (its base model) as that run's 'before', on its graph, "
        "and keep the result there for `accord report`."
    ),
]


@app.command("link-prediction")
def link_prediction(
    run: Run,
    graph: GraphOption = None,
    split: Split = "valid",
    filter_with: Annotated[
        list[str] | None,
        typer.Option(
            help="Split whose triples are known and do not compete; repeatable. Default: train "
            "and valid, and test too only with --split test."
        ),
    ] = None,
    structure_hops: Annotated[
        int | None,
        typer.Option(min=1, help="Also re-rank: candidates within so many train edges gain."),
    ] = None,
    structure_weight: Annotated[float, typer.Option(help="What they gain.")] = 0.05,
    limit: Limit = None,
    seed: Seed = 0,
    hits: Annotated[list[int] | None, typer.Option(min=1, help="Also Hits@k; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSONL: every query with its ranks.")] = None,
    before: Before = None,
    as_json: JsonFlag = False,
) -> None:
    """Ranks all entities as tails and heads: MR, MRR and Hits@k, filtered."""
    from accord.evaluate.link_prediction import evaluate_link_prediction
    from accord.evaluate.ranking import HITS
    from accord.evaluate.rerank import StructureBoost
    from accord.model.saving import load_model

    known = _graph(run, graph, before)
    boost = StructureBoost(structure_hops, structure_weight) if structure_hops else None
    result = evaluate_link_prediction(
        load_model(run),
        known,
        split,
        tuple(filter_with) if filter_with else None,
        boost,
        limit,
        seed,
        sorted({*HITS, *(hits or ())}),
    )
    if out:
        result.dump(out)
    _finish("link-prediction", run, before, result, as_json)


@app.command()
def triples(
    run: Run,
    graph: GraphOption = None,
    split: Split = "valid",
    limit: Limit = None,
    seed: Seed = 0,
    before: Before = None,
    as_json: JsonFlag = False,
) -> None:
    """Judges triples true or false, with a threshold a relation chosen on valid.

    Labelled false triples are used where the data set has them; else tails are exchanged. With
    --split valid, one half of valid gives the thresholds and the other half is judged.
    """
    from accord.evaluate.triples import evaluate_triples, halves
    from accord.model.saving import load_model

    known = _graph(run, graph, before)
    valid = _labelled(known, "valid", limit, seed)
    if split == "valid":
        valid, judged = halves(valid, seed)
    else:
        judged = _labelled(known, split, limit, seed)
    result = evaluate_triples(load_model(run), known, valid, judged, split)
    _finish("triples", run, before, result, as_json)


def _labelled(graph: KnowledgeGraph, split: str, limit: int | None, seed: int) -> Labelled:
    from accord.evaluate.triples import corrupted, published
    from accord.graph.datasets import LABELLED, load_labelled

    if graph.name in LABELLED:
        return published(*load_labelled(graph.name, split, graph), graph.name, limit, seed)
    return corrupted(graph, split, None if limit is None else max(1, limit // 2), seed)


@app.command()
def qa(
    run: Run,
    graph: GraphOption = None,
    task: Annotated[str, typer.Option(help="triple: complete and judge triples.")] = "triple",
    split: Split = "valid",
    only: Annotated[
        list[str] | None,
        typer.Option(help="head, tail, relation or classification; repeatable. Default: all."),
    ] = None,
    style: Annotated[str, typer.Option(help="Prompts: bracket or instruction.")] = "bracket",
    shots: Annotated[int, typer.Option(min=0, help="Solved examples in a prompt.")] = 3,
    describe: Annotated[
        bool, typer.Option("--describe/--no-describe", help="Give descriptions, or names only.")
    ] = True,
    as_trained: Annotated[
        bool,
        typer.Option("--as-trained", help="No prompt: complete the trained text; head, tail only."),
    ] = False,
    choices: Annotated[int, typer.Option(min=2, help="Relations listed to choose from.")] = 20,
    limit: Annotated[
        int, typer.Option(min=0, help="Triples; each relation keeps its share; 0 for all.")
    ] = 1000,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="JSONL: every question and answer.")] = None,
    before: Before = None,
    as_json: JsonFlag = False,
) -> None:
    """Asks in words: head, tail and relation prediction, and triple classification."""
    from accord.errors import ConfigError
    from accord.evaluate.qa import evaluate_qa
    from accord.evaluate.qa_items import TASKS, QaConfig
    from accord.model.saving import load_model
    from accord.text.prompts import PromptConfig

    if task != "triple":
        raise ConfigError(f"no task {task!r}", "choose --task triple")
    config = QaConfig(
        tasks=tuple(only or (TASKS[:2] if as_trained else TASKS)),
        limit=limit or None,
        choices=choices,
        seed=seed,
        prompt=PromptConfig(style, shots, describe),
        as_trained=as_trained,
    )
    known = _graph(run, graph, before)
    result = evaluate_qa(load_model(run), known, split, config)
    if out:
        result.dump(out)
    _finish("qa", run, before, result, as_json)


@app.command()
def retention(
    run: Run,
    graph: GraphOption = None,
    text: Annotated[
        Path | None,
        typer.Option(help="Text for perplexity (.gz too); default: WikiText-2 if at hand."),
    ] = None,
    kl_text: Annotated[
        Path | None,
        typer.Option(help="Text for the divergence; default: what the base model writes."),
    ] = None,
    words: Annotated[int, typer.Option(min=0, help="Words read at most; 0 for all.")] = 20_000,
    seed: Seed = 0,
    before: Before = None,
    as_json: JsonFlag = False,
) -> None:
    """What was kept: perplexity, KL to the base model, shape of the embeddings."""
    from accord.evaluate.drift import BaseComparison
    from accord.evaluate.retention import (
        RetentionConfig,
        evaluate_retention,
        find_wikitext,
        read_text,
    )
    from accord.model.saving import load_model

    chosen = text or find_wikitext()
    read = read_text(chosen) if chosen else None
    drift = read_text(kl_text) if kl_text else None
    known = _graph(run, graph, before)
    config = RetentionConfig(words=words, seed=seed)
    model = load_model(run)
    result = evaluate_retention(model, BaseComparison(model), known, read, drift, config)
    _finish("retention", run, before, result, as_json)


def _graph(run: str, graph: str | None, before: Path | None) -> KnowledgeGraph:
    return open_graph(run if before is None else str(before), graph)


def _finish(kind: str, run: str, before: Path | None, result: Any, as_json: bool) -> None:
    found = result.to_dict()
    record(kind, run, before, found)
    emit(found, as_json, result.to_text)
