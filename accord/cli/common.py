"""What every command shares: output, errors and exit codes."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from accord.errors import AccordError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object.")]
GraphOption = Annotated[
    str | None,
    typer.Option("--graph", help="Graph folder, file or data set name; default: the run's own."),
]


def emit(result: Mapping[str, Any], as_json: bool, text: Callable[[], str]) -> None:
    """Prints a result on stdout.

    Args:
        result: What `--json` prints.
        as_json: Whether to.
        text: Gives the form for people; called only when needed.
    """
    print(json.dumps(result, ensure_ascii=False, default=_plain) if as_json else text())


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def fail(error: AccordError, as_json: bool) -> int:
    """Reports an error that the user can mend; gives the exit code."""
    if as_json:
        print(json.dumps({"error": error.message, "hint": error.hint}, ensure_ascii=False))
    else:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
    return 2


def run(app: Callable[[], Any], argv: list[str]) -> int:
    """Runs the command line and turns what happens into an exit code.

    Returns:
        0 done, 2 the user can mend it, 1 our fault, 130 stopped by Ctrl-C.
    """
    try:
        app()
    except AccordError as error:
        return fail(error, "--json" in argv)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except Exception as error:
        traceback.print_exc()
        if "--json" in argv:
            print(json.dumps({"error": f"internal: {error}", "hint": "this is a defect of accord"}))
        return 1
    return 0
