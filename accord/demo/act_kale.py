"""Second act: the model knows the facts; it learns to use them in questions of two hops.

Three arms start from one run that has the facts in: `vanilla` is asked as it is, `sft` learns the
answers, `kale` learns to answer without the rationale as with it. Both learn in as many steps.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accord.demo.kale_questions import Asked, AskedConfig, make_questions
from accord.demo.running import trained
from accord.progress import clock, say

if TYPE_CHECKING:
    from accord.evaluate.arms import ArmAnswers
    from accord.graph.graph import KnowledgeGraph

FOLDER, SPLIT, KIND = "kale", "test", "kale"
START = "facts"
"""The run that the arms start from."""
ANSWERS_ALONE = ("rationale.answer_with=0", "rationale.kl=0", "rationale.facts=0")
"""Over the recipe: cross-entropy on the answers and nothing else, as in `kale/sft`."""
ARMS: Mapping[str, tuple[str, ...] | None] = {"vanilla": None, "sft": ANSWERS_ALONE, "kale": ()}
"""Arm -> what it learns with, over the recipe; None where it is the start itself."""
EXAMPLES = 3
TEACHER = "teacher_accuracy"


@dataclass(frozen=True)
class KaleConfig:
    """What the act is played with."""

    recipe: str = "demo-kale"
    """The recipe."""
    overrides: tuple[str, ...] = ()
    """`key=value` over the recipe, for every run of the act."""
    facts: tuple[str, ...] = ("loop.steps=100", "rationale.rows=32")
    """`key=value` over these, for the run that learns the facts."""
    asked: AskedConfig = field(default_factory=AskedConfig)
    """The questions."""
    test: int | None = 120
    """Held-out questions that are asked at most; None for all."""


@dataclass(frozen=True)
class KaleResult:
    """What the act found."""

    found: Mapping[str, Any]
    """As `play` keeps it."""

    def to_dict(self) -> dict[str, Any]:
        """The act's key in the object that `--json` prints."""
        return {"kale": dict(self.found)}

    def to_text(self) -> str:
        """The table for people."""
        from accord.evaluate.tables import table

        found = self.found
        rows: list[list[object]] = [["trivial", found["trivial"]["exact_match"], "", ""]]
        for name, arm in found["arms"].items():
            share, seconds = arm["known_incorrect"], clock(arm["seconds"])
            rows.append([name, arm["exact_match"], "-" if share is None else share, seconds])
        known = f"{found['known']} of {found['n']}"
        title = f"two-hop questions, held out; the facts of {known} were known before tuning"
        return f"{title}\n{table(['', 'exact match', 'known and wrong', 'training'], rows)}"


def play(folder: Path, seed: int, config: KaleConfig, start: Path) -> KaleResult:
    """Makes questions, puts their facts in, tunes each arm and asks all of them the same.

    Called again with the same folder it goes on: finished phases are skipped, training resumes.

    Args:
        folder: Holds the graph (`graph`); what the act makes is in its folder `kale`.
        seed: Of training and of every draw.
        config: What the act is played with.
        start: The run of the first act; the outcome is kept there, where the report finds it.

    Returns:
        What each arm answered.

    Raises:
        ConfigError: The folder holds runs or questions with other settings.
        AccordError: As of `train` and `eval`.
    """
    from accord.evaluate.records import write_record
    from accord.graph.load import load_graph

    graph = load_graph(folder / "graph")
    say("kale 1/5 two-hop questions over the graph")
    asked = make_questions(graph, folder / FOLDER, config.asked, seed)
    say(f"  {asked.counts['train']} to learn, {asked.counts['test']} held out")
    scene = _Scene(folder, seed, config, graph, asked)
    say(f"kale 2/5 the {asked.counts['facts']} facts that they need")
    scene.train(START, start, asked.facts, config.facts)
    for number, name in enumerate(ARMS, 3):
        say(f"kale {number}/5 {name}")
        scene.arm(name)
    found = scene.compared()
    command = shlex.join(["accord", "demo", "--out", str(folder), "--seed", str(seed)])
    write_record(start, KIND, "after", found, command)
    return KaleResult(found)


@dataclass(frozen=True)
class _Scene:
    """One playing of the act."""

    folder: Path
    seed: int
    config: KaleConfig
    graph: KnowledgeGraph
    asked: Asked

    def run(self, name: str) -> Path:
        return self.folder / FOLDER / (START if ARMS.get(name) is None else name)

    def train(self, name: str, start: Path, qa: Path, overrides: Sequence[str]) -> dict[str, Any]:
        more = ANSWERS_ALONE if name == START else ()
        before = [run for run in (self.run(START), *map(self.run, ARMS)) if run != self.run(name)]
        shared = f"loop.cache_from={json.dumps([str(run) for run in before])}"
        settings = [*self.config.overrides, *more, *overrides, shared, f"seed={self.seed}"]
        graph = self.folder / "graph"
        return trained(self.run(name), self.config.recipe, graph, settings, start, qa)

    def arm(self, name: str) -> None:
        overrides = ARMS[name]
        if overrides is not None:
            self.train(name, self.run(START), self.asked.questions, overrides)
        self.answers(name)

    def answers(self, name: str) -> ArmAnswers:
        """What an arm answers; what is known is what the start knows."""
        from accord.evaluate.arms import arm_answers
        from accord.evaluate.graph_qa import GraphQaConfig

        config = GraphQaConfig(split=SPLIT, limit=self.config.test, seed=self.seed)
        first = next(iter(ARMS))
        known = None if name == first else self.answers(first).dump
        return arm_answers(self.run(name), self.graph, self.asked.questions, config, known)

    def compared(self) -> dict[str, Any]:
        """All arms side by side, with examples and what training took."""
        from accord.evaluate.arms import side_by_side, worked_examples
        from accord.text.questions import read_questions

        arms = {name: self.answers(name) for name in ARMS}
        found = side_by_side(arms, "sft", "kale")
        for name, arm in found["arms"].items():
            arm |= self.cost(name)
        asked = read_questions(self.asked.questions)
        examples = worked_examples(arms, asked, self.graph, "sft", "kale", EXAMPLES)
        more = {"questions": self.asked.counts, TEACHER: self.teacher()}
        return {**found, **more, "examples": examples}

    def cost(self, name: str) -> dict[str, Any]:
        """Steps and seconds of an arm's run; of the first arm those of the facts."""
        from accord.train.checkpoint import RunFolder

        result = RunFolder(self.run(name)).read_json("result.json")
        return {key: result[key] for key in ("steps", "seconds")}

    def teacher(self) -> float | None:
        """How often the teacher was right before the first step, as the run logged it."""
        from accord.train.checkpoint import RunFolder

        lines = RunFolder(self.run("kale")).lines()
        return next((line[TEACHER] for line in lines if TEACHER in line), None)
