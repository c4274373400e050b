"""From typed mentions, labelled pairs and multiple-choice items to what learns them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from accord.errors import ConfigError
from accord.model import load
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.base import Objective
from accord.objectives.choice import Choice, ReadChoice
from accord.objectives.labels import UNKNOWN, LabelledItem, Labels
from accord.progress import say
from accord.text.choice_prompts import continuations_of, prompt_of
from accord.text.choice_sets import ChoiceItem, items_to_learn, read_choices, write_choices
from accord.text.collate import tokens
from accord.text.examples import RelationExample, Segment
from accord.text.pairs import PairExample, kind_of, read_pairs, write_pairs
from accord.text.span_tokens import BETWEEN, around
from accord.train.checkpoint import RunFolder
from accord.train.extraction import read_spans, sample
from accord.train.recipe import Recipe

PAIRS, CHOICES, LABELS = "pairs.jsonl.gz", "choices.jsonl.gz", "labels.json"
FORM = "text"
"""The form of `accord eval choice` in which items are taught."""


class Tasks(NamedTuple):
    """Labelled data that is no annotated text, each item with its split."""

    pairs: tuple[PairExample, ...] = ()
    choices: tuple[ChoiceItem, ...] = ()

    def part(self, held: bool) -> Tasks:
        """Those that are held out (of the split valid), or those to learn from."""
        return Tasks(
            tuple(p for p in self.pairs if (p.split == "valid") == held),
            tuple(c for c in self.choices if (c.split == "valid") == held),
        )


def annotated_data(data: Iterable[str]) -> list[str]:
    """The names and files that hold annotated text."""
    return [name for name in data if kind_of(name) == "annotated"]


def gather_tasks(recipe: Recipe, data: Iterable[str]) -> Tasks:
    """All pairs and items to learn from, and those that are held out.

    Args:
        recipe: Says what is learnt, and how many are held out at most.
        data: Of `--data`; annotated text is passed over.

    Raises:
        ConfigError: Data from which no objective learns, or that must not be trained on.
        DataError: A line is wrong; the message names it.
    """
    pairs: list[PairExample] = []
    choices: list[ChoiceItem] = []
    for name in data:
        kind = kind_of(name)
        if kind != "annotated" and not getattr(recipe, kind).weight:
            raise ConfigError(
                f"no objective of this recipe reads {name}",
                f"choose the recipe kelm-{kind}, or set {kind}.weight=1",
            )
        if kind == "pairs":
            pairs += [pair for pair in read_pairs(name) if pair.split != "test"]
        elif kind == "choice":
            choices += items_to_learn(name)
    found = Tasks(tuple(pairs), tuple(choices))
    learnt, held = found.part(False), found.part(True)
    if not recipe.loop.validate_every:
        return learnt
    count, seed = recipe.loop.validate_queries, recipe.seed
    some = (sample(list(held.pairs), count, seed), sample(list(held.choices), count, seed))
    return Tasks((*learnt.pairs, *some[0]), (*learnt.choices, *some[1]))


def kept_tasks(run: RunFolder, tasks: Tasks | None) -> Tasks:
    """Writes a new run's pairs and items into it, or reads those of one that goes on.

    Args:
        run: The run.
        tasks: None for one that goes on.
    """
    pairs, choices = run.path / PAIRS, run.path / CHOICES
    if tasks is None:
        return Tasks(
            tuple(read_pairs(pairs)) if pairs.is_file() else (),
            tuple(read_choices(choices)) if choices.is_file() else (),
        )
    for path in (pairs, choices):
        path.unlink(missing_ok=True)
    if tasks.pairs:
        write_pairs(pairs, tasks.pairs)
    if tasks.choices:
        write_choices(choices, tasks.choices)
    return tasks


def task_objectives(
    recipe: Recipe,
    model: KnowledgeModel,
    examples: Iterable[RelationExample],
    tasks: Tasks,
    run: RunFolder | None = None,
) -> list[tuple[Objective, float]]:
    """The objectives of labelled tasks whose weight is not 0.

    Args:
        recipe: The recipe.
        model: The model that will be trained.
        examples: Annotated texts to learn from.
        tasks: Pairs and items to learn from.
        run: Keeps the labels, without which the trained heads mean nothing.

    Returns:
        Objectives with their weights.
    """
    found: list[tuple[Objective, float]] = []
    if recipe.typing.weight:
        found.append((build_typing(recipe, model, examples, run), recipe.typing.weight))
    if recipe.pairs.weight:
        found.append((build_pairs(recipe, model, tasks.pairs, run), recipe.pairs.weight))
    if recipe.choice.weight:
        found.append((build_choice(recipe, model, tasks.choices), recipe.choice.weight))
    return found


def build_typing(
    recipe: Recipe,
    model: KnowledgeModel,
    examples: Iterable[RelationExample],
    run: RunFolder | None = None,
) -> Labels:
    """The typing objective over mentions whose types are known.

    Args:
        recipe: The recipe.
        model: Its tokenizer and width are used.
        examples: Train examples.
        run: Keeps the types, without which the trained head means nothing.
    """
    config = recipe.typing
    typed = [e for e in examples if any(span.kind for span in e.mentions.spans)]
    drawn = sample(typed, config.texts, recipe.seed)
    kinds = sorted({s.kind for e in drawn for s in e.mentions.spans} - {""})
    items = list(typing_items(model, drawn, kinds, config.twice))
    return _labels("typing", items, kinds, recipe, model, run)


def typing_items(
    model: KnowledgeModel,
    examples: Iterable[RelationExample],
    kinds: Sequence[str],
    twice: bool,
) -> Iterator[LabelledItem]:
    """Every mention with a type, as the model reads it.

    Args:
        model: Its tokenizer is used.
        examples: Texts; where one says which types are marked in it, a mention is of one of these.
        kinds: K types, numbered.
        twice: As in `TypingConfig`.

    Yields:
        The mentions in order.
    """
    number = {kind: i for i, kind in enumerate(kinds)}
    for example in examples:
        spans = [span for span in example.mentions.spans if span.kind]
        read = read_spans(model, example.mentions.text, spans, twice)
        looked = {*(example.mentions.kinds or kinds), *(span.kind for span in spans)}
        allowed = tuple(kind in looked for kind in kinds)
        for i, span in enumerate(spans):
            sequence, places = around(read, i, model.longest)
            first, last = places[0].tolist()
            label = number.get(span.kind, UNKNOWN)
            yield LabelledItem(sequence, (first, last), label, allowed)


def build_pairs(
    recipe: Recipe,
    model: KnowledgeModel,
    pairs: Sequence[PairExample],
    run: RunFolder | None = None,
) -> Labels:
    """The pairs objective.

    Args:
        recipe: The recipe.
        model: Its tokenizer and width are used.
        pairs: To learn from.
        run: Keeps the labels.
    """
    drawn = sample(list(pairs), recipe.pairs.texts, recipe.seed)
    labels = sorted({pair.label for pair in drawn})
    items = [item for _, item in pair_items(model, drawn, labels)]
    return _labels("pairs", items, labels, recipe, model, run)


def pair_items(
    model: KnowledgeModel, pairs: Iterable[PairExample], labels: Sequence[str]
) -> list[tuple[PairExample, LabelledItem]]:
    """Pairs as the model reads them: both texts in one; those too long for it are left out.

    Args:
        model: Its tokenizer is used.
        pairs: The pairs.
        labels: K names, numbered.
    """
    number, all_allowed = {label: i for i, label in enumerate(labels)}, (True,) * len(labels)
    between, left = between_texts(model), 0
    found: list[tuple[PairExample, LabelledItem]] = []
    for pair in pairs:
        first, second = (tokens(model.tokenizer, text) for text in (pair.first, pair.second))
        size = len(first) + len(between) + len(second)
        if model.longest and size > model.longest:
            left += 1
            continue
        places = tuple(model.reader.ends(np.array([size], dtype=np.int64))[0].tolist())
        label = number.get(pair.label, UNKNOWN)
        sequence = (first, between + second)
        found.append((pair, LabelledItem(sequence, places, label, all_allowed)))
    if left:
        say(f"{left:,} pairs are left out: the model reads {model.longest:,} tokens at once")
    return found


def between_texts(model: KnowledgeModel) -> Segment:
    """What stands between two texts: an encoder's own separator, else the end of a line."""
    separator = None if model.reader.causal else model.tokenizer.sep_token_id
    return tokens(model.tokenizer, BETWEEN) if separator is None else (int(separator),)


def _labels(
    name: str,
    items: list[LabelledItem],
    labels: Sequence[str],
    recipe: Recipe,
    model: KnowledgeModel,
    run: RunFolder | None,
) -> Labels:
    width = load.hidden_width(model.lm)
    found = Labels(name, items, labels, width, getattr(recipe, name), recipe.seed)
    if run is not None:
        run.write_json(LABELS, {**kept_labels(run), name: list(labels)})
    return found


def kept_labels(run: RunFolder) -> dict[str, list[str]]:
    """The labels of a run's objectives by name, in the order of their heads."""
    return run.read_json(LABELS) if (run.path / LABELS).is_file() else {}


def build_choice(recipe: Recipe, model: KnowledgeModel, choices: Sequence[ChoiceItem]) -> Choice:
    """The choice objective.

    Args:
        recipe: The recipe.
        model: Its tokenizer and width are used.
        choices: To learn from.
    """
    drawn = sample(list(choices), recipe.choice.texts, recipe.seed)
    items = choice_items(model, drawn)
    ends = None if model.reader.causal else model.reader.ends
    return Choice(items, load.hidden_width(model.lm), recipe.choice, recipe.seed, ends)


def choice_items(model: KnowledgeModel, choices: Iterable[ChoiceItem]) -> list[ReadChoice]:
    """Items as the model reads them; those too long for it are left out.

    Args:
        model: Its tokenizer is used.
        choices: The items.
    """
    found, left = list[ReadChoice](), 0
    for item in choices:
        prompt = tokens(model.tokenizer, prompt_of(item, FORM))
        after = [tokens(model.tokenizer, text) for text in continuations_of(item, FORM)]
        if model.longest and len(prompt) + max(map(len, after)) > model.longest:
            left += 1
            continue
        sequences = tuple((prompt, choice) for choice in after)
        found.append(ReadChoice(sequences, len(prompt), item.answer))
    if left:
        say(f"{left:,} items are left out: the model reads {model.longest:,} tokens at once")
    return found
