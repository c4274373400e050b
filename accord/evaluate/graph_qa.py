"""Questions over a graph, answered in words: measured by hops and relation path, and whether the
model knows the facts that it answers wrongly with ("known and incorrect").

Source: KALE (arXiv 2601.07430). Differs from it: answers are sets and compared strictly; known is
what the model itself answers when the question's hops are asked one by one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.errors import ConfigError, DataError, nearest
from accord.evaluate.files import write_lines
from accord.evaluate.hops import AskedHop, Cells, Hops, read_known
from accord.evaluate.protocol import GenerativeModel
from accord.evaluate.qa_answers import METRICS, Majority, Score, judge, means
from accord.evaluate.statistics import stratified_sample
from accord.evaluate.tables import metric_rows, table
from accord.graph.graph import KnowledgeGraph
from accord.text import qa_prompts
from accord.text.questions import Question, read_questions

MODES = ("direct", "rationale-given", "rationale-written")
RULES = ("hits@1", "exact_match")
SHOT_ANSWERS = 3


@dataclass(frozen=True)
class GraphQaConfig:
    """How questions are put and judged."""

    split: str = "valid"
    """Whose questions are asked; a file without splits is asked whole."""
    mode: str = "direct"
    """"direct": answer straight away; "rationale-given": the file's rationale stands in the prompt;
    "rationale-written": the model writes one first."""
    shots: int = 0
    """Solved examples from train before the question, with rationale but in direct mode."""
    limit: int | None = 1000
    """Questions at most, drawn so that each relation path keeps its share; None for all."""
    seed: int = 0
    """Of sample and examples."""
    answer_tokens: int = 48
    """Tokens of an answer at most."""
    rationale_tokens: int = 160
    """Tokens of a rationale at most."""
    hops: bool = False
    """Also ask for the single facts; needs the graph."""
    hop_form: str = "question"
    """In which form, see `Hops`: question or completion."""
    known_from: str = ""
    """Dump of another run, whose known questions count as known."""
    rule: str = "hits@1"
    """By which measure an answer is right for known and incorrect."""

    def __post_init__(self) -> None:
        for name, value, known in (("mode", self.mode, MODES), ("rule", self.rule, RULES)):
            if value not in known:
                raise ConfigError(f"no {name} {value!r}", nearest(value, known))
        counts = (self.answer_tokens, self.rationale_tokens, self.limit or 1)
        if self.shots < 0 or min(counts) < 1:
            raise ConfigError("shots cannot be negative; limit and tokens must be 1 or more")


@dataclass(frozen=True)
class Answered:
    """One question with what was written and how it is judged."""

    question: Question
    prompt: str
    written: str
    answers: tuple[str, ...]
    """Read from what was written."""
    score: Score
    hops: tuple[AskedHop, ...] = ()
    known: bool | None = None
    """Whether all its hops were answered rightly; None where they were not asked."""
    known_before: bool | None = None
    """The same from another run's dump."""

    def to_dict(self) -> dict[str, Any]:
        """One line of a dump."""
        scores = {name: getattr(self.score, field) for name, field in METRICS.items()}
        hops = [{**vars(hop), "answers": list(hop.answers)} for hop in self.hops]
        question = self.question
        return {
            "id": question.id, "question": question.question, "hops": question.hops,
            "pattern": question.pattern, "prompt": self.prompt, "written": self.written,
            "answers": list(question.answers), "predicted": list(self.answers), **scores,
            "known": self.known, "known_before": self.known_before, "asked_hops": hops,
        }  # fmt: skip


@dataclass(frozen=True)
class GraphQaResult:
    """All answers, with the trivial baselines for the same questions."""

    config: GraphQaConfig
    items: tuple[Answered, ...]
    baselines: dict[str, dict[str, float]]
    """"frequent" and "frequent_by_path" -> means; empty without train questions."""
    seconds: float

    def values(self, metric: str) -> npt.NDArray[np.float64]:
        """(N,) one metric a question, for `paired_bootstrap`."""
        return np.array([getattr(item.score, METRICS[metric]) for item in self.items])

    def grouped(self, key: Callable[[Question], str]) -> dict[str, dict[str, float]]:
        """Means for each group of questions, in the order of their names."""
        groups: dict[str, list[Score]] = {}
        for item in self.items:
            groups.setdefault(key(item.question), []).append(item.score)
        return {name: means(groups[name]) for name in sorted(groups)}

    def known(self) -> dict[str, Any] | None:
        """Known and incorrect: "own" (this model's known) and "before" (the other run's)."""
        found = {
            name: self._cells([getattr(item, field) for item in self.items])
            for name, field in (("own", "known"), ("before", "known_before"))
        }
        if not any(found.values()):
            return None
        hops = list({hop.prompt: hop for item in self.items for hop in item.hops}.values())
        share = sum(hop.right for hop in hops) / len(hops) if hops else None
        asked = {"n": len(hops), "accuracy": share}
        return {"rule": self.config.rule, "form": self.config.hop_form, "hops": asked, **found}

    def _cells(self, known: Sequence[bool | None]) -> dict[str, Any] | None:
        right = self.values(self.config.rule) == 1
        told = [(flag, bool(fine)) for flag, fine in zip(known, right, strict=True)]
        pairs = [(flag, fine) for flag, fine in told if flag is not None]
        if not pairs:
            return None
        flags, fine = zip(*pairs, strict=True)
        return {**Cells.of(flags, fine).to_dict(), "not_asked": len(told) - len(pairs)}

    def to_dict(self) -> dict[str, Any]:
        """n, exact_match, f1, hits@1, looser measures, and what stands beside."""
        config = self.config
        return {
            "task": "questions", "split": config.split, "mode": config.mode,
            "shots": config.shots, **means([item.score for item in self.items]),
            "by_hops": self.grouped(lambda question: str(question.hops)),
            "by_path": self.grouped(lambda question: question.pattern),
            "baselines": self.baselines, "known": self.known(), "seconds": self.seconds,
        }  # fmt: skip

    def to_text(self) -> str:
        """The result for people."""
        found = self.to_dict()
        rows = {"all": means([item.score for item in self.items])}
        rows |= {f"{hops} hops": part for hops, part in found["by_hops"].items()}
        rows |= {f"baseline: {name}": part for name, part in self.baselines.items()}
        title = f"questions on {self.config.split}: {self.config.mode}, {self.config.shots} shots"
        parts = [title, metric_rows(rows)]
        if found["known"]:
            parts.append(_known_text(found["known"]))
        return "\n".join(parts)

    def dump(self, path: str | Path) -> Path:
        """Writes one JSON line a question: prompt, answers, scores, hops, known."""
        rows = (json.dumps(item.to_dict(), ensure_ascii=False) for item in self.items)
        return write_lines(path, rows)


def _known_text(known: dict[str, Any]) -> str:
    names = ["known and incorrect", "share", "right", "wrong", "unknown: right", "unknown: wrong"]
    rows = []
    for name, label in (("before", "known before"), ("own", "known now")):
        if known[name]:
            share = known[name]["known_incorrect"]
            rows.append([label, "-" if share is None else share, *known[name]["cells"].values()])
    return table(names, rows)


def load_questions(paths: Sequence[str | Path]) -> list[Question]:
    """The questions of some files.

    Raises:
        DataError: A file cannot be read or is empty; the message names file and line.
    """
    found: list[Question] = []
    for path in paths:
        before = len(found)
        found += read_questions(path)
        if len(found) == before:
            raise DataError("no questions in it", path)
    return found


def evaluate_graph_qa(
    model: GenerativeModel,
    graph: KnowledgeGraph | None,
    questions: Sequence[Question],
    config: GraphQaConfig | None = None,
) -> GraphQaResult:
    """Asks questions and judges the answers.

    Args:
        model: What writes.
        graph: The graph that the questions' paths are of; needed for `hops` only.
        questions: Questions of all splits; those of train give examples and baselines.
        config: How they are put.

    Returns:
        Every answer, judged, and the trivial baselines.

    Raises:
        DataError: No questions in the split, or the other run's dump lacks one.
        ConfigError: A mode or example needs rationales that are not there, or there is no graph.
    """
    config = config or GraphQaConfig()
    chosen = _chosen(questions, config)
    train = [question for question in questions if question.split == "train"]
    prompts = _prompts(chosen, train, config)
    start = time.perf_counter()
    written = _write(model, prompts, config)
    seconds = time.perf_counter() - start
    read = qa_prompts.read_answers
    if config.mode == "rationale-written":
        read = qa_prompts.read_after_rationale
    answers = [tuple(read(text)) for text in written]
    hops = _hops(model, graph, chosen, config)
    before = read_known(config.known_from, chosen) if config.known_from else [None] * len(chosen)
    items = tuple(
        Answered(
            question, prompt, text, found, judge(found, question.answers), asked,
            all(hop.right for hop in asked) if asked else None, known,
        )
        for question, prompt, text, found, asked, known in zip(
            chosen, prompts, written, answers, hops, before, strict=True
        )
    )  # fmt: skip
    return GraphQaResult(config, items, _baselines(chosen, train), seconds)


def _chosen(questions: Sequence[Question], config: GraphQaConfig) -> list[Question]:
    splits = {question.split for question in questions}
    whole = splits <= {""}
    found = [q for q in questions if whole or q.split == config.split]
    if not found:
        known = ", ".join(sorted(split for split in splits if split))
        raise DataError(f"no questions in split {config.split!r}", hint=f"there are: {known}")
    patterns = np.unique([question.pattern for question in found], return_inverse=True)[1]
    return [found[i] for i in stratified_sample(patterns.reshape(-1), config.limit, config.seed)]


def _prompts(
    chosen: Sequence[Question], train: Sequence[Question], config: GraphQaConfig
) -> list[str]:
    with_rationale = config.mode != "direct"
    given = config.mode == "rationale-given"
    lacking = [question for question in chosen if given and not question.rationale]
    if lacking:
        raise ConfigError(
            f"{len(lacking)} of {len(chosen)} questions have no rationale, such as "
            f"{lacking[0].id!r}",
            "write rationales with `accord synthesize`, or choose another --mode",
        )
    start = qa_prompts.shots_text(_shots(train, config, with_rationale), with_rationale)
    if config.mode == "rationale-written":
        return [start + qa_prompts.question_opening(q.question) + "\nRationale:" for q in chosen]
    return [
        start + qa_prompts.question_prompt(q.question, q.rationale if given else "") for q in chosen
    ]


def _shots(train: Sequence[Question], config: GraphQaConfig, rationale: bool) -> list[Question]:
    """Examples with different relation paths where there are enough, and few answers."""
    fit = [q for q in train if len(q.answers) <= SHOT_ANSWERS and (q.rationale or not rationale)]
    if len(fit) < config.shots:
        kind = "train questions with a rationale" if rationale else "train questions"
        raise ConfigError(
            f"{config.shots} examples wanted, {len(fit)} {kind} of at most {SHOT_ANSWERS} answers",
            "give a --qa file with a train split, or fewer --shots",
        )
    order = np.random.default_rng(config.seed).permutation(len(fit)).tolist()
    seen: dict[str, int] = {}
    turns = []
    for i in order:
        seen[fit[i].pattern] = turn = seen.get(fit[i].pattern, 0) + 1
        turns.append((turn, i))
    return [fit[i] for _, i in sorted(turns, key=lambda pair: pair[0])[: config.shots]]


def _write(model: GenerativeModel, prompts: list[str], config: GraphQaConfig) -> list[str]:
    if config.mode == "rationale-written":
        # An answer ends its block, as in the examples; the line break before it is no end.
        return model.generate(prompts, config.rationale_tokens + config.answer_tokens, "\n\n")
    return model.generate(prompts, config.answer_tokens)


def _hops(
    model: GenerativeModel,
    graph: KnowledgeGraph | None,
    chosen: Sequence[Question],
    config: GraphQaConfig,
) -> list[tuple[AskedHop, ...]]:
    if not config.hops:
        return [()] * len(chosen)
    if graph is None:
        raise ConfigError("the facts of questions are asked over a graph", "give --graph")
    return Hops(model, graph, config.hop_form).ask(chosen)


def _baselines(chosen: Sequence[Question], train: Sequence[Question]) -> dict[str, Any]:
    if not train:
        return {}
    majority = Majority(train)
    guesses = {
        "frequent": [majority.best for _ in chosen],
        "frequent_by_path": [majority.of_pattern(question.pattern) for question in chosen],
    }
    return {
        name: means([judge([a], q.answers) for a, q in zip(answers, chosen, strict=True)])
        for name, answers in guesses.items()
    }
