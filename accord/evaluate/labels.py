"""Entity typing and sentence pairs: accuracy and macro-F1 of one label an item."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from accord.config import load_config
from accord.errors import ConfigError, nearest
from accord.evaluate.extractor import READ_TOKENS, Float32, head_of
from accord.evaluate.files import write_lines
from accord.evaluate.ner import Names, train_names
from accord.evaluate.relations import per_relation
from accord.evaluate.tables import table
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import OBJECTIVES, load_model, model_folder, read_weights
from accord.objectives.labels import LabelledItem, join_labelled, score_labels
from accord.progress import track
from accord.text.collate import chunks_by_length
from accord.text.examples import MentionExample, RelationExample, length
from accord.text.pairs import PairExample
from accord.text.tags import words_of
from accord.train.checkpoint import RunFolder
from accord.train.recipe import Recipe
from accord.train.tasks import kept_labels, pair_items, typing_items


@dataclass(frozen=True)
class Labeller:
    """A model with a head that gives labels."""

    model: KnowledgeModel
    recipe: Recipe
    head: nn.ParameterDict
    labels: tuple[str, ...]

    @classmethod
    def open(cls, run: str | Path, name: str) -> Labeller:
        """Opens a finished run.

        Args:
            run: The run folder.
            name: typing or pairs.

        Raises:
            ConfigError: A base model, or a run that has not learnt it.
            ModelError: The run is not finished.
        """
        hint = f"train one: accord train kelm-{name} --graph GRAPH --data FILE --out RUN"
        folder = model_folder(run)
        if folder is None and not (Path(run) / "config.toml").is_file():
            raise ConfigError(f"{str(run)!r} is no run: a base model has no heads", hint)
        model = load_model(run)  # says so where the run is not finished
        head = head_of(read_weights(folder / OBJECTIVES) if folder else {}, name, model.device)
        if not len(head):
            raise ConfigError(f"the run has not learnt {name}: {name}.weight was 0", hint)
        labels = kept_labels(RunFolder(run))[name]
        recipe = load_config(Recipe, Path(run) / "config.toml")
        return cls(model, recipe, head, tuple(labels))

    @torch.no_grad()
    def probabilities(self, items: Sequence[LabelledItem]) -> Float32:
        """(N, K) how probable each label of each item is, among those that it may have."""
        found = np.zeros((len(items), len(self.labels)), dtype=np.float32)
        lengths = np.array([length(item.sequence) for item in items], dtype=np.int64)
        with track("reading", len(items), "items") as advance:
            for group in chunks_by_length(lengths, READ_TOKENS):
                batch = join_labelled([items[i] for i in group])
                points = batch.points
                states = self.model.reader.states_at(batch.sequences, points.rows, points.positions)
                logits = score_labels(self.head, states, batch)
                found[group] = torch.softmax(logits, dim=-1).cpu().numpy()
                advance(len(group))
        return found


@dataclass(frozen=True)
class LabelsResult:
    """Every item with its label and what it was given."""

    task: str
    """typing or pairs."""
    data: str
    split: str
    texts: tuple[dict[str, Any], ...]
    """What each item is, for the dump."""
    gold: tuple[str, ...]
    found: tuple[str, ...]
    probability: npt.NDArray[np.float32]
    """(N,) of what was found."""
    baselines: Mapping[str, tuple[str, ...]]
    """Labels that something trivial gives, by name."""
    unknown: tuple[str, ...] = ()
    """Labels of the data that the run has not learnt; they count as wrong."""

    @property
    def correct(self) -> npt.NDArray[np.float64]:
        """(N,) 1 where the label is right, for paired tests."""
        return np.array([a == b for a, b in zip(self.gold, self.found, strict=True)], np.float64)

    def to_dict(self) -> dict[str, Any]:
        """{"n", "accuracy", "macro_f1", "baseline", "per_label", ...}."""
        return {
            "task": self.task,
            "data": self.data,
            "split": self.split,
            "n": len(self.gold),
            **_scores(self.gold, self.found),
            "baseline": {k: _scores(self.gold, v) for k, v in self.baselines.items()},
            "per_label": _each(self.gold, self.found),
            "unknown_labels": list(self.unknown),
        }

    def to_text(self) -> str:
        """The result for people."""
        found = self.to_dict()
        rows: list[list[object]] = [["all", found["accuracy"], found["macro_f1"]]]
        rows += [[f"baseline: {k}", *v.values()] for k, v in found["baseline"].items()]
        rows += [[name, "", row["f1"]] for name, row in found["per_label"].items()]
        title = f"{self.task} of {self.data} {self.split}: {found['n']} items"
        return f"{title}\n{table(['', 'accuracy', 'F1'], rows)}"

    def dump(self, path: Path) -> None:
        """Writes each item with its label, what was found and how probable, as JSON lines."""
        rows = zip(self.texts, self.gold, self.found, self.probability.tolist(), strict=True)
        write_lines(
            path,
            (
                json.dumps(
                    {**text, "label": gold, "found": found, "probability": sure},
                    ensure_ascii=False,
                )
                for text, gold, found, sure in rows
            ),
        )


def evaluate_typing(
    labeller: Labeller,
    examples: Sequence[RelationExample],
    data: str,
    split: str,
    train: Iterable[RelationExample] = (),
) -> LabelsResult:
    """Types the given mentions of texts.

    Args:
        labeller: A run that has learnt to.
        examples: Texts; mentions without a type are left out.
        data: What the result calls them.
        split: Which part of them they are.
        train: The run's own train texts, for the lookup of their names.

    Raises:
        ConfigError: No mention has a type, or the run knows none of the types.
    """
    texts = [example.mentions for example in examples]
    spans = [(text, span) for text in texts for span in text.spans if span.kind]
    gold = tuple(span.kind for _, span in spans)
    unknown = _unknown(gold, labeller.labels, f"{data} {split}")
    items = list(typing_items(labeller.model, examples, labeller.labels, _twice(labeller)))
    items = [_open(item) for item in items]
    found, sure = _best(labeller, items)
    names = train_names(example.mentions for example in train)
    most = _majority(gold)
    looked = tuple(_looked_up(text, s.start, s.end, names) or most for text, s in spans)
    told = tuple({"text": text.text, "start": s.start, "end": s.end} for text, s in spans)
    baselines = {"majority": (most,) * len(gold), "names of train": looked}
    return LabelsResult("typing", data, split, told, gold, found, sure, baselines, unknown)


def evaluate_pairs(
    labeller: Labeller, pairs: Sequence[PairExample], data: str, split: str
) -> LabelsResult:
    """Labels sentence pairs.

    Args:
        labeller: A run that has learnt to.
        pairs: The pairs.
        data: What the result calls them.
        split: Which part of them they are.

    Raises:
        ConfigError: No pair, one that is longer than the model's context, or no known label.
    """
    gold = tuple(pair.label for pair in pairs)
    unknown = _unknown(gold, labeller.labels, f"{data} {split}")
    read = pair_items(labeller.model, pairs, labeller.labels)
    if len(read) != len(pairs):
        raise ConfigError(
            f"{len(pairs) - len(read)} pairs are longer than the model's context",
            "cut them into shorter texts",
        )
    found, sure = _best(labeller, [item for _, item in read])
    told = tuple({"first": pair.first, "second": pair.second} for pair in pairs)
    baselines = {"majority": (_majority(gold),) * len(gold)}
    return LabelsResult("pairs", data, split, told, gold, found, sure, baselines, unknown)


def _twice(labeller: Labeller) -> bool:
    return labeller.recipe.typing.twice


def _open(item: LabelledItem) -> LabelledItem:
    """An item that may have any label where it may have none that the run knows."""
    return (
        item
        if any(item.allowed)
        else LabelledItem(item.sequence, item.places, item.label, (True,) * len(item.allowed))
    )


def _best(
    labeller: Labeller, items: Sequence[LabelledItem]
) -> tuple[tuple[str, ...], npt.NDArray[np.float32]]:
    rows = labeller.probabilities(items)
    return tuple(labeller.labels[i] for i in rows.argmax(1).tolist()), rows.max(1)


def _unknown(gold: Sequence[str], labels: Sequence[str], what: str) -> tuple[str, ...]:
    """Labels that the run has not learnt; not all of them."""
    stated, known = set(gold), set(labels)
    if not stated & known:
        wrong = min(stated, default="")
        raise ConfigError(
            f"{what} has {'none of the labels of the run' if wrong else 'no labelled item'}",
            nearest(wrong, known) if wrong else "name another --data or --split",
        )
    return tuple(sorted(stated - known))


def _looked_up(text: MentionExample, start: int, end: int, names: Names) -> str:
    name = text.text[start:end]
    return names.get(tuple(name[w.start : w.end] for w in words_of(name)), "")


def _majority(gold: Sequence[str]) -> str:
    """The most frequent label of the judged data itself."""
    counts = Counter(gold)
    return min(counts, key=lambda label: (-counts[label], label))


def _scores(gold: Sequence[str], found: Sequence[str]) -> dict[str, float]:
    right = sum(a == b for a, b in zip(gold, found, strict=True))
    each = _each(gold, found)
    macro = float(np.mean([row["f1"] for row in each.values()]))
    return {"accuracy": right / len(gold), "macro_f1": macro}


def _each(gold: Sequence[str], found: Sequence[str]) -> dict[str, dict[str, float]]:
    """Items, precision, recall and F1 of every label that is stated."""
    stated, claimed = ([frozenset({(0, label, 0)}) for label in row] for row in (gold, found))
    return per_relation(stated, claimed)
