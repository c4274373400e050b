"""Four generative tasks over triples: head, tail and relation prediction, and classification.

Source: KaLM (arXiv 2412.04948), knowledge-graph question answering.
Differs from the paper: the sample is stratified by relation, false triples have a tail that the
relation takes elsewhere, and a relation is chosen from at most `QaConfig.choices` listed ones.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.evaluate.files import write_lines
from accord.evaluate.protocol import GenerativeModel
from accord.evaluate.qa_items import Asker, Item, QaConfig, normalise
from accord.evaluate.tables import table
from accord.graph.graph import KnowledgeGraph


@dataclass(frozen=True)
class TaskResult:
    """The answers to one task."""

    items: tuple[Item, ...]
    written: tuple[str, ...]
    """What the model wrote."""

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """(N,) strict match with the triple's own answer, for `paired_bootstrap`."""
        return self._match(self.written)

    def _match(self, answers: Sequence[str]) -> npt.NDArray[np.bool_]:
        pairs = zip(self.items, answers, strict=True)
        return np.array([normalise(text) == normalise(item.answer) for item, text in pairs])

    def to_dict(self) -> dict[str, Any]:
        """{"n", "accuracy", "accuracy_any", "baseline"}."""
        pairs = list(zip(self.items, self.written, strict=True))
        loose = [normalise(text) in item.also | {normalise(item.answer)} for item, text in pairs]
        return {
            "n": len(self.items),
            "accuracy": float(self.correct.mean()),
            "accuracy_any": float(np.mean(loose)),
            "baseline": float(self._match([item.baseline for item in self.items]).mean()),
        }


@dataclass(frozen=True)
class QaResult:
    """The tasks' results and how the questions were put."""

    split: str
    config: QaConfig
    tasks: dict[str, TaskResult]

    def to_dict(self) -> dict[str, Any]:
        """head, tail, relation, classification -> n, accuracy, and what stands beside."""
        return {
            "task": "triple",
            "split": self.split,
            "prompt": self._prompt(),
            **{task: result.to_dict() for task, result in self.tasks.items()},
        }

    def to_text(self) -> str:
        """The result for people."""
        rows = [[task, *result.to_dict().values()] for task, result in self.tasks.items()]
        title = f"generation on {self.split}: {self._prompt()}"
        names = ["task", "n", "accuracy", "any true answer", "baseline: most frequent"]
        return f"{title}\n{table(names, rows)}"

    def _prompt(self) -> str:
        prompt = self.config.prompt
        if self.config.as_trained:
            return "as trained"
        described = "with descriptions" if prompt.describe else "names only"
        return f"{prompt.style}, {prompt.shots} shots, {described}"

    def dump(self, path: str | Path) -> Path:
        """Writes one JSON line a question: task, prompt, answer, what was written, correct."""
        lines = [
            json.dumps(
                {
                    "task": task,
                    "prompt": item.prompt,
                    "answer": item.answer,
                    "written": text,
                    "correct": bool(right),
                },
                ensure_ascii=False,
            )
            for task, result in self.tasks.items()
            for item, text, right in zip(result.items, result.written, result.correct, strict=True)
        ]
        return write_lines(path, lines)


def evaluate_qa(
    model: GenerativeModel,
    graph: KnowledgeGraph,
    split: str = "valid",
    config: QaConfig | None = None,
) -> QaResult:
    """Asks a model to complete and to judge triples in words.

    Args:
        model: What writes.
        graph: The graph; examples come from train.
        split: Whose triples are asked about.
        config: What is asked, and how.

    Returns:
        Strict accuracy of each task, with the trivial baseline beside.

    Raises:
        GraphError: No triples in the split, or too few in train for the examples.
    """
    config = config or QaConfig()
    asker = Asker(graph, split, config)
    results = {}
    for task in config.tasks:
        items = asker.items(task)
        if config.as_trained:
            queries = np.array([item.query for item in items], dtype=np.int64)
            written = model.complete_names(graph, queries, config.max_new_tokens)
        else:
            written = model.generate([item.prompt for item in items], config.max_new_tokens)
        results[task] = TaskResult(tuple(items), tuple(written))
    return QaResult(split, config, results)
