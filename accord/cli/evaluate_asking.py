"""`accord eval asking`, `abstention` and `decisions`: how often right, how sure, when silent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.ask import HopsOption, PlannerOption, RankingOption, open_guide
from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph, record

if TYPE_CHECKING:
    from accord.text.questions import Question

Run = Annotated[str, typer.Argument(help="Run folder, or a base model's name with --graph.")]


def decisions(
    run: Run,
    graph: GraphOption = None,
    split: Annotated[str, typer.Option(help="valid or test.")] = "valid",
    options: Annotated[int, typer.Option(help="Options of an item.")] = 4,
    limit: Annotated[int, typer.Option(min=0, help="Items, drawn by the seed; 0 for all.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the draw and the other options.")] = 0,
    model: Annotated[
        bool, typer.Option("--model", help="Let the model's opinion count as well.")
    ] = False,
    fit: Annotated[
        bool, typer.Option("--fit", help="Learn weights and temperature from these items.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where the weights are kept, as JSON.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Weights to measure with; default: not calibrated.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Which typed option stands in a held-out relation: accuracy and calibration error."""
    from accord.decode.decide import Decider
    from accord.decode.decision import Calibration
    from accord.errors import ConfigError
    from accord.evaluate.decisions import (
        DecisionsConfig,
        evaluate_decisions,
        read_calibration,
        write_calibration,
    )

    if fit and calibration:
        raise ConfigError("--fit learns what --calibration gives", "leave one of them out")
    config = DecisionsConfig(split, options, limit or None, seed)
    weights = read_calibration(calibration) if calibration else Calibration()
    opinion = None
    if model or weights.needs_model:
        from accord.model.saving import load_model

        opinion = load_model(run)
    decider = Decider(open_graph(run, graph), opinion, weights, splits=("train",))
    result = evaluate_decisions(decider, config, fit)
    if out:
        write_calibration(out, result.calibration)
    found = result.to_dict()
    record("decisions", run, None, found)
    emit(found, as_json, result.to_text)


def asking(
    run: Run,
    qa: Annotated[
        Path, typer.Option(help="JSONL of questions with answers, with or without paths.")
    ],
    graph: GraphOption = None,
    split: Annotated[
        str, typer.Option(help="Only questions of this split, where they have one.")
    ] = "",
    fit: Annotated[
        bool, typer.Option("--fit", help="Learn a planner from these questions, ask nothing.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Where the planner is kept, for `accord ask --planner`."),
    ] = None,
    vectors: Annotated[
        bool,
        typer.Option("--vectors", help="Compare unseen words by the model's embedding table."),
    ] = False,
    ranking: RankingOption = None,
    hops: HopsOption = None,
    threshold: Annotated[float, typer.Option(help="Abstain below this confidence.")] = 0.0,
    confidence: Annotated[
        Path | None, typer.Option(help="Weights of the confidence; default: the run's own.")
    ] = None,
    planner: PlannerOption = None,
    seed: Annotated[int, typer.Option(help="Of learning.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """How often `accord ask` gives the right answers, and all of them; or learns to plan."""
    from accord.evaluate.asking import evaluate_asking
    from accord.text.questions import read_questions

    questions = [q for q in read_questions(qa) if not split or q.split in ("", split)]
    if fit:
        _learn(run, graph, questions, out, vectors, hops or 3, seed, as_json)
        return
    guide = open_guide(run, graph, ranking, hops, threshold, confidence, planner)
    result = evaluate_asking(guide, questions, split)
    record("asking", run, None, result.to_dict())
    emit(result.to_dict(), as_json, result.to_text)


def _learn(
    run: str,
    graph: str | None,
    questions: list[Question],
    out: Path | None,
    vectors: bool,
    hops: int,
    seed: int,
    as_json: bool,
) -> None:
    from accord.cli.opening import is_run
    from accord.decode.planner import FILE
    from accord.decode.planner_training import PlannerConfig
    from accord.errors import ConfigError
    from accord.evaluate.asking import learn_planner

    target = out or (Path(run) / FILE if is_run(run) else None)
    if target is None:
        raise ConfigError("a planner needs a file to be kept in", "say which with --out FILE")
    table = None
    if vectors:
        from accord.decode.likeness import word_vectors
        from accord.model.saving import load_model

        table = word_vectors(load_model(run))
    learnt = learn_planner(
        open_graph(run, graph), questions, PlannerConfig(hops=hops, seed=seed), table
    )
    learnt.save(target)
    found = {"planner": str(target), "questions": len(questions), "words": len(learnt.words)}
    emit(found, as_json, lambda: f"{target}: learnt from {len(questions):,} questions")


def abstention(
    run: Run,
    qa: Annotated[Path, typer.Option(help="Questions with answers, as `synthesize` writes them.")],
    graph: GraphOption = None,
    split: Annotated[
        str, typer.Option(help="Only questions of this split, where they have one.")
    ] = "",
    precision: Annotated[
        float | None,
        typer.Option(help="Learn weights and a threshold for this share of right answers."),
    ] = None,
    remove: Annotated[
        float | None,
        typer.Option(help="Take this share of relations out: questions on them have no answer."),
    ] = None,
    draws: Annotated[
        int, typer.Option(min=1, help="Graphs without them, each without others, that are asked.")
    ] = 5,
    ranking: RankingOption = None,
    hops: HopsOption = None,
    confidence: Annotated[
        Path | None, typer.Option(help="Weights to measure with; default: the run's own.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the relations that are taken out.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Where weights and threshold are kept, for `accord ask`."
        ),
    ] = None,
    planner: PlannerOption = None,
    as_json: JsonFlag = False,
) -> None:
    """When `accord ask` should say nothing: coverage against precision; learns the threshold."""
    from accord.evaluate.abstention import evaluate_abstention, evaluate_gaps, write_confidence
    from accord.text.questions import read_questions

    questions = [q for q in read_questions(qa) if not split or q.split == split]
    guide = open_guide(run, graph, ranking, hops, None, confidence, planner)
    if remove is None:
        result = evaluate_abstention(guide, questions, split, precision)
    else:
        result = evaluate_gaps(guide, questions, remove, split, precision, seed, draws)
    if out:
        write_confidence(out, result.confidence)
    told = result.to_dict()
    record("abstention", run, None, told)
    emit(told, as_json, result.to_text)


def soft_fusion(
    run: Annotated[str, typer.Argument(help="Run folder or a base model's name.")],
    data: Annotated[Path, typer.Option(help="JSONL: triples and the text that tells them.")],
    fit: Annotated[bool, typer.Option("--fit", help="Learn the weights from these texts.")] = False,
    weights: Annotated[
        Path | None, typer.Option(help="Weights to measure with; default: the run's own.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Texts, drawn by the seed; 0 for all.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Where the weights are kept, for `accord write --soft`."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Nats a token of texts that tell known statements, with and without mixing these in."""
    from accord.decode.soft import find_soft
    from accord.errors import ConfigError
    from accord.evaluate.soft_fusion import evaluate_soft_fusion, read_examples, write_soft
    from accord.model.saving import load_model

    if fit and weights:
        raise ConfigError("--fit learns what --weights gives", "leave one of them out")
    examples = list(read_examples(data))
    chosen = None if fit else find_soft(run, weights)
    result = evaluate_soft_fusion(load_model(run), examples, chosen, limit or None, seed)
    if out:
        write_soft(out, result.weights)
    found = result.to_dict()
    record("soft-fusion", run, None, found)
    emit(found, as_json, result.to_text)
