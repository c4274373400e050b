"""A paragraph about an entity in which every sentence says facts of the graph and cites them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from accord.decode.facts import Fact, FactConfig, select_facts
from accord.decode.guided import Citation, holds
from accord.decode.pen import Pen
from accord.decode.plans import Plans
from accord.decode.soft import SoftFusion, SoftWeights
from accord.decode.wordings import Wording, wordings
from accord.errors import DecodingError
from accord.graph.graph import KnowledgeGraph
from accord.text.kinds import Kinds
from accord.text.render import entity_name, one_line
from accord.text.sentences import sentences
from accord.text.telling import telling_prompt

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel

FREE_TOKENS = 160
END = "\n\n"


@dataclass(frozen=True)
class Statement:
    """A sentence with what it rests on."""

    text: str
    citations: tuple[Citation, ...]
    """None where nothing says that the sentence rests on the graph."""


@dataclass(frozen=True)
class Paragraph:
    """What `accord write` says."""

    entity: str
    """Entity id."""
    name: str
    guided: bool
    statements: tuple[Statement, ...]
    facts: tuple[Citation, ...]
    """All that was selected to be told."""

    @property
    def text(self) -> str:
        """The paragraph."""
        return " ".join(statement.text for statement in self.statements)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """What it rests on, each once."""
        return tuple(dict.fromkeys(c for s in self.statements for c in s.citations))

    def to_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "entity": self.entity,
            "name": self.name,
            "guided": self.guided,
            "text": self.text,
            "statements": [
                {"text": s.text, "citations": [asdict(c) for c in s.citations]}
                for s in self.statements
            ],
            "citations": [asdict(citation) for citation in self.citations],
            "facts": [asdict(citation) for citation in self.facts],
        }


class Author:
    """Writes about the entities of one graph.

    Args:
        graph: The graph.
        model: What chooses words.
        facts: How much is told; None for the defaults.
    """

    def __init__(
        self, graph: KnowledgeGraph, model: KnowledgeModel, facts: FactConfig | None = None
    ) -> None:
        self.graph = graph
        self.model = model
        self.config = facts or FactConfig()
        self.plans = Plans(graph)
        self._kinds = Kinds(graph)

    def facts(self, entity: int) -> list[Fact]:
        """What there is to tell about an entity idx."""
        return select_facts(self.plans, entity, self.config)

    def write(self, entity: int, guided: bool = True, soft: SoftWeights | None = None) -> Paragraph:
        """A paragraph about an entity.

        Args:
            entity: Entity idx.
            guided: Every sentence is one of those that say the selected facts; else the model
                sees the facts in its prompt and writes what it likes.
            soft: Mixes the facts into what the model likes, where it is not guided.

        Returns:
            The paragraph; empty where the graph states nothing.

        Raises:
            DecodingError: A citation that the graph does not state.
        """
        facts = self.facts(entity)
        if guided:
            said = tuple(self.statements(entity, facts))
        else:
            said = tuple(Statement(text, ()) for text in self.free(entity, facts, soft))
        wanted = tuple(dict.fromkeys(c for fact in facts for c in fact.citations))
        name = one_line(entity_name(self.graph, entity))
        return Paragraph(self.graph.entity_ids[entity], name, guided, said, wanted)

    def statements(self, entity: int, facts: list[Fact]) -> Iterator[Statement]:
        """Guided sentences as they are written; equal facts give equal sentences."""
        if not facts:
            return
        pen = Pen(self.model, self._prompt(entity, facts))
        thing, done, before = not self._is_person(facts), 0, ""
        while done < len(facts):
            found = wordings(self.graph, facts[done:], before, thing)
            chosen = self._choose(pen, found)
            cited = tuple(c for f in facts[done : done + chosen.facts] for c in f.citations)
            for citation in cited:
                if not holds(self.graph, citation):
                    raise DecodingError(f"the graph does not state {citation.text!r}")
            done, before = done + chosen.facts, chosen.text
            yield Statement(chosen.text, cited)

    def _choose(self, pen: Pen, found: list[Wording]) -> Wording:
        text = "".join(pen.choose([wording.text for wording in found])).strip()
        return next((w for w in found if w.text == text), found[0])

    def free(self, entity: int, facts: list[Fact], soft: SoftWeights | None = None) -> list[str]:
        """Sentences as the model likes them after the facts; nothing proves them.

        Args:
            entity: Entity idx.
            facts: What it sees in its prompt.
            soft: Mixes the facts into what it likes.

        Returns:
            One line each; none without facts, of which nothing could be supported.
        """
        if not facts:
            return []
        pen = Pen(self.model, self._prompt(entity, facts))
        cited = [citation for fact in facts for citation in fact.citations]
        names = dict.fromkeys(name for citation in cited for name in self._names(citation))
        statements = dict.fromkeys(citation.text for citation in cited)
        tokenizer = self.model.tokenizer
        fusion = None if soft is None else SoftFusion(tokenizer, statements, names, soft)
        written = "".join(pen.free(FREE_TOKENS, END, fusion)).strip()
        said = [one_line(found.text) for found in sentences([written])]
        # Where tokens ran out within a sentence, that is left out.
        return said if len(said) < 2 or said[-1].endswith((".", "!", "?")) else said[:-1]

    def _names(self, citation: Citation) -> list[str]:
        """Names of the entities of a statement, and its literal."""
        parts = [citation.head] if citation.attribute else [citation.head, citation.tail]
        found = [entity_name(self.graph, self.graph.entity(part)) for part in parts]
        return [*found, citation.tail] if citation.attribute else found

    def _prompt(self, entity: int, facts: list[Fact]) -> str:
        name = one_line(entity_name(self.graph, entity))
        return telling_prompt(name, (c.text for fact in facts for c in fact.citations))

    def _is_person(self, facts: list[Fact]) -> bool:
        """Whether a step back to the subject leads to people."""
        count = self.graph.num_relations
        back = [(f.number + count) % (2 * count) for f in facts if f.kind == "relation"]
        return any(self._kinds.of_role(number) == "person" for number in back)
