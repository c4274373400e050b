"""Rationales: a question, its answers and the paths between them, said in a few sentences.

A template says them without any model (the default); a local model or an OpenAI-compatible endpoint
says them in words of its own. Whoever writes, each rationale is checked against the paths, and what
does not hold is rejected, counted and shown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, NamedTuple

from accord.errors import ConfigError, GraphError
from accord.graph.graph import KnowledgeGraph
from accord.synthesis.facts import Fact, sentences
from accord.synthesis.rationale_cache import RationaleCache, draft_key
from accord.synthesis.rationale_check import (
    NO_PATH,
    NOT_IN_GRAPH,
    UNREACHED,
    Check,
    RationaleChecker,
)
from accord.synthesis.writers import Draft, Task, Writer, template_writer
from accord.text.questions import HopPath, Question
from accord.text.render import one_line

TOO_LONG = "too long"
_Pair = tuple[HopPath, list[Fact]]
EXAMPLES = 3
"""Rejected rationales of each kind that are kept to be shown."""


@dataclass(frozen=True)
class RationaleConfig:
    """How rationales are written and checked."""

    writer: Literal["template", "local", "endpoint"] = "template"
    """Who writes: a template, a local model, or an OpenAI-compatible endpoint."""
    model: str = ""
    """Name of the model that the local writer or the endpoint uses."""
    endpoint: str = "http://127.0.0.1:8000/v1"
    """Base URL of the endpoint; /chat/completions is added."""
    max_words: int = 60
    """Words of a rationale at most, about 80 tokens; further paths are left out, never cut."""
    partial: bool = False
    """Also write from paths that do not lead to an answer."""
    timeout: float = 60.0
    """Seconds to wait for one answer of the endpoint."""
    attempts: int = 4
    """How often to ask the endpoint for one rationale, with growing pauses between."""
    parallel: int = 4
    """Requests to the endpoint at a time."""
    cache: str | None = ""
    """Folder where a model's rationales are kept; empty: the user's cache; none: not kept."""

    def __post_init__(self) -> None:
        for name in ("max_words", "attempts", "parallel"):
            if getattr(self, name) < 1:
                raise ConfigError(f"rationale {name} is {getattr(self, name)}", "use 1 or more")
        if not self.timeout > 0:
            raise ConfigError(f"rationale timeout is {self.timeout}", "use more than 0 seconds")


class Written(NamedTuple):
    """What came of one question."""

    question: Question | None
    """The question with its rationale and the paths that it says; None where it was rejected."""
    reason: str
    """Why it was rejected; empty where it was not."""
    text: str
    """What was written, accepted or not."""
    asked: Question
    """The question as it was given."""
    check: Check | None = None
    """What the check found; None where there was nothing to check."""

    @property
    def left_out(self) -> int:
        """Paths that an accepted rationale does not say, for want of room."""
        return len(self.asked.paths) - len(self.question.paths) if self.question else 0


@dataclass
class Tally:
    """Counts what was written and rejected, and keeps examples to show."""

    written: int = 0
    shortened: int = 0
    """Accepted rationales that leave paths out for want of room."""
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Written]] = field(default_factory=dict)
    """The first rejected of each reason."""

    def add(self, written: Written) -> None:
        """Counts one."""
        if written.question is not None:
            self.written += 1
            self.shortened += written.left_out > 0
            return
        self.rejected[written.reason] += 1
        kept = self.examples.setdefault(written.reason, [])
        if len(kept) < EXAMPLES:
            kept.append(written)

    def to_dict(self) -> dict[str, Any]:
        """``{"written", "shortened", "rejected", "reasons", "examples"}`` for `--json`."""
        return {
            "written": self.written,
            "shortened": self.shortened,
            "rejected": self.rejected.total(),
            "reasons": dict(self.rejected.most_common()),
            "examples": {
                reason: [_shown(written) for written in kept]
                for reason, kept in self.examples.items()
            },
        }


def write_rationales(
    graph: KnowledgeGraph,
    questions: Iterable[Question],
    config: RationaleConfig | None = None,
    writer: Writer | None = None,
) -> Iterator[Written]:
    """Writes and checks a rationale for each question.

    What a model wrote is kept at once, so a run that was stopped goes on where it was.

    Args:
        graph: The graph that the paths are of.
        questions: Questions with answers and paths; they may come one by one.
        config: How to write; the default needs no model.
        writer: Who writes; the default follows from `config`. A local model is
            `accord.synthesis.local_writer.LocalWriter` and must be given.

    Yields:
        One `Written` a question, in the same order.

    Raises:
        ConfigError: A local model is asked for and none is given.
        DataError: The cache cannot be written.
    """
    config = config or RationaleConfig()
    writer = writer or _writer_of(config)
    maker = _Maker(graph, config, writer)
    with ExitStack() as stack:
        kept = config.cache is not None and writer.settings
        cache = stack.enter_context(RationaleCache.open(config.cache or None)) if kept else None
        waiting = iter(questions)
        while block := list(islice(waiting, writer.block)):
            yield from maker.block(block, cache)


def with_rationales(graph: KnowledgeGraph, questions: Iterable[Question]) -> Iterator[Question]:
    """Questions with the template's rationales; one whose rationale is rejected keeps none."""
    for written in write_rationales(graph, questions, RationaleConfig(cache=None)):
        yield written.question or written.asked


def _writer_of(config: RationaleConfig) -> Writer:
    if config.writer == "template":
        return template_writer
    if config.writer == "endpoint":
        from accord.synthesis.endpoint import EndpointWriter

        return EndpointWriter(
            config.endpoint, config.model, config.timeout, config.attempts, config.parallel
        )
    raise ConfigError(
        "the local writer needs a model", "pass writer=LocalWriter(model, name) to write_rationales"
    )


class _Maker:
    """Turns questions into tasks, drafts into checked rationales."""

    def __init__(self, graph: KnowledgeGraph, config: RationaleConfig, writer: Writer) -> None:
        self.graph, self.config, self.writer = graph, config, writer
        self.checker = RationaleChecker(graph)

    def block(self, questions: list[Question], cache: RationaleCache | None) -> list[Written]:
        tasks = [self.task(question) for question in questions]
        ready = [task for task in tasks if isinstance(task, Task)]
        drafts = iter(self._drafts(ready, cache))
        return [
            self.judge(asked, task, next(drafts))
            if isinstance(task, Task)
            else Written(None, task, "", asked)
            for asked, task in zip(questions, tasks, strict=True)
        ]

    def task(self, question: Question) -> Task | str:
        """What to say about a question, or why nothing can be said."""
        try:
            paths = [
                (path, self.checker.facts.path(path))
                for path in dict.fromkeys(question.paths)
                if path
            ]
        except GraphError:
            return NOT_IN_GRAPH
        whole = [p for p in paths if self.checker.leads_to_answer(question, p[0])]
        if not paths or not (whole or self.config.partial):
            return UNREACHED if paths else NO_PATH
        chosen = _other_ends_first(whole or paths)
        count = _with_partners(chosen, self._fitting([facts for _, facts in chosen]))
        said = sorted(chosen[:count], key=paths.index)
        lines = tuple(sentences(self.graph, [facts for _, facts in said]))
        return Task(replace(question, paths=tuple(path for path, _ in said)), lines)

    def _fitting(self, paths: list[list[Fact]]) -> int:
        """How many of the paths fit into the limit; at least one."""

        def words(count: int) -> int:
            return len(" ".join(sentences(self.graph, paths[:count])).split())

        if words(len(paths)) <= self.config.max_words:
            return len(paths)
        # No path takes fewer than two words, so more than the limit never fit.
        counts = range(1, min(len(paths), self.config.max_words) + 1)
        return max(1, bisect_right(counts, self.config.max_words, key=words))

    def _drafts(self, tasks: list[Task], cache: RationaleCache | None) -> list[Draft]:
        if cache is None:
            return list(self.writer.write(tasks)) if tasks else []
        keys = [draft_key(self.writer.settings, task.question, task.statements) for task in tasks]
        fresh = [i for i, key in enumerate(keys) if key not in cache]
        written = self.writer.write([tasks[i] for i in fresh]) if fresh else ()
        new: dict[int, Draft] = {}
        for i, draft in zip(fresh, written, strict=True):
            new[i] = draft
            if not draft.problem:
                cache.add(keys[i], draft.text)
        return [new[i] if i in new else Draft(cache[key]) for i, key in enumerate(keys)]

    def judge(self, asked: Question, task: Task, draft: Draft) -> Written:
        """Checks one draft; only what passes comes back with its question."""
        text = one_line(draft.text)
        if draft.problem:
            return Written(None, draft.problem, text, asked)
        check = self.checker.check(task.question, text)
        reason = check.reason
        if self.config.partial and reason == UNREACHED:
            reason = ""
        # Saying a thing over and over claims nothing more, but is no rationale either.
        if not reason and len(text.split()) > 2 * len(" ".join(task.statements).split()) + 10:
            reason = TOO_LONG
        if reason:
            return Written(None, reason, text, asked, check)
        source = "; ".join(filter(None, (asked.source, f"rationale by {self.writer.name}")))
        return Written(
            replace(task.question, rationale=text, source=source), "", text, asked, check
        )


def _other_ends_first(paths: list[_Pair]) -> list[_Pair]:
    """Paths reordered: all that an answer needs together, second ways to it at the end."""
    ways: Counter[tuple[str, str]] = Counter()
    order: list[tuple[int, int, int]] = []
    ends = {end: i for i, end in enumerate(dict.fromkeys(path[-1].end for path, _ in paths))}
    for place, (path, _) in enumerate(paths):
        way = path[0].start, path[-1].end
        order.append((ways[way], ends[path[-1].end], place))
        ways[way] += 1
    return [paths[place] for _, _, place in sorted(order)]


def _with_partners(paths: list[_Pair], count: int) -> int:
    """How many of the first paths to say, so that none needs one from another topic behind them."""
    if count == len(paths):
        return count
    cut, kept = paths[count][0], count
    while kept > 1 and _partners(paths[kept - 1][0], cut):
        kept -= 1
    return kept


def _partners(one: HopPath, other: HopPath) -> bool:
    """Whether two topics lead to one answer: a question that joins two chains needs both."""
    return one[-1].end == other[-1].end and one[0].start != other[0].start


def _shown(written: Written) -> dict[str, Any]:
    check = written.check
    return {
        "question": written.asked.question,
        "rationale": written.text,
        "missing": list(check.missing) if check else [],
        "unsupported": [f"{kind}: {words}" for kind, words in check.unsupported] if check else [],
    }
