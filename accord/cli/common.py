"""What every command shares: output, errors and exit codes."""

from __future__ import annotations

import errno
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from accord.errors import AccordError, ConfigError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object.")]
GraphOption = Annotated[
    str | None,
    typer.Option("--graph", help="Graph folder, file or data set name; default: the run's own."),
]
STOPPED = 130
"""Exit code after Ctrl-C."""
MENDABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
}
"""What a path or a disk can be at fault for."""


def emit(result: Mapping[str, Any], as_json: bool, text: Callable[[], str]) -> None:
    """Prints a result on stdout.

    Args:
        result: What `--json` prints.
        as_json: Whether to.
        text: Gives the form for people; called only when needed.
    """
    print(json.dumps(_plain(result), ensure_ascii=False, allow_nan=False) if as_json else text())


def _plain(value: Any) -> Any:
    """Numbers as JSON knows them: arrays as lists, and null for what is not finite."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def fail(error: AccordError, as_json: bool) -> int:
    """Reports an error that the user can mend; gives the exit code."""
    if as_json:
        print(json.dumps({"error": error.message, "hint": error.hint}, ensure_ascii=False))
    else:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
    return 2


def run(app: Callable[..., Any], argv: list[str]) -> int:
    """Runs the command line and turns what happens into an exit code.

    Args:
        app: A Typer app.
        argv: Arguments without the program's name.

    Returns:
        0 done, 2 the user can mend it, 1 our fault, 130 stopped by Ctrl-C.
    """
    as_json = "--json" in argv
    try:
        code = app(args=argv, prog_name="accord", standalone_mode=False)
        if code == STOPPED:  # what Typer makes of Ctrl-C within a command
            return _stopped(as_json)
        return code if isinstance(code, int) else 0
    except AccordError as error:
        return fail(error, as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _stopped(as_json)
    except OSError as error:
        if error.errno not in MENDABLE:
            return _internal(error, as_json)
        return fail(_disk_error(error), as_json)
    except Exception as error:
        if _is_usage(error):
            return _usage(error, as_json)
        return _internal(error, as_json)


def _stopped(as_json: bool) -> int:
    if as_json:
        hint = "call it again; standard error says more where it can go on"
        print(json.dumps({"error": "stopped", "hint": hint}))
    return STOPPED


def _is_usage(error: Exception) -> bool:
    # Typer raises click's errors or those of its own copy of click: known by name in both.
    return any(kind.__name__ == "ClickException" for kind in type(error).__mro__)


def _usage(error: Any, as_json: bool) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        if error.message:
            print(error.message)
        return 2
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "accord"
    return fail(ConfigError(error.format_message(), f"see `{path} --help`"), as_json)


def _disk_error(error: OSError) -> AccordError:
    where = f"{error.filename}: " if error.filename else ""
    hint = {
        errno.ENOSPC: "free some disk space or choose another folder; nothing was overwritten",
        errno.EDQUOT: "free some of your quota or choose another folder; nothing was overwritten",
    }.get(error.errno or 0, "check the path and its permissions, or choose another")
    return AccordError(f"{where}{error.strerror}", hint)


def _internal(error: Exception, as_json: bool) -> int:
    import traceback

    traceback.print_exception(error)
    if as_json:
        print(json.dumps({"error": f"internal: {error}", "hint": "this is a defect of accord"}))
    return 1
