"""`accord link`: the entities that a text names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph

if TYPE_CHECKING:
    from accord.graph.graph import KnowledgeGraph
    from accord.text.mentions import Candidate, Mention, MentionIndex

TEXT_FILES = (".txt", ".md", ".text")


def link(
    run: Annotated[str, typer.Argument(help="Run folder; with --graph any name.")],
    text: Annotated[
        str, typer.Argument(metavar="TEXT|FILE", help="A text, or a UTF-8 file (.gz too).")
    ],
    graph: GraphOption = None,
    candidates: Annotated[
        bool, typer.Option("--candidates", help="Show every entity that a mention may stand for.")
    ] = False,
    fuzzy: Annotated[
        float | None,
        typer.Option(help="Also find names spelt this similarly, 0.5 to 1. Default: off."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="JSONL: one mention a line, as found.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Finds names of the graph's entities in a text, with offsets in characters.

    A run that has learnt to link judges each name within its sentence and may find that the graph
    lacks what it stands for (entity null); else a name means what it means most often.
    """
    from accord.text.mentions import MentionConfig, MentionIndex

    config = MentionConfig(fuzzy=fuzzy)
    file = _file(text)
    known = open_graph(run, graph)
    index = MentionIndex(known, config)
    learnt = _has_learnt(run)
    pieces = iter([text]) if file is None else _pieces(file, learnt)
    if learnt:
        records = _judged(run, index, pieces, candidates)
    else:
        records = (_record(known, mention, candidates) for mention in index.stream(pieces))
    if out is not None:
        kept, count = _write(out, records, keep=as_json)
    else:
        kept = list(records)
        count = len(kept)
    result = {"mentions": kept, "count": count, "out": out}
    emit(result, as_json, lambda: _text(kept) if out is None else f"{count:,} mentions in {out}")


def _file(text: str) -> Path | None:
    """The file that an argument names, or None where it is a text.

    Raises:
        DataError: It looks like a text file's name and there is none.
    """
    from accord.errors import DataError

    path = Path(text)
    try:
        if path.is_file():
            return path
    except OSError:  # Too long for a file's name.
        return None
    if path.suffix.lower() in TEXT_FILES and len(text.split()) == 1:
        raise DataError("no such file", path, hint="check the path; a text has words around it")
    return None


def _pieces(file: Path, model: bool) -> Iterator[str]:
    """The text of a file, piece by piece, with progress; small ones where a model reads it."""
    from accord.progress import track
    from accord.text.pieces import PIECE_BYTES, READ_BYTES, read_pieces

    with track("linking", file.stat().st_size, "bytes") as advance:
        yield from read_pieces(file, advance, READ_BYTES if model else PIECE_BYTES)


def _has_learnt(run: str) -> bool:
    """Whether a run has a head that links; most have none, so nothing heavy is imported."""
    heads = Path(run) / "model" / "objectives.safetensors"
    if not heads.is_file():
        return False
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(heads, framework="numpy") as kept:
            return any(name.startswith("linking.") for name in kept.keys())  # noqa: SIM118 (no dict)
    except SafetensorError:
        return True  # opening the run says what is wrong


def _judged(
    run: str, index: MentionIndex, pieces: Iterator[str], candidates: bool
) -> Iterator[dict[str, Any]]:
    """The names of a text as the run links them."""
    from accord.evaluate.extractor import Extractor
    from accord.evaluate.link_text import link_text

    for linked in link_text(Extractor.open(run), index, pieces):
        ranked = _ranked(index.graph, linked.candidates)
        nothing = {"entity": None, "name": "", "probability": linked.none}
        span = {"start": linked.start, "end": linked.end, "text": linked.text}
        best = ranked[0] if linked.best is not None else nothing
        yield {**span, **best, **({"candidates": ranked} if candidates else {})}


def _record(graph: KnowledgeGraph, mention: Mention, candidates: bool) -> dict[str, Any]:
    ranked = _ranked(graph, mention.candidates)
    span = {"start": mention.start, "end": mention.end, "text": mention.text}
    return {**span, **ranked[0], **({"candidates": ranked} if candidates else {})}


def _ranked(graph: KnowledgeGraph, candidates: Iterable[Candidate]) -> list[dict[str, Any]]:
    from accord.text.render import entity_name

    return [
        {"entity": graph.entity_ids[c.entity], "name": entity_name(graph, c.entity),
         "probability": c.score}
        for c in candidates
    ]  # fmt: skip


def _write(out: Path, records: Iterator[dict[str, Any]], keep: bool) -> tuple[list[Any], int]:
    """Writes JSONL as it comes; gives the records only where they are to be printed too."""
    from accord.graph.writing import write_file

    kept, count = [], 0
    with write_file(out) as file:
        for record in records:
            file.write((json.dumps(record, ensure_ascii=False) + "\n").encode())
            count += 1
            kept += [record] if keep else []
    return kept, count


def _text(records: list[dict[str, Any]]) -> str:
    if not records:
        return "no entity of the graph is named"
    lines = []
    for record in records:
        place = f"{record['start']}-{record['end']}"
        for rank, item in enumerate(record.get("candidates", [record])):
            head = f"{place:>12}  {record['text']}" if rank == 0 else " " * 14
            entity = "(none)" if item["entity"] is None else item["entity"]
            lines.append(f"{head}  {entity}  {item['name']}  {item['probability']:.2f}")
    return "\n".join(lines)
