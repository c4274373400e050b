"""`accord extract`: triples that a text states, with their evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph


def extract(
    run: Annotated[str, typer.Argument(help="Run folder of a recipe such as kelm.")],
    file: Annotated[Path, typer.Argument(help="A UTF-8 text file (.gz too).")],
    out: Annotated[Path, typer.Option(help="A .jsonl, .csv or .nq file, also .gz.")],
    graph: GraphOption = None,
    threshold: Annotated[float, typer.Option(help="Least probability of a triple.")] = 0.5,
    new: Annotated[
        bool, typer.Option("--new", help="Leave out triples that the graph has already.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Finds triples in a text: the graph's entities and relations, sentence and offsets."""
    from accord.errors import DataError
    from accord.evaluate.extraction import TextReader, merge
    from accord.evaluate.extraction_files import check_target, write_triples
    from accord.evaluate.extractor import Extractor
    from accord.progress import track
    from accord.text.pieces import read_pieces

    check_target(out)
    if not file.is_file():
        raise DataError("no such file", file, hint="give a text file")
    known = open_graph(run, graph)
    reader = TextReader(Extractor.open(run), known, threshold)
    with track("extracting", file.stat().st_size, "bytes") as advance:
        found = merge(reader.read(read_pieces(file, advance)))
    kept = [item for item in found if not (new and item.known)]
    write_triples(out, kept, file.name)
    fresh = sum(not item.known for item in kept)
    result = {"triples": len(kept), "new": fresh, "out": str(out)}
    emit(result, as_json, lambda: f"{len(kept):,} triples, {fresh:,} of them new, in {out}")
