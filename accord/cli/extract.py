"""`accord extract`: triples and attributes that a text states, with their evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph


def extract(
    run: Annotated[str, typer.Argument(help="Run folder of a recipe such as kelm.")],
    file: Annotated[Path, typer.Argument(help="A UTF-8 text file (.gz too).")],
    out: Annotated[
        Path, typer.Option(dir_okay=False, help="A .jsonl, .csv or .nq file, also .gz.")
    ],
    graph: GraphOption = None,
    threshold: Annotated[float, typer.Option(help="Least probability of a triple.")] = 0.5,
    new: Annotated[
        bool, typer.Option("--new", help="Leave out triples that the graph has already.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Finds triples and attributes in a text, with sentence and offsets; new entities too."""
    from dataclasses import replace

    from accord.errors import DataError
    from accord.evaluate.extraction import TextReader, merge
    from accord.evaluate.extraction_files import check_target, write_triples
    from accord.evaluate.extractor import Extractor
    from accord.progress import track
    from accord.text.pieces import READ_BYTES, read_pieces

    check_target(out)
    if not file.is_file():
        what = "a folder" if file.is_dir() else "no such file"
        raise DataError(what, file, hint="give a text file; `accord graph build` reads folders")
    known = open_graph(run, graph)
    reader = TextReader(Extractor.open(run), known, threshold)
    with track("extracting", file.stat().st_size, "bytes") as advance:
        read = reader.read(read_pieces(file, advance, READ_BYTES))
        found = merge(replace(item, source=file.name) for item in read)
    reader.tell_unread()
    kept = [item for item in found if not (new and item.known)]
    write_triples(out, kept)
    fresh = sum(not item.known for item in kept)
    values = sum(bool(item.datatype) for item in kept)
    result = {
        "triples": len(kept) - values,
        "attributes": values,
        "entities": len(reader.names.new.found),
        "new": fresh,
        "unread": reader.unread,
        "out": str(out),
    }
    emit(
        result,
        as_json,
        lambda: (
            f"{result['triples']:,} triples and {values:,} attributes, {fresh:,} of them new, "
            f"{result['entities']:,} new entities, in {out}"
        ),
    )
