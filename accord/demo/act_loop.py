"""Last act: the graph is damaged behind the model's back, and cleaned again by a scan.

Wrong triples are planted in a copy of the graph and true ones taken out, by a patch. A scan (rules
that the graph teaches, structure vectors trained on the damaged graph, and the first act's run)
says what is wrong and what is missing; whatever is sure enough is changed by another patch.
"""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from accord.errors import ConfigError
from accord.progress import clock, say

if TYPE_CHECKING:
    from accord.evaluate.refinement import Planted
    from accord.graph.graph import KnowledgeGraph
    from accord.refine.entry import Entry

FOLDER, KIND = "loop", "loop"
SETTINGS, TRUTH, SCAN = "settings.json", "truth.csv", "scan.json"
DAMAGE, CLEAN = "damage.rdfp", "clean.rdfp"
SHOWN = 5
"""Changes of each kind in the table for people; the report and the object have all of them."""


@dataclass(frozen=True)
class CleanConfig:
    """What the act is played with."""

    errors: float = 0.05
    """Wrong triples that are planted, as a share of the train triples that stay."""
    kind: Literal["random", "same-type"] = "random"
    """How they are made."""
    gaps: float = 0.05
    """Share of the train triples that is taken out."""
    above: float = 0.5
    """Probability from which a change is made without being asked for."""
    least: float = 0.3
    """Probability from which something is left in the queue for people."""
    vectors: bool = True
    """Judge by structure vectors too."""
    text_share: float = 0.05
    """Share of the triples, the most suspicious ones, that the run reads."""


@dataclass(frozen=True)
class LoopResult:
    """What the act found."""

    found: Mapping[str, Any]
    """As `play` keeps it."""

    def to_dict(self) -> dict[str, Any]:
        """The act's key in the object that `--json` prints."""
        return {"loop": dict(self.found)}

    def to_text(self) -> str:
        """The table for people."""
        from accord.evaluate.tables import table

        found = self.found
        before, after = found["before"], found["after"]
        rows: list[list[object]] = [
            ["wrong triples", before["errors"], after["errors"]],
            ["error rate", before["error_rate"], after["error_rate"]],
            ["missing triples", before["missing"], after["missing"]],
            ["missing rate", before["missing_rate"], after["missing_rate"]],
        ]
        lines = [
            f"{change['change']}: {change['head']} | {change['relation']} | {change['tail']} "
            f"(sure to {change['probability']:.2f}): {change['reason']}"
            for kind in ("remove", "add")
            for change in [c for c in found["changes"] if c["change"] == kind][:SHOWN]
        ]
        title = (
            f"a damaged graph, cleaned in {clock(found['seconds'])}: {found['removed']['n']} "
            f"removed ({found['removed']['right']} rightly), {found['added']['n']} added "
            f"({found['added']['right']} rightly)"
        )
        return "\n".join([title, table(["", "damaged", "cleaned"], rows), *lines])


def play(folder: Path, seed: int, config: CleanConfig, start: Path) -> LoopResult:
    """Plants errors and gaps in a copy of the graph, and cleans it.

    Called again with the same folder it goes on: what was done is not done again.

    Args:
        folder: Holds the graph (`graph`); what the act makes is in its folder `loop`.
        seed: Of every draw.
        config: What the act is played with.
        start: The run of the first act; the outcome is kept there, where the report finds it.

    Returns:
        What was changed, why, and how much of it was right.

    Raises:
        ConfigError: The folder holds this act with other settings.
        AccordError: As of `refine`.
    """
    from accord.evaluate.records import write_record

    scene = _Scene(folder, seed, config, start)
    say("loop 1/3 errors and gaps are planted in a copy of the graph")
    scene.damage()
    say("loop 2/3 looking through it")
    scene.scan()
    say("loop 3/3 changing what is sure enough")
    found = scene.cleaned()
    command = shlex.join(["accord", "demo", "--out", str(folder), "--seed", str(seed)])
    write_record(start, KIND, "after", found, command)
    return LoopResult(found)


class _Scene:
    """One playing of the act."""

    def __init__(self, folder: Path, seed: int, config: CleanConfig, start: Path) -> None:
        from accord.train.checkpoint import RunFolder

        self.source = folder / "graph"
        self.folder = folder / FOLDER
        self.graph = self.folder / "graph"
        self.seed = seed
        self.config = config
        self.start = start
        self.files = RunFolder(self.folder)
        settings = {"seed": seed, **asdict(config)}
        if not (self.folder / SETTINGS).is_file():
            self.files.write_json(SETTINGS, settings)
        elif self.files.read_json(SETTINGS) != settings:
            raise ConfigError(
                f"{self.folder} was made with other settings than this demo's",
                "choose another --out, or give the --seed that it was made with",
            )

    def damage(self) -> None:
        """A copy of the graph with errors and gaps; it descends from the graph by a patch."""
        from accord.graph.load import load_graph
        from accord.graph.noise import Noise, plant, write_truth
        from accord.graph.patches import Patch, Statement
        from accord.graph.writing import new_folder
        from accord.refine.patch import apply_patch
        from accord.refine.patch_files import write_patch

        if not self.graph.is_dir():
            with new_folder(self.graph) as folder:
                shutil.copytree(self.source, folder, dirs_exist_ok=True)
        if not (self.folder / DAMAGE).is_file():
            graph, config = load_graph(self.source), self.config
            planted = plant(graph, Noise(config.errors, config.kind, config.gaps, self.seed))
            write_truth(planted, self.folder / TRUTH)
            truth = self.truth()
            add, remove = (
                tuple(Statement(*triple) for triple in sorted(side))
                for side in (truth.planted, truth.removed)
            )
            write_patch(Patch(add, remove, "damage", graph.hash), self.folder / DAMAGE)
        apply_patch(self.graph, self.folder / DAMAGE)

    def truth(self) -> Planted:
        """What was planted and taken out."""
        from accord.evaluate.refinement import Planted

        return Planted.load(self.folder / TRUTH)

    def scan(self) -> None:
        """Puts what is found into the queue and accepts what is sure enough."""
        from accord.graph.load import load_graph
        from accord.refine.patch_files import write_patch
        from accord.refine.queue import Queue
        from accord.refine.scan import ScanConfig, scan_graph, scan_model
        from accord.refine.truth_rates import rates

        if (self.folder / CLEAN).is_file():
            return
        began, config = time.monotonic(), self.config
        graph = load_graph(self.graph)
        wanted = ScanConfig(
            least=config.least,
            structure=config.vectors,
            text_share=config.text_share,
            seed=self.seed,
        )
        model = scan_model(str(self.start), graph) if config.text_share else None
        found = scan_graph(graph, model, wanted)
        with Queue(self.graph, who=f"sure to {config.above:.0%}") as queue:
            queue.add(found.items, str(self.start), graph)
            queue.decide(queue.above(config.above))
            patch = queue.patch("clean")
        before = rates(graph, self.truth(), [])
        seconds = time.monotonic() - began
        self.files.write_json(SCAN, {**found.to_dict(), "before": before, "seconds": seconds})
        write_patch(patch, self.folder / CLEAN)

    def cleaned(self) -> dict[str, Any]:
        """Changes the graph and compares it with the truth, before and after."""
        from accord.graph.load import load_graph
        from accord.refine.patch import apply_patch
        from accord.refine.patch_files import read_patch
        from accord.refine.queue import Queue
        from accord.refine.truth_rates import rates

        truth = self.truth()
        patch, graph = read_patch(self.folder / CLEAN), load_graph(self.graph)
        if patch.add or patch.remove:
            graph = apply_patch(self.graph, patch).graph
        with Queue(self.graph) as queue:
            entries = queue.entries("accepted")
        changes = [_change(graph, entry, truth) for entry in entries]
        scan = self.files.read_json(SCAN)
        return {
            "seed": self.seed,
            **asdict(self.config),
            "before": scan["before"],
            "after": rates(graph, truth, [patch]),
            "removed": _counted(changes, "remove"),
            "added": _counted(changes, "add"),
            "flags": scan["flags"],
            "proposals": scan["proposals"],
            "text_model": scan["text_model"],
            "changes": changes,
            "seconds": scan["seconds"],
        }


def _change(graph: KnowledgeGraph, entry: Entry, truth: Planted) -> dict[str, Any]:
    """An accepted item for people, and whether it was right."""
    from accord.refine.telling import told_change

    right = truth.planted if entry.item.kind == "flag" else truth.removed
    return {**told_change(graph, entry), "right": entry.item.triple in right}


def _counted(changes: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """How many changes of a kind, how many were right, and how many were expected to be."""
    some = [change for change in changes if change["change"] == kind]
    return {
        "n": len(some),
        "right": sum(change["right"] for change in some),
        "expected": sum(change["probability"] or 0.0 for change in some),
    }
