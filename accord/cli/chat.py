"""`accord chat`: a conversation over a graph."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.ask import (
    ConfidenceOption,
    HopsOption,
    PlannerOption,
    RankingOption,
    ThresholdOption,
    open_guide,
)
from accord.cli.common import GraphOption, JsonFlag, emit

if TYPE_CHECKING:
    from accord.decode.dialogue import Dialogue, Turn
    from accord.model.knowledge_model import KnowledgeModel

HELP = """Ask about an entity of the graph, then follow up: "and its capital?", "what about Peru?"
/why     why the last answer is what it is
/graph   the statements used so far, and the entities in play
/forget  forget all that was said
/quit    end (as does the end of input)"""
LONGEST_LINE = 1 << 20
"""Characters of a line that are read; a question counts up to its first 2,000."""


def chat(
    run: Annotated[str, typer.Argument(help="Run folder, or a base model's name with --graph.")],
    graph: GraphOption = None,
    words: Annotated[
        bool, typer.Option("--words", help="Let the model choose the words of replies.")
    ] = False,
    ranking: RankingOption = None,
    hops: HopsOption = None,
    threshold: ThresholdOption = None,
    confidence: ConfidenceOption = None,
    planner: PlannerOption = None,
    history: Annotated[int, typer.Option(help="Turns that are remembered.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """Answers questions and follow-ups from the graph; reads lines, writes replies as they come."""
    from accord.decode.dialogue import Dialogue, conversation

    guide = open_guide(run, graph, ranking, hops, threshold, confidence, planner)
    model: KnowledgeModel | None = None
    if words:
        from accord.model.saving import load_model

        model = load_model(run)
    dialogue = Dialogue(guide, model, history)
    told: list[Turn] = []
    if sys.stdin.isatty() and not as_json:
        print(HELP, file=sys.stderr)
    for line in _lines(as_json):
        if line == "/quit":
            break
        if line:
            _turn(dialogue, line, as_json, told)
    if as_json:
        # Every turn that was told, also what the dialogue itself has forgotten since.
        emit(conversation(told), True, str)


def _lines(quiet: bool) -> Iterator[str]:
    """What the user types, without white space around it, until the input ends."""
    while True:
        if sys.stdin.isatty() and not quiet:
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline(LONGEST_LINE)
        if not line:
            if sys.stdin.isatty() and not quiet:
                print(file=sys.stderr)  # The shell's prompt is not to stand behind ours.
            return
        yield line.strip()


def _turn(dialogue: Dialogue, line: str, quiet: bool, told: list[Turn]) -> None:
    """Says one thing; an interrupted reply is not remembered and does not end the conversation."""
    pieces = _command(dialogue, line) if line.startswith("/") else dialogue.stream(line)
    try:
        for piece in pieces:
            if not quiet:
                print(piece, end="", flush=True)
        if not quiet:
            print(flush=True)
        if not line.startswith("/"):
            told.append(dialogue.turns[-1])
    except KeyboardInterrupt:
        print("\n(interrupted: this turn is not remembered)", file=sys.stderr)


def _command(dialogue: Dialogue, line: str) -> Iterator[str]:
    if line == "/why":
        yield dialogue.why()
    elif line == "/graph":
        names = "; ".join(dialogue.in_play())
        yield dialogue.graph_text() + (f"\nin play: {names}" if names else "")
    elif line == "/forget":
        dialogue.forget()
        yield "forgotten"
    else:
        yield HELP
