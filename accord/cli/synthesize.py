"""`accord synthesize`: questions with checked rationales."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accord.cli.common import JsonFlag, emit

if TYPE_CHECKING:
    from accord.synthesis.synthesize import SynthesisConfig
    from accord.synthesis.writers import Writer


def synthesize(
    graph: Annotated[str, typer.Option("--graph", help="Graph folder, file or data set name.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="JSONL to write; .gz is gzipped.")],
    qa: Annotated[
        Path | None, typer.Option(help="JSONL of questions and answers to find paths for.")
    ] = None,
    generate: Annotated[
        int | None, typer.Option(min=1, help="Make so many questions from the graph instead.")
    ] = None,
    hops: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="--generate: steps of a question, 1 to 3; repeatable; default 2. "
            "--qa: the longest path; default 3.",
        ),
    ] = None,
    writer: Annotated[str, typer.Option(help="template, local or endpoint.")] = "template",
    model: Annotated[str, typer.Option(help="Run or model that writes; the endpoint's name.")] = "",
    endpoint: Annotated[
        str, typer.Option(help="OpenAI-compatible base URL; its key is read from the environment.")
    ] = "http://127.0.0.1:8000/v1",
    max_answers: Annotated[
        int, typer.Option(min=1, help="--generate: leave out questions with more right answers.")
    ] = 5,
    intersections: Annotated[
        float, typer.Option(help="--generate: share of questions that join two chains.")
    ] = 0.2,
    attributes: Annotated[
        float, typer.Option(help="--generate: share that ends in an attribute.")
    ] = 0.1,
    max_paths: Annotated[int, typer.Option(min=1, help="--qa: paths a rationale is to say.")] = 5,
    repeat: Annotated[
        str, typer.Option(help="--qa: entity: a path may come back to an entity. none: not.")
    ] = "entity",
    no_path: Annotated[
        str,
        typer.Option(help="--qa: skip questions without a path, or keep a partial one."),
    ] = "skip",
    split: Annotated[
        str | None,
        typer.Option(
            help="paths: split so that no path is shared; disjoint: nor a topic. Default: none."
        ),
    ] = None,
    shares: Annotated[str, typer.Option(help="Of train, valid and test.")] = "0.8,0.1,0.1",
    seed: Annotated[int, typer.Option(help="The same seed gives the same questions.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Questions with answers, paths and checked rationales: made, or given and explained.

    Repeat the command to go on after a stop.
    """
    from accord.graph.load import load_graph
    from accord.synthesis.explaining import ExplainConfig
    from accord.synthesis.questions import QuestionConfig
    from accord.synthesis.rationale import RationaleConfig
    from accord.synthesis.synthesize import SynthesisConfig
    from accord.synthesis.synthesize import synthesize as run

    checked: Any = (writer, repeat, no_path, split)
    config = SynthesisConfig(
        QuestionConfig(
            tuple(hops or (2,)) if qa is None else (2,),
            intersections,
            attributes,
            max_answers,
            seed=seed,
        ),
        ExplainConfig(
            max(hops or (3,)),
            max_paths,
            repeat=_one_of("--repeat", checked[1], "entity", "none"),
            no_path=checked[2],
        ),
        RationaleConfig(
            writer=_one_of("--writer", checked[0], "template", "local", "endpoint"),
            model=model,
            endpoint=endpoint,
            partial=no_path == "partial",
        ),
        checked[3],
        _shares(shares),
    )
    result = run(load_graph(graph), out, qa, generate, config, _local(config))
    emit(result.to_dict(), as_json, result.to_text)


def _local(config: SynthesisConfig) -> Writer | None:
    """The writer that needs a model in memory, if it is asked for."""
    if config.rationale.writer != "local":
        return None
    from accord.errors import ConfigError
    from accord.model.saving import load_model
    from accord.synthesis.local_writer import LocalWriter

    name = config.rationale.model
    if not name:
        raise ConfigError("--writer local needs --model", "name a run or a model")
    return LocalWriter(load_model(name), name)


def _shares(text: str) -> tuple[float, float, float]:
    from accord.errors import ConfigError

    try:
        train, valid, test = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--shares is {text!r}", "give three, such as 0.8,0.1,0.1") from None
    return train, valid, test


def _one_of(option: str, value: Any, *known: str) -> Any:
    from accord.errors import ConfigError

    if value not in known:
        raise ConfigError(f"{option} is {value!r}", f"choose {' or '.join(known)}")
    return value
