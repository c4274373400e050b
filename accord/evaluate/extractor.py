"""Opens a run's trained heads and applies them: mentions, relations of pairs, links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from accord.config import load_config
from accord.errors import ConfigError, GraphError
from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import OBJECTIVES, load_model, model_folder, read_weights
from accord.model.span_heads import (
    link_logits,
    pair_features,
    relation_logits,
    span_features,
    tag_logits,
)
from accord.objectives.linking import FLOOR, LinkItem
from accord.objectives.relations import ReadExample, RelationsBatch, Vocabulary, join_examples
from accord.objectives.spans import TaggedText, join_texts
from accord.progress import say, track
from accord.text.collate import chunks_by_length
from accord.text.examples import MentionExample, length
from accord.text.tags import FoundSpan, found_spans, readable
from accord.train.checkpoint import RunFolder
from accord.train.extraction import TYPES, VOCABULARY, read_tagged
from accord.train.recipe import Recipe

READ_TOKENS = 4096
KEPT = 2**18
"""Vectors of entities that are kept at most."""
HINT = "train one: accord train kelm --graph GRAPH --data CORPUS --out RUN"
HINT_SPANS = HINT.replace(" --out", " --set spans.weight=1 --out")
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Extractor:
    """A model with what its run learnt about mentions."""

    model: KnowledgeModel
    recipe: Recipe
    vocabulary: Vocabulary
    relation_head: nn.ParameterDict
    """Empty where the run has not learnt relations."""
    link_head: nn.ParameterDict
    """Empty where the run has not learnt to link."""
    span_head: nn.ParameterDict
    """Empty where the run has not learnt to recognise mentions."""
    types: tuple[str, ...]
    """Types of mentions, in the order of the head's tags."""
    known: dict[tuple[str, int], Float32] = field(default_factory=dict, repr=False, compare=False)
    """Vectors of entities by graph and idx: a long text has the same candidates again and again."""

    @classmethod
    def open(cls, run: str | Path, device: str | None = None) -> Extractor:
        """Opens a finished run.

        Args:
            run: The run folder.
            device: "cpu", "cuda", ...; None picks one.

        Raises:
            ConfigError: A base model, which has no such heads.
            ModelError: The run is not finished.
        """
        folder = model_folder(run)
        if folder is None and not (Path(run) / "config.toml").is_file():
            raise ConfigError(f"{str(run)!r} is no run: a base model has no heads", HINT)
        model = load_model(run, device)  # says so where the run is not finished
        kept = read_weights(folder / OBJECTIVES) if folder else {}
        relations = head_of(kept, "relations", model.device)
        found = RunFolder(run).read_json(VOCABULARY) if len(relations) else {}
        vocabulary = Vocabulary(tuple(found.get("relations", ())), tuple(found.get("kinds", ("",))))
        recipe = load_config(Recipe, Path(run) / "config.toml")
        spans = head_of(kept, "spans", model.device)
        types = RunFolder(run).read_json(TYPES)["types"] if len(spans) else ()
        links = head_of(kept, "linking", model.device)
        return cls(model, recipe, vocabulary, relations, links, spans, tuple(types))

    def needs(self, name: str) -> None:
        """Makes sure that the run has a head.

        Args:
            name: relations, linking or spans.

        Raises:
            ConfigError: It has not.
        """
        heads = {"relations": self.relation_head, "linking": self.link_head}
        if not len(heads.get(name, self.span_head)):
            hint = HINT if name in heads else HINT_SPANS
            raise ConfigError(f"the run has not learnt {name}: {name}.weight was 0", hint)

    def relations(self, examples: Sequence[ReadExample]) -> list[Float32]:
        """How much each relation of each judged pair stands above the threshold.

        Args:
            examples: As `train.extraction.read_examples` gives them.

        Returns:
            For each example (P, R) float32 logits; the sigmoid is the probability.
        """
        return self._of_pairs(examples, self._margins)

    def pair_features(self, examples: Sequence[ReadExample]) -> list[Float32]:
        """What the head knows of each judged pair before it tells relations, those unseen too.

        Args:
            examples: As for `relations`.

        Returns:
            For each example (P, width) float32.
        """
        return self._of_pairs(examples, self._features)

    @torch.no_grad()
    def _of_pairs(
        self, examples: Sequence[ReadExample], read: Callable[[RelationsBatch], Float32]
    ) -> list[Float32]:
        self.needs("relations")
        found = [np.zeros((0, 0), dtype=np.float32)] * len(examples)
        lengths = np.array([length(e.text.sequence) for e in examples], dtype=np.int64)
        with track("reading", len(examples), "texts") as advance:
            for group in chunks_by_length(lengths, READ_TOKENS):
                some = [examples[i] for i in group]
                whole = [np.arange(len(example.pairs), dtype=np.int64) for example in some]
                values = read(join_examples(some, whole))
                ends = np.cumsum([len(example.pairs) for example in some])[:-1]
                for i, rows in zip(group.tolist(), np.split(values, ends), strict=True):
                    found[i] = rows
                advance(len(group))
        return found

    def _margins(self, batch: RelationsBatch) -> Float32:
        logits = relation_logits(self.relation_head, *self._things(batch))
        return (logits[:, 1:] - logits[:, :1]).cpu().numpy()

    def _features(self, batch: RelationsBatch) -> Float32:
        return pair_features(self.relation_head, *self._things(batch)).cpu().numpy()

    def _things(self, batch: RelationsBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(T, F) features of things, (T,) their types, (P, 2) the pairs of them."""
        points, where = batch.points, self.model.device
        states = self.model.reader.states_at(batch.sequences, points.rows, points.positions)
        things = span_features(states, batch.groups.to(where), len(batch.kinds))
        return things, batch.kinds.to(where), batch.pairs.to(where)

    @torch.no_grad()
    def spans(self, texts: Sequence[MentionExample]) -> list[list[FoundSpan]]:
        """Recognises the mentions of texts.

        Args:
            texts: Texts; where one names types only these are looked for.

        Returns:
            For each text its mentions in order.
        """
        self.needs("spans")
        twice, found = self.recipe.spans.twice, [list[FoundSpan]() for _ in texts]
        owners: list[tuple[int, int]] = []
        read: list[TaggedText] = []
        for number, text in enumerate(texts):
            for offset, piece in readable(text):
                some = list(read_tagged(self.model, [piece], self.types, twice))
                owners += [(number, offset)] * len(some)
                read += some
        for (number, offset), item, scores in zip(owners, read, self._tags(read), strict=True):
            found[number] += [
                span._replace(start=span.start + offset, end=span.end + offset)
                for span in found_spans(item.words, scores, self.types)
            ]
        return found

    def _tags(self, texts: Sequence[TaggedText]) -> list[Float32]:
        """(W, 1 + 2 K) log-probabilities of each text's tags."""
        found = [np.zeros((0, 0), dtype=np.float32)] * len(texts)
        lengths = np.array([length(t.text.sequence) for t in texts], dtype=np.int64)
        with track("reading", len(texts), "texts") as advance:
            for group in chunks_by_length(lengths, READ_TOKENS):
                some = [texts[i] for i in group]
                batch = join_texts(some)
                points, count = batch.points, len(batch.tags)
                states = self.model.reader.states_at(batch.sequences, points.rows, points.positions)
                own = torch.arange(count, device=states.device)
                logits = tag_logits(self.span_head, span_features(states, own, count))
                logits = logits.masked_fill(~batch.allowed.to(logits.device), -torch.inf)
                scores = torch.log_softmax(logits, dim=-1).cpu().numpy()
                ends = np.cumsum([len(item.words) for item in some])[:-1]
                for i, rows in zip(group.tolist(), np.split(scores, ends), strict=True):
                    found[i] = rows
                advance(len(group))
        return found

    @torch.no_grad()
    def links(self, graph: KnowledgeGraph, items: Sequence[LinkItem]) -> list[Float32]:
        """How probable each candidate of each mention is, and that none is right.

        Args:
            graph: The graph of the candidates.
            items: Mentions with their candidates.

        Returns:
            For each mention (1 + C,) float32 probabilities, NIL first.
        """
        self.needs("linking")
        entities = list(dict.fromkeys(e for item in items for e in item.candidates))
        row = {entity: i for i, entity in enumerate(entities)}
        vectors = torch.zeros(1, self.model.projection.width, device=self.model.device)
        memory: torch.Tensor | None = None
        if entities:
            asked = np.array(entities, dtype=np.int64)
            vectors = torch.from_numpy(self._vectors(graph, entities)).to(self.model.device)
            memory = self._memory(graph, asked)
        found = [np.ones(1, dtype=np.float32)] * len(items)
        lengths = np.array([length(item.sequence) for item in items], dtype=np.int64)
        with track("linking", len(items), "mentions") as advance:
            for group in chunks_by_length(lengths, READ_TOKENS):
                some = [items[i] for i in group]
                probabilities = self._probabilities(some, row, vectors, memory)
                for i, item, values in zip(group.tolist(), some, probabilities, strict=True):
                    found[i] = values[: 1 + len(item.candidates)]
                advance(len(group))
        return found

    def _vectors(self, graph: KnowledgeGraph, entities: Sequence[int]) -> Float32:
        """(n, P) vectors of entities; those that were read before are not read again."""
        own = graph.hash
        if len(self.known) > KEPT:
            self.known.clear()
        fresh = [entity for entity in entities if (own, entity) not in self.known]
        if fresh:
            found = self.model.embed_entities(graph, np.array(fresh, dtype=np.int64))
            self.known.update(zip([(own, entity) for entity in fresh], found, strict=True))
        return np.stack([self.known[own, entity] for entity in entities])

    def _memory(
        self, graph: KnowledgeGraph, entities: npt.NDArray[np.int64]
    ) -> torch.Tensor | None:
        """(n, W) what the run's memory has of entities; None where it is of an unrelated graph."""
        if self.model.memory is None:
            return None
        try:
            return self.model.memory.bind(graph).rows(entities).to(self.model.device)
        except GraphError as error:
            say(f"linking by text alone: {error.message}")
            return None

    def _probabilities(
        self,
        items: Sequence[LinkItem],
        row: dict[int, int],
        vectors: torch.Tensor,
        memory: torch.Tensor | None,
    ) -> Float32:
        widest = max(len(item.candidates) for item in items)
        rows = np.full((len(items), widest), -1, dtype=np.int64)
        prior = np.full((len(items), widest), FLOOR, dtype=np.float32)
        for i, item in enumerate(items):
            rows[i, : len(item.candidates)] = [row[entity] for entity in item.candidates]
            prior[i, : len(item.prior)] = np.maximum(item.prior, FLOOR)
        where, count = self.model.device, len(items)
        places = np.array([item.place for item in items], dtype=np.int64).reshape(-1)
        once = {text: i for i, text in enumerate(dict.fromkeys(item.sequence for item in items))}
        texts = np.repeat(np.array([once[item.sequence] for item in items], dtype=np.int64), 2)
        states = self.model.reader.states_at(list(once), texts, places)
        features = span_features(states, torch.arange(count, device=where), count)
        candidates = torch.from_numpy(rows).to(where)
        log_prior = torch.from_numpy(np.log(prior)).to(where)
        logits = link_logits(self.link_head, features, vectors, candidates, log_prior, memory)
        return torch.softmax(logits, dim=-1).cpu().numpy()


def head_of(kept: dict[str, torch.Tensor], name: str, device: torch.device) -> nn.ParameterDict:
    """What a run learnt for one of its objectives.

    Args:
        kept: Of `objectives.safetensors`.
        name: The objective.
        device: Where to.

    Returns:
        Frozen; empty where the run has not learnt it.
    """
    prefix = f"{name}."
    own = {k.removeprefix(prefix): t for k, t in kept.items() if k.startswith(prefix)}
    return nn.ParameterDict(
        {k: nn.Parameter(t.to(device), requires_grad=False) for k, t in own.items()}
    )
