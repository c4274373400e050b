"""From texts with mentions to what the relations and the linking objective learn."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from accord.errors import ConfigError, DataError
from accord.graph.graph import KnowledgeGraph
from accord.model import load
from accord.model.encoder import MaskedHead
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.linking import NIL, Linking, LinkItem
from accord.objectives.modelling import MaskRules, Modelling
from accord.objectives.relations import ReadExample, Relations, RelationsConfig, Vocabulary
from accord.objectives.spans import Spans, TaggedText, types_of
from accord.progress import say, track
from accord.text.annotated import read_annotated, write_annotated
from accord.text.candidates import Candidates
from accord.text.corpora import load_corpus
from accord.text.distant import DistantSource
from accord.text.examples import LabelledSpan, MentionExample, RelationExample, length
from accord.text.links import is_split_by_entity, other_ids, with_entities
from accord.text.mentions import MentionIndex
from accord.text.pieces import read_pieces
from accord.text.span_tokens import SpanTokens, around, span_tokens, windows, windows_of_text
from accord.text.tags import readable, words_of
from accord.train.checkpoint import RunFolder
from accord.train.recipe import Recipe

EXAMPLES, VOCABULARY, TYPES = "examples.jsonl.gz", "extraction.json", "types.json"
TEXT_FILES = (".txt", ".md", ".text")
Kept = TypeVar("Kept")


def needs_examples(recipe: Recipe) -> bool:
    """Whether an objective learns from texts with mentions."""
    return bool(recipe.spans.weight or recipe.typing.weight) or _needs_graph(recipe)


def learns_labels(recipe: Recipe) -> bool:
    """Whether an objective learns from labelled data of any kind."""
    return needs_examples(recipe) or bool(recipe.pairs.weight or recipe.choice.weight)


def _needs_graph(recipe: Recipe) -> bool:
    """Whether an objective learns from texts that a graph labels."""
    return bool(recipe.relations.weight or recipe.linking.weight or recipe.modelling.weight)


def text_files(paths: Iterable[str | Path]) -> list[Path]:
    """The files of `--text`; a folder stands for the text files in it.

    Raises:
        DataError: A folder without any.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(p for p in path.rglob("*") if _is_text(p) and p.is_file())
        if path.is_dir() and not inside:
            hint = "it may hold .txt, .md and .text, each also .gz"
            raise DataError("no text file in it", path, hint=hint)
        found += inside if path.is_dir() else [path]
    return found


def _is_text(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return name.endswith(TEXT_FILES)


def gather_examples(
    recipe: Recipe, graph: KnowledgeGraph, data: Iterable[str], texts: Iterable[Path]
) -> list[RelationExample]:
    """All examples: of corpora, of texts by distant supervision, of the graph's descriptions.

    Those of the split valid come from corpora alone and are there for validation only: at most
    `loop.validate_queries` texts, drawn once, seeded; none where the run does not validate.

    Args:
        recipe: Nothing is gathered where none of its objectives needs it.
        graph: The graph; only its train triples are facts.
        data: Corpora or files of `--data`.
        texts: Files of `--text`.

    Raises:
        ConfigError: `data` or `texts` are given and no objective learns from them.
        DataError: A file cannot be read or a line of it is wrong.
    """
    names, files = list(data), list(texts)
    if files and not (_needs_graph(recipe) or recipe.language.weight):
        raise ConfigError(
            f"no objective of this recipe reads plain text, such as {files[0]}",
            "leave --text out, or choose a recipe such as kelm",
        )
    if not needs_examples(recipe):
        if names:
            raise ConfigError(
                f"no objective of this recipe reads annotated text, such as {names[0]}",
                "leave --data out, or choose a recipe such as kelm",
            )
        return []
    corpora, known = [load_corpus(name) for name in names], other_ids(graph)
    held = [e for examples in corpora for e in _part(examples, known, "valid")]
    found = [e for examples in corpora for e in _part(examples, known, "train")]
    if _needs_graph(recipe) and (files or recipe.descriptions):
        source = DistantSource(graph, MentionIndex(graph))
        with track("reading texts", sum(map(_size, files)), "bytes") as advance:
            for path in files:
                found += source.texts(read_pieces(path, advance))
        found += source.descriptions() if recipe.descriptions else []
    held = sample(held, recipe.loop.validate_queries, recipe.seed)
    held = held if recipe.loop.validate_every else []
    say(f"{len(found):,} texts with mentions to learn from, {len(held):,} held out")
    return found + held


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _part(
    examples: list[RelationExample], known: dict[str, str], part: str
) -> Iterator[RelationExample]:
    """A corpus's split; of one split by entity only the mentions of entities of that part."""
    if not is_split_by_entity(examples):
        kept = (e for e in examples if e.split == part)
        yield from (with_entities(example, known, None) for example in kept)
        return
    for example in examples:
        joined = with_entities(example, known, part)
        kinds = joined.mentions.kinds
        if example.split or part != "train":  # of valid or test: its facts are not for training
            joined, kinds = dataclasses.replace(joined, facts=(), asked=()), ()
        if part != "train" and all(s.entity is None for s in joined.mentions.spans):
            continue  # nothing of it is held out
        mentions = dataclasses.replace(joined.mentions, split=part, kinds=kinds)
        yield dataclasses.replace(joined, mentions=mentions)


def split_examples(
    examples: Iterable[RelationExample],
) -> tuple[list[RelationExample], list[RelationExample]]:
    """Those to learn from, and those that are held out."""
    learnt: list[RelationExample] = []
    held: list[RelationExample] = []
    for example in examples:
        (held if example.split == "valid" else learnt).append(example)
    return learnt, held


def kept_examples(run: RunFolder, examples: list[RelationExample] | None) -> list[RelationExample]:
    """Writes a new run's examples into it, or reads those of one that goes on.

    Args:
        run: The run.
        examples: None for one that goes on.
    """
    path = run.path / EXAMPLES
    if examples is None:
        return read_annotated(path) if path.is_file() else []
    path.unlink(missing_ok=True)  # of a run that was broken off before it began
    if examples:
        write_annotated(path, examples)
    return examples


def build_relations(
    recipe: Recipe,
    model: KnowledgeModel,
    examples: Iterable[RelationExample],
    run: RunFolder | None = None,
) -> Relations:
    """The relations objective over examples with judged pairs.

    Args:
        recipe: The recipe.
        model: Its tokenizer and width are used.
        examples: Train examples.
        run: Keeps the vocabulary, without which the trained head means nothing.
    """
    config = recipe.relations
    drawn = sample([e for e in examples if e.asked], config.texts, recipe.seed)
    vocabulary = Vocabulary.of(drawn)
    read = list(read_examples(model, drawn, vocabulary, config.twice))
    width = load.hidden_width(model.lm)
    if run is not None:
        run.write_json(VOCABULARY, dataclasses.asdict(vocabulary))
    return Relations(read, vocabulary, width, config, recipe.seed)


def read_examples(
    model: KnowledgeModel,
    examples: Iterable[RelationExample],
    vocabulary: Vocabulary,
    twice: bool = RelationsConfig().twice,
) -> Iterator[ReadExample]:
    """Examples as the model reads them; those longer than its context are left out, counted."""
    left = 0
    for example in examples:
        if not fits(model, example, twice):
            left += 1
        elif example.things:
            text = read_spans(model, example.mentions.text, example.mentions.spans, twice)
            yield ReadExample.of(example, text, vocabulary)
    if left:
        say(f"{left:,} texts are left out: the model reads {model.longest:,} tokens at once")


def fits(model: KnowledgeModel, example: RelationExample, twice: bool) -> bool:
    """Whether a model reads a whole text at once."""
    read = read_spans(model, example.mentions.text, (), twice) if model.longest else None
    return read is None or length(read.sequence) <= model.longest


def read_spans(
    model: KnowledgeModel, text: str, spans: Sequence[LabelledSpan], twice: bool
) -> SpanTokens:
    """As `span_tokens`; an encoder sees both sides of a mention, so it reads a text once."""
    return span_tokens(model.tokenizer, text, spans, twice and model.reader.causal)


def build_spans(
    recipe: Recipe,
    model: KnowledgeModel,
    examples: Iterable[RelationExample],
    run: RunFolder | None = None,
) -> Spans:
    """The spans objective over texts whose mentions are all marked.

    Args:
        recipe: The recipe.
        model: Its tokenizer and width are used.
        examples: Train examples.
        run: Keeps the types, without which the trained head means nothing.
    """
    config = recipe.spans
    drawn = sample(marked_pieces(examples), config.texts, recipe.seed)
    kinds = types_of(drawn)
    read = list(read_tagged(model, drawn, kinds, config.twice))
    if run is not None:
        run.write_json(TYPES, {"types": list(kinds)})
    return Spans(read, kinds, load.hidden_width(model.lm), config, recipe.seed)


def marked_pieces(examples: Iterable[RelationExample]) -> list[MentionExample]:
    """What is read of the texts whose mentions are all marked."""
    marked = [e.mentions for e in examples if e.mentions.kinds]
    return [piece for example in marked for _, piece in readable(example)]


def build_modelling(
    recipe: Recipe, model: KnowledgeModel, examples: Iterable[RelationExample]
) -> Modelling:
    """The modelling objective over all texts with mentions.

    Args:
        recipe: The recipe.
        model: Its tokenizer is used, and an encoder's word embeddings for the head that it lacks.
        examples: Train examples.
    """
    config = recipe.modelling
    drawn = sample(list(examples), config.texts, recipe.seed)
    texts = modelling_texts(model, drawn, config.tokens)
    if model.reader.causal:
        return Modelling(texts, config, recipe.seed)
    words = load.without_adapter(model.lm).get_input_embeddings()  # type: ignore[operator]  # of a module
    torch.manual_seed(recipe.seed)
    rules = MaskRules(int(model.tokenizer.mask_token_id), len(model.tokenizer))
    return Modelling(texts, config, recipe.seed, MaskedHead(words), rules)


def modelling_texts(
    model: KnowledgeModel, examples: Iterable[RelationExample], tokens: int
) -> list[SpanTokens]:
    """Windows of texts as the modelling objective reads them, of so many tokens at most."""
    size, found = min(tokens, model.longest or tokens), list[SpanTokens]()
    for example in examples:
        text, spans = example.mentions.text, _apart(example.mentions.spans)
        found += windows_of_text(read_spans(model, text, spans, False), size)
    return found


def _apart(spans: Iterable[LabelledSpan]) -> list[LabelledSpan]:
    """Spans in order; of those that overlap the first one."""
    found: list[LabelledSpan] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if not found or span.start >= found[-1].end:
            found.append(span)
    return found


def read_tagged(
    model: KnowledgeModel, examples: Iterable[MentionExample], kinds: Sequence[str], twice: bool
) -> Iterator[TaggedText]:
    """Texts as the model reads them, with their words; in windows where its context is shorter.

    Args:
        model: Its tokenizer is used.
        examples: Texts, as `readable` gives them.
        kinds: Types, numbered.
        twice: As in `SpansConfig`.

    Yields:
        Texts that hold a word, in order.
    """
    for example in examples:
        words = words_of(example.text)
        read = read_spans(model, example.text, words, twice)
        for rows, part in windows(read, model.longest):
            yield TaggedText.of(example, part, words[rows], kinds)


def build_linking(
    recipe: Recipe,
    model: KnowledgeModel,
    graph: KnowledgeGraph,
    examples: Iterable[RelationExample],
) -> Linking:
    """The linking objective over mentions whose entities are known.

    Args:
        recipe: The recipe.
        model: Its tokenizer and widths are used.
        graph: Where candidates come from.
        examples: Train examples with ids of the graph.
    """
    config = recipe.linking
    known = [e for e in examples if any(s.entity is not None for s in e.mentions.spans)]
    drawn = sample(known, config.texts, recipe.seed)
    items = link_items(model, Candidates(graph, MentionIndex(graph)), drawn, config.twice)
    width, texts = load.hidden_width(model.lm), model.texts(graph)
    memory = None if model.memory is None else model.memory.bind(graph)
    found = Linking(list(items), texts, width, model.projection.width, config, recipe.seed, memory)
    texts.prepare(found.pool.tolist())
    return found


def link_items(
    model: KnowledgeModel,
    candidates: Candidates,
    examples: Iterable[RelationExample],
    twice: bool,
) -> Iterator[LinkItem]:
    """Every mention whose entity, or that it has none, is known.

    Args:
        model: Its tokenizer is used.
        candidates: Of the graph.
        examples: With ids of the graph.
        twice: As in `LinkingConfig`.

    Yields:
        The mentions in order.
    """
    graph = candidates.graph
    for example in examples:
        spans = [s for s in example.mentions.spans if s.entity is not None]
        text = example.mentions.text
        read = read_spans(model, text, spans, twice)
        ids = graph.entities([str(span.entity) for span in spans]).tolist()
        for number, (span, entity) in enumerate(zip(spans, ids, strict=True)):
            found = candidates.of(text[span.start : span.end])
            sequence, places = around(read, number, model.longest)
            first, last = places[0].tolist()
            yield LinkItem(
                sequence,
                (first, last),
                tuple(c.entity for c in found),
                tuple(c.score for c in found),
                entity if entity >= 0 else NIL,
            )


def sample(items: list[Kept], count: int, seed: int) -> list[Kept]:
    """At most so many, drawn by a seed, in their order."""
    if len(items) <= count:
        return items
    chosen = np.random.default_rng([seed, 7]).choice(len(items), size=count, replace=False)
    return [items[i] for i in np.sort(chosen)]
