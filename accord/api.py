"""What the commands do, as Python calls with the same names and defaults."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accord.errors import ConfigError
from accord.graph.load import load_graph
from accord.model.saving import load_model, model_folder
from accord.refine.rounds import RoundsResult, run_rounds
from accord.train.checkpoint import RunFolder
from accord.train.environment import check_device
from accord.train.start import settings_of
from accord.training import Order, Training, gather, metrics

__all__ = ["RunResult", "finished_run", "load_graph", "load_model", "train_rounds", "train_run"]


@dataclass(frozen=True)
class RunResult:
    """What `accord train` reports."""

    run: Path
    steps: int
    seconds: float
    metrics: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "run": str(self.run),
            "steps": self.steps,
            "seconds": self.seconds,
            "metrics": self.metrics,
        }


def train_run(
    recipe: str | Path,
    graph: str | Path,
    out: str | Path,
    model: str | None = None,
    overrides: Iterable[str] = (),
    text: Sequence[str | Path] = (),
    resume: bool = False,
    device: str | None = None,
    qa: str | Path | None = None,
    data: Sequence[str | Path] = (),
) -> RunResult:
    """Trains a model on a graph with a recipe.

    Args:
        recipe: A recipe's name or TOML file.
        graph: Graph folder, file or data set name.
        out: The run folder to make, or to go on with.
        model: Base model, or a finished run to go on from with its adapter, heads and texts; None
            takes the recipe's base model.
        overrides: `key=value` settings over the recipe.
        text: Files or folders of plain text, for the language objective and, where they name
            entities of the graph, for relations and linking; a run that goes on has them already.
        resume: Go on from the newest checkpoint of `out`.
        device: "cpu", "cuda", ...; None picks one.
        qa: File of questions for the rationale objective; a run that goes on has them already.
        data: Annotated corpora or files, for relations and linking; a run that goes on has them.

    Returns:
        Where the run is and what it reached.

    Raises:
        ConfigError: A setting that does not exist or fit, or `out` holds another run.
        ModelError: NaN loss, or a model that cannot be loaded.
        DataError: Graph, questions or disk trouble.
    """
    run = RunFolder(out)
    check_device(device)
    if resume and not run.path.is_dir():
        raise ConfigError(
            f"{out}: there is no run to go on with",
            "check --out, or leave --resume out to begin one",
        )
    order = Order(
        recipe, str(graph), model, tuple(overrides), tuple(text), device, qa,
        tuple(map(str, data)), resume and (run.path / "config.toml").is_file(),
    )  # fmt: skip
    training = Training(run, order, gather(run, order))
    loop = training.prepared()
    progress = loop.fit(resume)
    if training.first:
        training.finish(loop)
    return RunResult(run.path, progress.step, progress.seconds, metrics(progress))


def finished_run(run: Path) -> RunResult | None:
    """What a finished run reached; None for one that is not finished or not begun."""
    if not ((run / "result.json").is_file() and model_folder(run)):
        return None
    found = RunFolder(run).read_json("result.json")
    return RunResult(run, int(found.pop("steps")), float(found.pop("seconds")), found)


def train_rounds(
    recipe: str | Path,
    graph: str | Path,
    out: str | Path,
    rounds: int,
    model: str | None = None,
    overrides: Iterable[str] = (),
    text: Sequence[str | Path] = (),
    device: str | None = None,
    qa: str | Path | None = None,
    data: Sequence[str | Path] = (),
) -> RoundsResult:
    """Trains, scans the graph, has the finds reviewed, changes the graph, and trains on from there.

    Called again with the same arguments it goes on where it was stopped, or where it waits for
    a review.

    Args:
        recipe: A recipe's name or TOML file; its table `rounds` says how the graph is changed.
        graph: Graph folder, file or data set name; a copy of it is changed, in `out`.
        out: Folder for the copy and for one run a round.
        rounds: How many at most.
        model: What the first round starts from, as in `train_run`.
        overrides: `key=value` settings over the recipe.
        text: As in `train_run`.
        device: As in `train_run`.
        qa: As in `train_run`.
        data: As in `train_run`.

    Returns:
        Where the rounds stand.

    Raises:
        ConfigError: A setting that does not exist or fit, or `out` holds other rounds.
        AccordError: As of training, scanning and patching.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "rounds run in one process", "leave the launcher out, or train the rounds one by one"
        )
    given, source = list(overrides), graph

    def train(
        run: Path, graph: Path, start: Path | None, overrides: Sequence[str]
    ) -> dict[str, Any]:
        done = finished_run(run)
        if done is None and (run / "config.toml").is_file():
            done = train_run(recipe, graph, run, text=text, resume=True, device=device)
        if done is None:
            first = model if start is None else str(start)
            settings = [*given, *overrides]
            done = train_run(recipe, graph, run, first, settings, text, False, device, qa, data)
        return {key: value for key, value in done.to_dict().items() if key != "run"}

    return run_rounds(out, source, rounds, settings_of(recipe, model, given), train)
