"""`accord refine scan`: what looks wrong in a graph, and what is missing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph

if TYPE_CHECKING:
    from accord.graph.graph import KnowledgeGraph
    from accord.refine.items import Item
    from accord.refine.queue import Added


def scan(
    run: Annotated[str, typer.Argument(help="Run folder, or a base model's name.")],
    out: Annotated[Path, typer.Option(help="Graph folder that holds the queue; made if missing.")],
    graph: GraphOption = None,
    least: Annotated[
        float, typer.Option(help="Probability from which something is put up for review.")
    ] = 0.5,
    most: Annotated[int, typer.Option(help="Flags and proposals at most, of each.")] = 1000,
    extracted: Annotated[
        Path | None, typer.Option(help="JSONL of `accord extract`: propose what texts state.")
    ] = None,
    shapes: Annotated[
        Path | None,
        typer.Option(help="SHACL shapes that the graph should keep to; needs accord-kg[shacl]."),
    ] = None,
    structure: Annotated[
        bool, typer.Option(help="Train structure embeddings, a fold at a time.")
    ] = True,
    text: Annotated[
        bool, typer.Option(help="Train heads on the model's frozen states, a fold at a time.")
    ] = True,
    text_share: Annotated[
        float,
        typer.Option(
            help="Share of the triples, the most suspicious, that the run itself reads "
            "where it has no frozen states, or with --in-sample."
        ),
    ] = 0.05,
    in_sample: Annotated[
        bool,
        typer.Option(help="Also show what the run says, which learnt from the triples; a control."),
    ] = False,
    missing: Annotated[
        float,
        typer.Option(
            help="Share of triples that are believed to be missing: probabilities of "
            "proposals rest on it."
        ),
    ] = 0.1,
    scores: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="JSONL: every triple and candidate with its scores."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Image: stated against true shares of proposals."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Looks for wrong and missing triples and attributes, and puts them up for review.

    Rules that the graph itself teaches, structure embeddings, and heads on what the language
    model's frozen layers say of texts judge every triple, none by what has seen it. The graph is
    not changed.
    """
    from accord.progress import say
    from accord.refine.calibrate import check_plot
    from accord.refine.queue import check_queue
    from accord.refine.scan import ScanConfig, base_states, check_inputs, scan_graph, scan_model

    share = text_share if text else 0.0
    config = ScanConfig(
        least, most, structure, text_share=share, control=in_sample, missing=missing, seed=seed
    )
    if plot is not None:
        check_plot(plot)
    known = open_graph(run, graph)
    check_queue(out, known)
    check_inputs(known, extracted, shapes)
    model = scan_model(run, known)
    states = base_states(run, known) if text and model is None else None
    found = scan_graph(known, model, config, extracted, states, shapes)
    if scores is not None:
        found.write(scores, known)
    learnt = found.proposals.learnt
    if plot is not None and learnt is not None:
        learnt.reliability.plot(plot, f"proposals for {known.name}")
    elif plot is not None:
        say(f"{plot} is not written: there are no probabilities to draw")
    added = _put_up(out, found.items, run, known)
    result = {
        **found.to_dict(),
        "queue": str(out),
        "new": added.new,
        "open_before": added.again,
        "decided_before": added.decided,
    }
    emit(result, as_json, lambda: _text(result, least))


def _put_up(out: Path, items: list[Item], run: str, graph: KnowledgeGraph) -> Added:
    """Puts items into the queue, once nobody else has it open: a scan is not lost to a review."""
    from accord.progress import say
    from accord.refine.patch import Occupied
    from accord.refine.queue import add

    waiting = False
    while True:
        try:
            return add(out, items, run, graph)
        except Occupied as error:
            if not waiting:
                say(f"{error.message}; waiting until that ends (Ctrl-C gives the finds up)")
            waiting = True
            time.sleep(1.0)


def _text(result: dict[str, object], least: float) -> str:
    if not result["flags"] and not result["proposals"]:
        return (
            f"nothing found with a probability of {least} or more; "
            f"{result['queue']} has nothing new to review (a lower --least shows more)"
        )
    return (
        f"{result['flags']:,} flags and {result['proposals']:,} proposals, {result['new']:,} of "
        f"them new, in {result['queue']}; go on with `accord refine review {result['queue']}`"
    )
