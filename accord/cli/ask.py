"""`accord ask`: an answer from the graph, with what it rests on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph

if TYPE_CHECKING:
    from accord.decode.guided import Guide

RankingOption = Annotated[
    str | None,
    typer.Option(
        help="How paths are ranked: plan (a learnt planner), model (the language model writes the "
        "path), words (neither planner nor model), embedding, likelihood or both (these three "
        "without the planner); default: plan where there is a planner, else words."
    ),
]
HopsOption = Annotated[
    int | None,
    typer.Option(help="Steps of a path at most, 1 to 4; default: the planner's, else 2."),
]
PlannerOption = Annotated[
    Path | None,
    typer.Option(help="What `accord eval asking --fit` wrote; default: the run's own."),
]
ThresholdOption = Annotated[
    float | None, typer.Option(help="Abstain below this confidence; 0 always answers.")
]
ConfidenceOption = Annotated[
    Path | None,
    typer.Option(help="What `accord eval abstention --out` wrote; default: the run's own."),
]


def ask(
    run: Annotated[str, typer.Argument(help="Run folder, or a base model's name with --graph.")],
    question: Annotated[str, typer.Argument(help="A question that names an entity of the graph.")],
    graph: GraphOption = None,
    ranking: RankingOption = None,
    hops: HopsOption = None,
    threshold: ThresholdOption = None,
    confidence: ConfidenceOption = None,
    planner: PlannerOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Answers a question with all that a path of the graph leads to, cited; or abstains."""
    guide = open_guide(run, graph, ranking, hops, threshold, confidence, planner)
    answered = guide.ask(question)
    emit(answered.to_dict(), as_json, answered.to_text)


def open_guide(
    run: str,
    graph: str | None,
    ranking: str | None,
    hops: int | None,
    threshold: float | None,
    confidence: Path | None = None,
    planner: Path | None = None,
) -> Guide:
    """Graph and model, ready to answer; settings are checked before either is read.

    Args:
        run: RUN of the command line.
        graph: --graph, if given.
        ranking: How paths are ranked; None for plan where there is a planner, else words. By these
            no model is loaded.
        hops: Steps of a path at most; None for the planner's, else 2.
        threshold: Confidence below which it abstains; None takes the file's, else 0.5.
        confidence: File of weights; None takes the run's own, if it has one.
        planner: File of a planner; None takes the run's own, if it has one.

    Returns:
        What answers.
    """
    from accord.decode.confidence import find_confidence
    from accord.decode.guided import Guide
    from accord.decode.planner import find_planner
    from accord.decode.retrieve import PLAN, RetrieveConfig

    learnt = None if ranking not in (None, PLAN) else find_planner(run, planner)
    ranking = ranking or (PLAN if learnt else "words")
    if hops is None:
        hops = learnt.hops if learnt else RetrieveConfig.hops
    config = RetrieveConfig(ranking, hops)
    sure = find_confidence(run, confidence, threshold)
    known = open_graph(run, graph)
    if ranking in (PLAN, "words"):
        return Guide(known, None, config, sure, learnt)
    from accord.model.saving import load_model

    return Guide(known, load_model(run), config, sure)
