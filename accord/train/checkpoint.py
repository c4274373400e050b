"""A run folder: what was run, what came out, and checkpoints to go on from."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from accord.errors import AccordError, ConfigError, DataError
from accord.graph.graph import KnowledgeGraph
from accord.model.saving import disk_errors, recorded_graph
from accord.progress import say

KEEP = 2


class RunFolder:
    """Files of one run; every file is written to a temporary name and renamed.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.metrics = self.path / "metrics.jsonl"

    def check_free(self) -> None:
        """Makes sure that no other run lies here.

        Raises:
            ConfigError: One does.
        """
        if (self.path / "config.toml").exists():
            raise ConfigError(
                f"{self.path} already holds a run",
                "go on with --resume, choose another --out, or delete it",
            )

    def start(self, config: str, environment: Mapping[str, Any], graph: Mapping[str, Any]) -> None:
        """Writes what the run is before its first step.

        Raises:
            ConfigError: The folder holds another run.
        """
        self.check_free()
        self.path.mkdir(parents=True, exist_ok=True)
        self.write_json("env.json", environment)
        place = Path(str(graph.get("spec", "")))  # a run's own note, in no saved model
        path = str(place.resolve()) if place.name and place.exists() else None
        self.write_json("graph.json", {**graph, "path": path})
        self.write("config.toml", config)  # last: where it lies, the folder is a whole run

    @contextmanager
    def withdrawn_on_failure(self) -> Iterator[None]:
        """Takes back what is written within if an error that the user can mend ends it.

        Settings can turn out not to fit the model or the graph only once these are open; the
        mended command must not then find a run in its place. What was here before stays.
        """
        before = set(self.path.iterdir()) if self.path.is_dir() else None
        try:
            yield
        except AccordError:
            for path in sorted(set(self.path.glob("*")) - (before or set())):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if before is None and self.path.is_dir():
                self.path.rmdir()
            raise

    def write(self, name: str, text: str) -> None:
        """Writes one text file atomically."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with disk_errors(target):
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            try:
                with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 (no path)
                    file.write(text)
                Path(name).replace(target)
            finally:
                Path(name).unlink(missing_ok=True)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes one JSON file atomically."""
        self.write(name, json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def read_json(self, name: str) -> dict[str, Any]:
        """Reads one JSON file.

        Raises:
            DataError: Missing or cut.
        """
        try:
            value: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"not a whole run ({error})", self.path / name, hint="is this a run folder?"
            ) from error
        return value

    def log(self, line: Mapping[str, Any]) -> None:
        """Adds one line to metrics.jsonl."""
        with disk_errors(self.metrics), self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a cut last line is left out."""
        if not self.metrics.is_file():
            return []
        found = []
        for text in self.metrics.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(text))
            except ValueError:
                continue
        return found

    def save_checkpoint(
        self, step: int, tensors: Mapping[str, Mapping[str, torch.Tensor]], state: Mapping[str, Any]
    ) -> None:
        """Writes a checkpoint whole or not at all; the last two are kept.

        Raises:
            DataError: The disk is full; the checkpoint before stays.
        """
        with disk_errors(self.checkpoints):
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=".writing-", dir=self.checkpoints))
        try:
            with disk_errors(self.checkpoints):
                for name, group in tensors.items():
                    whole = {k: v.detach().cpu().contiguous() for k, v in group.items()}
                    save_file(whole, work / f"{name}.safetensors")
                (work / "state.json").write_text(json.dumps({"step": step, **state}))
                target = self.checkpoints / f"step-{step:08d}"
                if target.exists():
                    shutil.rmtree(target)
                work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        for old in self._all()[:-KEEP]:
            shutil.rmtree(old, ignore_errors=True)

    @contextmanager
    def advised(self, failure: type[AccordError]) -> Iterator[None]:
        """Says with a failure of training inside what is kept and how to train instead.

        A run that goes on repeats the same batches with the same settings, so resuming as it is
        ends the same way.

        Args:
            failure: Which errors.
        """
        try:
            yield
        except failure as error:
            advice = "start another run (a new --out) with a lower learning rate, such as --set "
            advice += "loop.learning_rate=2e-4, or with another --set seed"
            kept = self._all()
            state = f"{kept[-1]} is kept" if kept else "no checkpoint was written yet"
            error.hint = f"{advice}; {state}"
            raise

    def _all(self) -> list[Path]:
        return sorted(p for p in self.checkpoints.glob("step-*") if (p / "state.json").is_file())

    def load_checkpoint(self) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, Any]] | None:
        """The newest whole checkpoint, or None; unfinished ones are removed.

        One that cannot be read, as after a power cut, gives way to the one before it.

        Raises:
            DataError: There are checkpoints and none can be read.
        """
        for unfinished in self.checkpoints.glob(".writing-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        found = self._all()
        for folder in reversed(found):
            try:
                tensors = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
                return tensors, json.loads((folder / "state.json").read_text())
            except (OSError, ValueError, SafetensorError) as error:
                say(f"{folder} cannot be read ({error}); trying the checkpoint before it")
        if found:
            raise DataError(
                "no checkpoint can be read", self.checkpoints, hint="start the run anew"
            )
        return None

    def cut_log(self, step: int) -> None:
        """Drops lines of steps after a checkpoint, which will be run again."""
        kept = [line for line in self.lines() if line.get("step", 0) <= step]
        self.write("metrics.jsonl", "".join(json.dumps(line) + "\n" for line in kept))


def graph_record(graph: KnowledgeGraph, spec: str) -> dict[str, Any]:
    """What a run notes about its graph."""
    return {
        "spec": spec,
        "name": graph.name,
        "hash": graph.hash,
        "ancestors": list(graph.lineage.ancestors),
        "entities": graph.num_entities,
        "relations": graph.num_relations,
        "triples": graph.num_triples,
        "meta": dict(graph.meta),
    }


def run_graph(run: str | Path) -> str:
    """The GRAPH that a run was trained on.

    Raises:
        ConfigError: Not a run folder.
    """
    if not (Path(run) / "graph.json").is_file():
        raise ConfigError(
            f"{str(run)!r} is no run folder, so it names no graph of its own",
            "check the path, or say which graph with --graph",
        )
    return recorded_graph(RunFolder(run).read_json("graph.json"))
