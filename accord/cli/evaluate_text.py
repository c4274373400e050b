"""`accord eval relations`, `linking`, `ner`, `typing`, `pairs`: what a run reads out of texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import open_graph, record

if TYPE_CHECKING:
    from accord.text.examples import RelationExample

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
    _finish("relations", run, data, result, out, as_json)


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
    result = evaluate_ner(Extractor.open(run), examples, data, split, _learnt(run))
    _finish("ner", run, data, result, out, as_json)


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
    opened = Labeller.open(run, "typing")
    result = evaluate_typing(opened, examples, data, split, _learnt(run))
    _finish("typing", run, data, result, out, as_json)


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

    some = _drawn(load_pairs(data, split), limit, seed)
    result = evaluate_pairs(Labeller.open(run, "pairs"), some, data, split)
    _finish("pairs", run, data, result, out, as_json)


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
    _finish("linking", run, data, result, out, as_json)


def _learnt(run: str) -> list[RelationExample]:
    """The texts that a run has learnt from."""
    from accord.train.checkpoint import RunFolder
    from accord.train.extraction import kept_examples, split_examples

    return split_examples(kept_examples(RunFolder(run), None))[0]


def _drawn(examples: list[Item], limit: int, seed: int) -> list[Item]:
    import numpy as np

    from accord.evaluate.statistics import stratified_sample

    rows = stratified_sample(np.zeros(len(examples), dtype=np.int64), limit or None, seed)
    return [examples[i] for i in rows]


def _finish(kind: str, run: str, data: str, result: Any, out: Path | None, as_json: bool) -> None:
    if out:
        result.dump(out)
    found = result.to_dict()
    record(f"{kind}-{Path(data).name.split('.')[0]}", run, None, found)
    emit(found, as_json, result.to_text)
