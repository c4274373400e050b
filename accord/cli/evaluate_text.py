"""`accord eval relations`, `linking`, `ner`, `typing`, `pairs`: what a run reads out of texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from accord.text.examples import LabelledSpan, RelationExample

Item = TypeVar("Item")
Run = Annotated[str, typer.Argument(help="Run folder of a recipe such as kelm.")]
Data = Annotated[
    str, typer.Option("--data", help="Annotated corpus, or a JSONL file of one's own.")
]
Split = Annotated[str, typer.Option(help="valid or test (or train).")]
Limit = Annotated[int, typer.Option(min=0, help="Texts, drawn by the seed; 0 for all.")]
Seed = Annotated[int, typer.Option(help="Of the draw; the same seed gives the same result.")]
Out = Annotated[Path | None, typer.Option(dir_okay=False, help="JSONL: every text or mention.")]


def relations(
    run: Run,
    data: Data,
    split: Split = "valid",
    limit: Limit = 0,
    seed: Seed = 0,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Relations between given mentions: micro- and macro-F1, per relation, beside the majority."""
    from accord.evaluate.extractor import Extractor
    from accord.evaluate.relations import evaluate_relations
    from accord.text.corpora import load_corpus

    examples = _drawn(load_corpus(data, split), limit, seed)
    result = evaluate_relations(Extractor.open(run), examples, data, split)
    seen = _seen(examples, _learnt(run), lambda e: [e.mentions.text] if e.asked else [])
    _finish("relations", run, data, result, out, as_json, seen)


def ner(
    run: Run,
    data: Data,
    split: Split = "valid",
    limit: Limit = 0,
    seed: Seed = 0,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Mentions and their types: micro-F1 of exact ones, per type, beside a lookup of names."""
    from accord.evaluate.extractor import Extractor
    from accord.evaluate.ner import evaluate_ner
    from accord.text.corpora import load_corpus

    examples = _drawn(load_corpus(data, split), limit, seed)
    learnt = _learnt(run)
    result = evaluate_ner(Extractor.open(run), examples, data, split, learnt)
    seen = _seen(examples, learnt, lambda e: [e.mentions.text] if e.mentions.kinds else [])
    _finish("ner", run, data, result, out, as_json, seen)


def typing(
    run: Run,
    data: Data,
    split: Split = "valid",
    limit: Limit = 0,
    seed: Seed = 0,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Types of given mentions: accuracy and macro-F1, per type, beside a lookup of names."""
    from accord.evaluate.labels import Labeller, evaluate_typing
    from accord.text.corpora import load_corpus

    examples = _drawn(load_corpus(data, split), limit, seed)
    opened, learnt = Labeller.open(run, "typing"), _learnt(run)
    result = evaluate_typing(opened, examples, data, split, learnt)
    seen = _seen(examples, learnt, lambda e: _places(e, lambda span: bool(span.kind)))
    _finish("typing", run, data, result, out, as_json, seen)


def pairs(
    run: Run,
    data: Annotated[str, typer.Option("--data", help="JSONL file of labelled pairs.")],
    split: Split = "valid",
    limit: Limit = 0,
    seed: Seed = 0,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Labels of sentence pairs: accuracy and macro-F1, per label, beside the majority."""
    from accord.evaluate.labels import Labeller, evaluate_pairs
    from accord.text.pairs import load_pairs
    from accord.train.checkpoint import RunFolder
    from accord.train.tasks import kept_tasks

    some = _drawn(load_pairs(data, split), limit, seed)
    result = evaluate_pairs(Labeller.open(run, "pairs"), some, data, split)
    learnt = kept_tasks(RunFolder(run), None).part(held=False).pairs
    seen = _seen(some, learnt, lambda pair: [(pair.first, pair.second)])
    _finish("pairs", run, data, result, out, as_json, seen)


def linking(
    run: Run,
    data: Data,
    graph: GraphOption = None,
    split: Split = "valid",
    limit: Limit = 0,
    seed: Seed = 0,
    out: Out = None,
    as_json: JsonFlag = False,
) -> None:
    """Entities of given mentions, 'none' among them: accuracy, candidates' recall, NIL F1."""
    from accord.evaluate.extractor import Extractor
    from accord.evaluate.linking import evaluate_linking
    from accord.text.links import load_links

    known = open_graph(run, graph)
    examples = _drawn(load_links(data, split, known), limit, seed)
    result = evaluate_linking(Extractor.open(run), known, examples, data, split)
    seen = _seen(examples, _learnt(run), lambda e: _places(e, lambda s: s.entity is not None))
    _finish("linking", run, data, result, out, as_json, seen)


def _learnt(run: str) -> list[RelationExample]:
    """The texts that a run has learnt from."""
    from accord.train.checkpoint import RunFolder
    from accord.train.extraction import kept_examples, split_examples

    return split_examples(kept_examples(RunFolder(run), None))[0]


def _seen(
    measured: Iterable[Item], learnt: Iterable[Item], keys: Callable[[Item], Iterable[object]]
) -> int:
    """How many of the measured items the run has learnt from."""
    known = {key for item in learnt for key in keys(item)}
    return sum(key in known for item in measured for key in keys(item))


def _places(
    example: RelationExample, counts: Callable[[LabelledSpan], bool]
) -> list[tuple[str, int, int]]:
    """The mentions of a text that count."""
    spans = example.mentions.spans
    return [(example.mentions.text, s.start, s.end) for s in spans if counts(s)]


def _drawn(examples: list[Item], limit: int, seed: int) -> list[Item]:
    import numpy as np

    from accord.evaluate.statistics import stratified_sample

    rows = stratified_sample(np.zeros(len(examples), dtype=np.int64), limit or None, seed)
    return [examples[i] for i in rows]


def _finish(
    kind: str, run: str, data: str, result: Any, out: Path | None, as_json: bool, seen: int
) -> None:
    from accord.progress import say

    if out:
        result.dump(out)
    if seen:
        say(f"{seen:,} of what is measured was learnt from: the figures are too good")
    found = {**result.to_dict(), "learnt_from": seen}
    record(f"{kind}-{Path(data).name.split('.')[0]}", run, None, found)
    emit(found, as_json, result.to_text)
