"""The acts in a row, and the one report of them all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from accord.demo import act_align, act_ask, act_kale, act_loop
from accord.demo.act_align import AlignConfig, AlignResult
from accord.demo.act_ask import AskConfig, AskResult
from accord.demo.act_kale import KaleConfig, KaleResult
from accord.demo.act_loop import CleanConfig, LoopResult
from accord.progress import say

NOTE = "an illustration, one seed"


class Act(Protocol):
    """What an act leaves to be told."""

    def to_dict(self) -> dict[str, Any]:
        """Its keys in the object that `--json` prints."""
        ...

    def to_text(self) -> str:
        """Its table for people."""
        ...


@dataclass(frozen=True)
class DemoConfig:
    """What the story is told with."""

    align: AlignConfig = field(default_factory=AlignConfig)
    """First act: the model learns the graph."""
    kale: KaleConfig | None = field(default_factory=KaleConfig)
    """Second act: it learns to use what it knows; None leaves the act out."""
    ask: AskConfig | None = field(default_factory=AskConfig)
    """Third act: questions, a conversation, a paragraph, a decision; None leaves the act out."""
    clean: CleanConfig | None = field(default_factory=CleanConfig)
    """Last act: a damaged graph is cleaned; None leaves the act out."""


@dataclass(frozen=True)
class DemoResult:
    """What `accord demo` reports."""

    out: Path
    seed: int
    align: AlignResult
    kale: KaleResult | None
    ask: AskResult | None
    loop: LoopResult | None
    report: Path
    seconds: float
    """Of this call; phases that were done before take none."""

    @property
    def acts(self) -> Sequence[Act]:
        """Those that were played, in their order."""
        return [act for act in (self.align, self.kale, self.ask, self.loop) if act is not None]

    def to_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        found: dict[str, Any] = {"out": str(self.out), "note": NOTE, "seed": self.seed}
        for act in self.acts:
            found |= act.to_dict()
        return {**found, "report": str(self.report), "seconds": self.seconds}

    def to_text(self) -> str:
        """The tables for people."""
        tables = "\n\n".join(act.to_text() for act in self.acts)
        return f"{NOTE}\n{tables}\nreport: {self.report}"


def run_demo(
    out: str | Path = "demo-out", seed: int = 0, config: DemoConfig | None = None
) -> DemoResult:
    """Plays the acts and writes the report, anew after each of them.

    Called again with the same folder it goes on: finished phases are skipped, training resumes.

    Args:
        out: Folder for the graph, the runs and the report.
        seed: Of training and of every draw.
        config: What the story is told with; the default is the embedded one.

    Returns:
        What each act found.

    Raises:
        ConfigError: The folder holds a demo with other settings.
        AccordError: As of `import`, `train`, `eval` and `synthesize`.
    """
    start, folder, config = time.monotonic(), Path(out), config or DemoConfig()
    align = act_align.play(folder, seed, config.align)
    report = _report(align.run, folder)
    kale = None
    if config.kale is not None:
        kale = act_kale.play(folder, seed, config.kale, align.run)
        report = _report(align.run, folder)
    ask = None
    if config.ask is not None:
        ask = act_ask.play(folder, seed, config.ask, align.run)
        report = _report(align.run, folder)
    loop = None
    if config.clean is not None:
        loop = act_loop.play(folder, seed, config.clean, align.run)
        report = _report(align.run, folder)
    return DemoResult(folder, seed, align, kale, ask, loop, report, time.monotonic() - start)


def _report(run: Path, folder: Path) -> Path:
    from accord.evaluate.report import write_report

    report = Path(write_report([run], folder / "report.html")["report"])
    say(f"report: {report}")
    return report
