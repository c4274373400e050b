"""`accord eval refinement`: what a scan found of planted errors and removed triples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accord.cli.common import JsonFlag, emit


def refinement(
    scores: Annotated[Path, typer.Argument(help="JSONL of `accord refine scan --scores`.")],
    truth: Annotated[
        Path,
        typer.Option(help="CSV: what (error, gap or false), head, relation, tail."),
    ],
    as_json: JsonFlag = False,
) -> None:
    """Flags and proposals against what was planted: precision, recall, calibration, baselines."""
    from accord.evaluate.refinement import Planted, evaluate_refinement

    result = evaluate_refinement(scores, Planted.load(truth))
    emit(result.to_dict(), as_json, result.to_text)
