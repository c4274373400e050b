"""Reads run folders for the report: what is missing stays out, what is damaged is named."""

from __future__ import annotations

import json
import math
import statistics
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accord.errors import DataError, nearest

Json = dict[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """One measurement of a run or of its base model."""

    kind: str
    """What was measured: link-prediction, questions-FILE, abstention ..."""
    model: str
    """before or after."""
    split: str
    command: str
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """A run folder as read."""

    folder: Path
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    graph: Mapping[str, Any]
    metrics: tuple[Json, ...]
    result: Mapping[str, Any]
    evaluations: tuple[Evaluation, ...]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def base_model(self) -> str:
        """The name of the model that was trained; empty if the configuration does not say."""
        model = self.config.get("model", "")
        return str(model.get("name", "") if isinstance(model, Mapping) else model)

    @property
    def seed(self) -> int | None:
        """The seed; None if the configuration has none."""
        return next((v for k, v in flat(self.config).items() if k.split(".")[-1] == "seed"), None)


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only."""

    label: str
    runs: tuple[Run, ...]

    def evaluations(self, kind: str, split: str, model: str) -> list[Mapping[str, Any]]:
        """The results of one kind of measurement, at most one a run."""
        found = []
        for run in self.runs:
            for one in run.evaluations:
                if (one.kind, one.split, one.model) == (kind, split, model):
                    found.append(one.result)
                    break
        return found


def run_folders(folder: str | Path) -> list[Path]:
    """A run's own folder; of rounds (`accord train --rounds`) the runs of all of them, in order."""
    path = Path(folder)
    rounds = _json(path / "rounds.json").get("rounds") or []
    return [path / entry["run"] for entry in rounds] or [path]


def read_run(folder: str | Path) -> Run:
    """Reads a run folder.

    Args:
        folder: A folder that `accord train` wrote, finished or not.

    Returns:
        The run; parts that are not there are empty.

    Raises:
        DataError: There is no such folder, it is no run, or a file in it is damaged.
    """
    path = Path(folder)
    if not path.is_dir():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError("no such run folder", path, hint=nearest(path.name, siblings))
    if not (path / "config.toml").is_file() and not (path / "metrics.jsonl").is_file():
        raise DataError("not a run: config.toml is missing", path, hint="give a folder of a run")
    return Run(
        folder=path,
        config=_toml(path / "config.toml"),
        environment=_json(path / "env.json"),
        graph=_json(path / "graph.json"),
        metrics=tuple(_lines(path / "metrics.jsonl")),
        result=_json(path / "result.json"),
        evaluations=tuple(_evaluation(p) for p in sorted((path / "eval").glob("*.json"))),
    )


def _toml(path: Path) -> Json:
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not TOML: {error}", path) from error


def _json(path: Path) -> Json:
    try:
        found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise DataError(f"not JSON: {error}", path, hint="delete it or write it again") from error
    if not isinstance(found, dict):
        raise DataError("not a JSON object", path, hint="delete it or write it again")
    return found


def _lines(path: Path) -> Iterator[Json]:
    lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            if number == len(lines):  # a run that was killed while it wrote
                return
            raise DataError(f"not JSON: {error}", path, number) from error


def _evaluation(path: Path) -> Evaluation:
    found = _json(path)
    missing = [key for key in ("kind", "model", "result") if key not in found]
    if missing:
        raise DataError(f"lacks {', '.join(missing)}", path, hint="write it with `accord eval`")
    result = found["result"]
    if not isinstance(result, dict):
        raise DataError("its result is no JSON object", path, hint="write it with `accord eval`")
    split = str(found.get("split") or result.get("split") or "")
    command = str(found.get("command") or "")
    return Evaluation(str(found["kind"]), str(found["model"]), split, command, result)


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Puts runs together whose configuration and graph differ in the seed only.

    Args:
        runs: The runs, in the order in which they are to be shown.

    Returns:
        The groups; each is named after the folders of its runs.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_identity(run), []).append(run)
    return [Group(_label([run.name for run in found]), tuple(found)) for found in groups.values()]


def _identity(run: Run) -> str:
    settings = {k: v for k, v in flat(run.config).items() if k.split(".")[-1] not in IGNORED}
    return json.dumps([settings, run.graph.get("hash", "")], sort_keys=True, default=str)


IGNORED = ("seed", "out", "cache_from")
"""Settings in which runs of one group may differ: the seed, and where things lie."""


def _label(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    prefix = names[0]
    while not all(name.startswith(prefix) for name in names):
        prefix = prefix[:-1]
    stem = prefix.rstrip("-_. 0123456789").removesuffix("seed").rstrip("-_. ")
    return f"{stem or names[0]} ({len(names)} seeds)"


def differences(groups: list[Group]) -> dict[str, list[Any]]:
    """Settings in which groups differ: dotted key -> its value in each group."""
    flats = [flat(group.runs[0].config) for group in groups]
    keys = list(dict.fromkeys(key for found in flats for key in found))
    rows = {key: [found.get(key, "") for found in flats] for key in keys}
    return {
        key: values
        for key, values in rows.items()
        if key.split(".")[-1] not in IGNORED and any(v != values[0] for v in values)
    }


def flat(tree: Mapping[str, Any], prefix: str = "") -> Json:
    """A nested mapping as one with dotted keys."""
    found: Json = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = value
    return found


def numbers(results: Iterable[Mapping[str, Any]], path: tuple[str, ...]) -> list[float]:
    """The numbers at one place of several results; what is missing or not finite is left out."""
    found = []
    for result in results:
        value: Any = result
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            found.append(float(value))
    return found


def mean(values: list[float]) -> float | None:
    """The mean; None of nothing."""
    return statistics.fmean(values) if values else None


def deviation(values: list[float]) -> float:
    """The sample standard deviation; 0 of fewer than two."""
    return statistics.stdev(values) if len(values) > 1 else 0.0
