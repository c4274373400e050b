"""From questions, or from a graph alone, to questions with checked rationales."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from accord.errors import ConfigError, DataError, ModelError
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.progress import clock, say, track
from accord.synthesis.explaining import ExplainConfig, Explained, Explainer
from accord.synthesis.progress_file import ProgressFile
from accord.synthesis.questions import QuestionConfig, generate_questions
from accord.synthesis.rationale import RationaleConfig, Tally, Written, write_rationales
from accord.synthesis.splitting import SplitMode, check_split, split_by_entities
from accord.synthesis.writers import UNANSWERED, Writer
from accord.text.questions import Question, question_of, read_questions, write_questions

BLOCK = 256


@dataclass(frozen=True)
class SynthesisConfig:
    """What is made, and how."""

    questions: QuestionConfig = field(default_factory=QuestionConfig)
    """Which questions are generated; not used for given ones."""
    explain: ExplainConfig = field(default_factory=ExplainConfig)
    """How paths for given questions are found."""
    rationale: RationaleConfig = field(default_factory=RationaleConfig)
    """Who writes the rationales."""
    split: SplitMode | None = None
    """Split by the entities of the paths; None keeps each question's own split."""
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Of train, valid and test."""

    def __post_init__(self) -> None:
        check_split(self.shares, self.split or "paths")


@dataclass(frozen=True)
class SynthesisReport:
    """What was made, and what was not."""

    out: Path
    counts: Mapping[str, int]
    """questions, linked, with_path, written, rejected."""
    reasons: Mapping[str, int]
    """Why questions were rejected."""
    hops: Mapping[str, int]
    """Written questions by the steps of their paths."""
    gold: Mapping[str, int]
    """given: linked questions that came with paths; found: of those, whose paths were found."""
    incomplete: int
    """Searches that a budget ended."""
    partial: int
    """Written questions whose paths do not lead to an answer."""
    splits: Mapping[str, int]
    crossing: int
    """Written questions left out because they would cross the splits."""
    examples: Mapping[str, Any]
    """Rejected rationales of this process to look at, by reason."""
    seconds: float
    done: int
    """Questions worked on in this process; the others are from before a stop."""

    def to_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        rate = self.done / self.seconds if self.seconds else 0.0
        found = {name: getattr(self, name) for name in REPORTED}
        note = {"note": self.note()}
        return {**self.counts, **found, **note, "questions_per_second": round(rate, 1)}

    def note(self) -> str:
        """Why there is no question at all; empty where there is one."""
        if self.counts["written"] > self.crossing:
            return ""
        if not self.counts["questions"]:
            return "the graph gives no such question: try other --hops or a higher --max-answers"
        if self.counts["written"]:
            return "every question would cross the splits: leave out --split"
        if not self.counts["linked"]:
            return "no question names an entity of the graph: give topics, or another graph"
        if not self.counts["with_path"]:
            return "no path leads from a topic to an answer: more --hops, or --no-path partial"
        return "every rationale was rejected (see the reasons)"

    def to_text(self) -> str:
        """The report for people."""
        total = self.counts["questions"]
        lines = [f"{self.counts['written'] - self.crossing:,} questions in {self.out}"]
        for name in ("linked", "with_path", "written", "rejected"):
            share = self.counts[name] / total if total else 0.0
            lines.append(f"  {name.replace('_', ' '):<10} {self.counts[name]:>8,}  {share:6.1%}")
        lines += [f"    {reason}: {count:,}" for reason, count in self.reasons.items()]
        if self.hops:
            lines.append("  " + ", ".join(f"{k}-hop {v:,}" for k, v in self.hops.items()))
        for said, count in (
            ("paths lead towards the answer only", self.partial),
            ("searches ended by a budget", self.incomplete),
            ("left out, since they would cross the splits", self.crossing),
        ):
            lines += [f"  {said}: {count:,}"] if count else []
        if self.gold["given"]:
            lines.append(f"  gold path found: {self.gold['found']:,} of {self.gold['given']:,}")
        if self.splits:
            lines.append("  " + ", ".join(f"{k} {v:,}" for k, v in self.splits.items()))
        lines.append(f"  {clock(self.seconds)}")
        lines += [self.note()] if self.note() else []
        return "\n".join(lines)


REPORTED = (
    "out",
    "reasons",
    "hops",
    "gold",
    "incomplete",
    "partial",
    "splits",
    "crossing",
    "examples",
    "seconds",
)


def synthesize(
    graph: KnowledgeGraph,
    out: str | Path,
    qa: str | Path | None = None,
    generate: int | None = None,
    config: SynthesisConfig | None = None,
    writer: Writer | None = None,
) -> SynthesisReport:
    """Writes questions with answers, paths and checked rationales as JSONL.

    A run that is stopped goes on when it is called again with the same arguments; until it is
    done its records are in ``OUT.progress``, and what was at `out` before is untouched.

    Args:
        graph: The graph.
        out: The file to write; ``.gz`` is gzipped.
        qa: Questions to explain: JSONL with question and answers, and topics if known.
        generate: How many questions to make from the graph instead.
        config: What and how; the default needs no model.
        writer: Who writes; needed for a local model only.

    Returns:
        What was made, and why the rest was rejected.

    Raises:
        ConfigError: Neither or both of `qa` and `generate`.
        DataError: A file that cannot be read (the line is named) or written.
        ModelError: An endpoint that answered none of the questions; `out` is untouched.
    """
    config, target = config or SynthesisConfig(), Path(out)
    if (qa is None) == (generate is None):
        raise ConfigError("give questions or a number to make", "use either --qa or --generate")
    if generate is not None and generate < 1:
        raise ConfigError(f"{generate} questions to make", "use 1 or more")
    if qa is not None:
        _judge_input(Path(qa), target)
    started = time.monotonic()
    total = generate or sum(1 for _ in read_questions(str(qa)))
    if not total:
        raise DataError("no questions in it", str(qa), hint="one JSON object a line")
    progress = ProgressFile(target, _key(graph, qa, generate, config))
    if progress.done:
        say(f"{progress.path}: goes on after {progress.done:,} questions")
    tally = Tally()
    try:
        with track("questions", total - progress.done, "questions") as advance:
            for records in _records(graph, qa, generate, config, writer, progress.done, tally):
                progress.add(records)
                advance(len(records))
    except KeyboardInterrupt:
        say(f"stopped; the same command goes on with {progress.path}")
        raise
    report = _finish(progress, target, config, tally, time.monotonic() - started)
    if generate and report.counts["questions"] < generate:
        say(f"{report.counts['questions']:,} questions and no more: draws bring nothing new")
    return report


def _judge_input(qa: Path, out: Path) -> None:
    if qa.resolve() == out.resolve():
        raise ConfigError(f"--out is --qa ({qa})", "write to another file")


def _key(
    graph: KnowledgeGraph, qa: str | Path | None, generate: int | None, config: SynthesisConfig
) -> str:
    """What the records follow from."""
    try:
        source = Path(qa).read_bytes() if qa is not None else str(generate).encode()
    except OSError as error:
        raise DataError(f"cannot read questions ({error})", qa) from error
    parts = [graph.hash.encode(), source, repr((config.questions, config.explain)).encode()]
    parts.append(repr(config.rationale).encode())
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _records(
    graph: KnowledgeGraph,
    qa: str | Path | None,
    generate: int | None,
    config: SynthesisConfig,
    writer: Writer | None,
    done: int,
    tally: Tally,
) -> Iterator[list[dict[str, Any]]]:
    """One record a question, in blocks; the first `done` questions are passed over."""
    if generate is not None:
        made = generate_questions(graph, generate, config.questions)
        found: Iterable[Explained] = (Explained(question, True) for question in made)
        found = islice(found, done, None)
    else:
        found = _explained(graph, islice(read_questions(str(qa)), done, None), config.explain)
    records = _written(graph, found, config, writer, tally)
    while block := list(islice(records, BLOCK)):
        yield block


def _explained(
    graph: KnowledgeGraph, questions: Iterator[Question], config: ExplainConfig
) -> Iterator[Explained]:
    explainer = Explainer(graph, config)
    while block := list(islice(questions, BLOCK)):
        yield from explainer.explain(block)


def _written(
    graph: KnowledgeGraph,
    items: Iterable[Explained],
    config: SynthesisConfig,
    writer: Writer | None,
    tally: Tally,
) -> Iterator[dict[str, Any]]:
    """One record a question, in order; those with paths get their rationale on the way."""
    waiting: deque[Explained] = deque()

    def ready() -> Iterator[Question]:
        for item in items:
            waiting.append(item)
            if not item.reason:
                yield item.question

    for written in write_rationales(graph, ready(), config.rationale, writer):
        tally.add(written)
        while waiting[0].reason:
            yield _record(waiting.popleft(), None)
        yield _record(waiting.popleft(), written)
    yield from (_record(item, None) for item in waiting)


def _record(item: Explained, written: Written | None) -> dict[str, Any]:
    question = written.question if written else None
    return {
        "question": question.to_dict() if question else None,
        "linked": item.linked,
        "reason": written.reason if written else item.reason,
        "path": written is not None,
        "partial": item.partial,
        "complete": item.complete,
        "gold": item.gold,
    }


def _finish(
    progress: ProgressFile, out: Path, config: SynthesisConfig, tally: Tally, seconds: float
) -> SynthesisReport:
    records = list(progress.read())
    asked = [record["reason"] for record in records if record["path"]]
    if asked and all(reason in UNANSWERED for reason in asked):
        progress.remove()
        counts = ", ".join(f"{reason}: {n:,}" for reason, n in Counter(asked).most_common())
        raise ModelError(
            f"the endpoint wrote no rationale ({counts}); nothing was written to {out}",
            "see that it is up and serves that model, then run the same command again",
        )
    questions = [question_of(r["question"]) for r in records if r["question"]]
    kept = questions
    if config.split is not None and questions:
        kept = split_by_entities(questions, config.shares, config.split, config.questions.seed)
    write_questions(out, kept)
    progress.remove()
    made = [r for r in records if r["question"]]
    reasons = Counter(r["reason"] for r in records if not r["question"])
    golds = [r["gold"] for r in records if r["gold"] is not None]
    return SynthesisReport(
        out,
        {
            "questions": len(records),
            "linked": sum(r["linked"] for r in records),
            "with_path": sum(r["path"] for r in records),
            "written": len(made),
            "rejected": len(records) - len(made),
        },
        dict(reasons.most_common()),
        {str(k): v for k, v in sorted(Counter(q.hops for q in questions).items())},
        {"given": len(golds), "found": sum(golds)},
        sum(not r["complete"] for r in records),
        sum(r["partial"] for r in made),
        {name: n for name in SPLITS if (n := sum(q.split == name for q in kept))},
        len(questions) - len(kept),
        tally.to_dict()["examples"],
        round(seconds, 2),
        len(records) - progress.done,
    )
