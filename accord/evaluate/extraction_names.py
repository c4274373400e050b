"""What the sentences of a text name: entities of a graph, linked, and new ones with a type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from accord.evaluate.extractor import Extractor
from accord.graph.graph import KnowledgeGraph
from accord.text.candidates import Candidates
from accord.text.examples import LabelledSpan, MentionExample, RelationExample
from accord.text.mentions import MentionIndex
from accord.text.new_entities import NewEntities
from accord.text.tags import FoundSpan
from accord.train.extraction import link_items


class Named(NamedTuple):
    """A sentence with its mentions."""

    example: MentionExample
    """Each span has an id: of the graph or of a new entity."""
    sure: dict[str, float]
    """How sure it is of an id at best; 1 where nothing judged it."""


class NameReader:
    """Finds what sentences name.

    Names of the graph are found by their words and linked by the run if it has learnt to. A run
    that recognises mentions adds those that the graph lacks. Of two mentions that overlap the
    longer one counts, of two equal ones that of the graph.

    Args:
        extractor: A run.
        graph: The graph; None finds new entities only.
        threshold: Least probability of a recognised mention.
    """

    def __init__(
        self, extractor: Extractor, graph: KnowledgeGraph | None, threshold: float
    ) -> None:
        self.extractor = extractor
        self.graph = graph
        self.threshold = threshold
        self.index = MentionIndex(graph) if graph is not None else None
        links = graph is not None and len(extractor.link_head) > 0
        self.candidates = Candidates(graph, self.index) if links and graph and self.index else None
        taken = set(graph.entity_ids) if graph is not None else set[str]()
        self.new = NewEntities(taken.__contains__)

    def read(self, texts: Sequence[str]) -> list[Named]:
        """Sentences with their mentions.

        Args:
            texts: Sentences that follow each other.
        """
        linked = self._linked([MentionExample(text, tuple(self._known(text))) for text in texts])
        if not len(self.extractor.span_head):
            return linked
        recognised = self.extractor.spans([MentionExample(text, ()) for text in texts])
        return [self._joined(*pair) for pair in zip(linked, recognised, strict=True)]

    def _known(self, text: str) -> Iterable[LabelledSpan]:
        """Names of the graph, each at first the entity that the name means most often."""
        if self.index is None or self.graph is None:
            return
        for m in self.index.find(text):
            yield LabelledSpan(m.start, m.end, "", self.graph.entity_ids[m.candidates[0].entity])

    def _linked(self, found: Sequence[MentionExample]) -> list[Named]:
        """Sentences with links by the run, those to nothing left out, and how sure they are."""
        if self.candidates is None or self.graph is None:
            return [Named(example, {}) for example in found]
        bare = [RelationExample(example, (), (), ()) for example in found]
        twice = self.extractor.recipe.linking.twice
        items = list(link_items(self.extractor.model, self.candidates, bare, twice))
        scored = iter(zip(items, self.extractor.links(self.graph, items), strict=True))
        linked = []
        for example in found:
            spans, sure = [], dict[str, float]()
            for span in example.spans:
                item, values = next(scored)
                best = int(values.argmax())
                if best:
                    entity = self.graph.entity_ids[item.candidates[best - 1]]
                    spans.append(replace(span, entity=entity))
                    sure[entity] = max(sure.get(entity, 0.0), float(values[best]))
            linked.append(Named(replace(example, spans=tuple(spans)), sure))
        return linked

    def _joined(self, named: Named, recognised: Sequence[FoundSpan]) -> Named:
        text, known = named.example.text, list(named.example.spans)
        sure, spans = dict(named.sure), list[LabelledSpan]()
        for found in recognised:
            over = [s for s in known if s.start < found.end and found.start < s.end]
            if any(s.end - s.start >= found.end - found.start for s in over):
                # The graph's name stays, and has a type now where it is the same mention.
                same = [s for s in over if (s.start, s.end) == (found.start, found.end)]
                known = [replace(s, kind=found.kind) if s in same else s for s in known]
            elif found.probability >= self.threshold and _is_name(text[found.start : found.end]):
                known = [s for s in known if s not in over]
                entity = self.new.add(text[found.start : found.end], found.kind)
                spans.append(LabelledSpan(found.start, found.end, found.kind, entity))
                sure[entity] = max(sure.get(entity, 0.0), found.probability)
        whole = tuple(sorted([*known, *spans], key=lambda s: s.start))
        return Named(replace(named.example, spans=whole), sure)


def _is_name(text: str) -> bool:
    """Whether something can be called so: a bracket or a full stop cannot."""
    return any(map(str.isalnum, text))
