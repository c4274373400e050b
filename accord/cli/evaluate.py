"""`accord eval`: link prediction, triples, questions, multiple choice, retention."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.evaluate_asking import abstention, asking, decisions, soft_fusion
from accord.cli.evaluate_refinement import refinement
from accord.cli.evaluate_text import linking, ner, pairs, relations, typing
from accord.cli.opening import open_graph, record

if TYPE_CHECKING:
    from accord.evaluate.graph_qa import GraphQaConfig
    from accord.evaluate.qa_items import QaConfig
    from accord.evaluate.triples import Labelled
    from accord.graph.graph import KnowledgeGraph

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure a run or a base model.")
Run = Annotated[str, typer.Argument(help="Run folder, or a base model's name.")]
Split = Annotated[str, typer.Option(help="valid or test (or train).")]
Seed = Annotated[
    int, typer.Option(min=0, help="Of every draw; the same seed gives the same result.")
]
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
    structure: Annotated[
        Path | None,
        typer.Option(
            help="Run or folder with structure embeddings to report beside, alone and added to "
            "the text's scores. Default: the run's own, if it has some."
        ),
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    hits: Annotated[list[int] | None, typer.Option(min=1, help="Also Hits@k; repeatable.")] = None,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="JSONL: every query with its ranks.")
    ] = None,
    before: Before = None,
    as_json: JsonFlag = False,
) -> None:
    """Ranks all entities as tails and heads: MR, MRR and Hits@k, filtered."""
    from accord.evaluate.by_run import link_prediction_of
    from accord.evaluate.link_prediction import LinkPredictionConfig
    from accord.evaluate.ranking import HITS
    from accord.evaluate.rerank import StructureBoost

    known = _graph(run, graph, before)
    boost = StructureBoost(structure_hops, structure_weight) if structure_hops else None
    config = LinkPredictionConfig(
        split=split, filter_splits=tuple(filter_with or ()) or None, boost=boost, limit=limit,
        seed=seed, hits=tuple(sorted({*HITS, *(hits or ())})),
    )  # fmt: skip
    result = link_prediction_of(run, known, config, structure)
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
    questions: Annotated[
        list[Path] | None,
        typer.Option("--qa", help="JSONL of questions with answers; repeatable, for train too."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="triple: complete and judge triples (default without --qa); questions."),
    ] = None,
    split: Split = "valid",
    mode: Annotated[
        str | None,
        typer.Option(
            help="Questions: direct, rationale-given (by the file) or rationale-written; default: "
            "as the run has learnt to answer."
        ),
    ] = None,
    hops: Annotated[
        bool, typer.Option("--hops", help="Also ask for each question's facts one by one.")
    ] = False,
    hop_form: Annotated[
        str, typer.Option(help="Facts are asked as a question or as a (trained) completion.")
    ] = "question",
    known_from: Annotated[
        Path | None,
        typer.Option(help="--out of another run with --hops: what counts as known before."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Triples: head, tail, relation or classification; repeatable. Default: all."
        ),
    ] = None,
    style: Annotated[str, typer.Option(help="Triples: bracket or instruction.")] = "bracket",
    shots: Annotated[
        int | None,
        typer.Option(min=0, help="Solved examples in a prompt. Default: triples 3, questions 0."),
    ] = None,
    describe: Annotated[
        bool,
        typer.Option("--describe/--no-describe", help="Triples: descriptions, or names only."),
    ] = True,
    as_trained: Annotated[
        bool,
        typer.Option("--as-trained", help="No prompt: complete the trained text; head, tail only."),
    ] = False,
    choices: Annotated[int, typer.Option(min=2, help="Relations listed to choose from.")] = 20,
    limit: Annotated[
        int,
        typer.Option(
            min=0, help="Triples or questions; each relation or path keeps its share; 0 for all."
        ),
    ] = 1000,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="JSONL: every question and answer.")
    ] = None,
    before: Before = None,
    as_json: JsonFlag = False,
) -> None:
    """Asks in words: questions over a graph (--qa), or triples to complete and to judge."""
    from accord.errors import ConfigError

    known_tasks = ("triple", "questions")
    chosen = task or ("questions" if questions else "triple")
    if chosen not in known_tasks:
        raise ConfigError(f"no task {task!r}", "choose --task triple or --task questions")
    if (chosen == "questions") != bool(questions):
        raise ConfigError(
            f"--task {chosen} and --qa do not go together" if questions else "no questions given",
            "questions need --qa FILE, triples none",
        )
    if questions:
        from accord.evaluate.by_run import mode_of
        from accord.evaluate.graph_qa import GraphQaConfig

        _questions(
            run, graph, before, questions, out, as_json,
            GraphQaConfig(
                split=split, mode=mode or mode_of(run), shots=shots or 0, limit=limit or None,
                seed=seed, hops=hops, hop_form=hop_form, known_from=str(known_from or ""),
            ),
        )  # fmt: skip
        return
    from accord.evaluate.qa_items import TASKS, QaConfig
    from accord.text.prompts import PromptConfig

    _triples_in_words(
        run, graph, before, split, out, as_json,
        QaConfig(
            tasks=tuple(only or (TASKS[:2] if as_trained else TASKS)),
            limit=limit or None,
            choices=choices,
            seed=seed,
            prompt=PromptConfig(style, 3 if shots is None else shots, describe),
            as_trained=as_trained,
        ),
    )  # fmt: skip


def _triples_in_words(
    run: str,
    graph: str | None,
    before: Path | None,
    split: str,
    out: Path | None,
    as_json: bool,
    config: QaConfig,
) -> None:
    from accord.evaluate.qa import evaluate_qa
    from accord.model.saving import load_model

    known = _graph(run, graph, before)
    result = evaluate_qa(load_model(run), known, split, config)
    if out:
        result.dump(out)
    _finish("qa", run, before, result, as_json)


def _questions(
    run: str,
    graph: str | None,
    before: Path | None,
    files: list[Path],
    out: Path | None,
    as_json: bool,
    config: GraphQaConfig,
) -> None:
    from accord.evaluate.graph_qa import evaluate_graph_qa, load_questions
    from accord.model.saving import load_model

    asked = load_questions(files)
    known = _graph(run, graph, before) if config.hops else None
    result = evaluate_graph_qa(load_model(run), known, asked, config)
    if out:
        result.dump(out)
    _finish(f"questions-{files[0].name.split('.')[0]}", run, before, result, as_json)


@app.command()
def choice(
    run: Run,
    data: Annotated[
        str,
        typer.Option(
            help="arc-easy, arc-challenge, commonsenseqa, mmlu, bbh, race-m, race-h, absr, "
            "openbookqa, or a JSONL file with question, choices and answer."
        ),
    ],
    split: Split = "valid",
    form: Annotated[
        str,
        typer.Option(help="text: how probable each choice is; letters: choices are listed."),
    ] = "text",
    limit: Annotated[
        int, typer.Option(min=0, help="Items; each subject keeps its share; 0 for all.")
    ] = 0,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="JSONL: every item with its scores.")
    ] = None,
    before: Before = None,
    as_json: JsonFlag = False,
) -> None:
    """Multiple choice by likelihood: raw, and divided by the bytes of a choice."""
    from accord.evaluate.choice import ChoiceConfig, evaluate_choice
    from accord.evaluate.choice_heads import choosing_model
    from accord.text.choice_sets import load_choices

    config = ChoiceConfig(form=form, limit=limit or None, seed=seed)
    items = load_choices(data, split)
    result = evaluate_choice(choosing_model(run), items, config)
    if out:
        result.dump(out)
    _finish(f"choice-{items.name}", run, before, result, as_json)


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


app.command()(relations)
app.command()(linking)
app.command()(ner)
app.command()(typing)
app.command()(pairs)
app.command()(decisions)
app.command()(abstention)
app.command()(asking)
app.command("soft-fusion")(soft_fusion)
app.command()(refinement)


def _graph(run: str, graph: str | None, before: Path | None) -> KnowledgeGraph:
    return open_graph(run if before is None else str(before), graph)


def _finish(kind: str, run: str, before: Path | None, result: Any, as_json: bool) -> None:
    found = result.to_dict()
    record(kind, run, before, found)
    emit(found, as_json, result.to_text)
