"""What `accord ask`, `write`, `decide` and `chat` do, as Python calls with the same defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accord.decode.facts import FactConfig
from accord.decode.paragraph import Author, Paragraph, Statement
from accord.evaluate.faithfulness import Faithfulness, Unsupported
from accord.graph.graph import KnowledgeGraph
from accord.graph.lookup import find_entity
from accord.model.knowledge_model import KnowledgeModel


@dataclass(frozen=True)
class Written:
    """A paragraph with what is unsupported in it."""

    paragraph: Paragraph
    unsupported: Unsupported

    def to_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {**self.paragraph.to_dict(), "unsupported": self.unsupported.to_dict()}

    def to_text(self) -> str:
        """The paragraph for people, its statements numbered."""
        paragraph = self.paragraph
        if not paragraph.facts:
            return f"nothing to write: the graph states nothing about {paragraph.name}"
        if not paragraph.statements:
            return "the model wrote nothing"
        # A border stated from both sides is two citations and one sentence.
        texts = dict.fromkeys(citation.text for citation in paragraph.citations)
        place = {text: str(i) for i, text in enumerate(texts, 1)}
        lines = [" ".join(_marked(s, place) for s in paragraph.statements), ""]
        lines += [f"  [{number}] {text}" for text, number in place.items()]
        return "\n".join([*lines, self._found()])

    def _found(self) -> str:
        wrong = self.unsupported
        share = f"{wrong.count} of {wrong.named + wrong.counted} names and numbers are unsupported"
        return ": ".join(filter(None, (share, "; ".join((*wrong.entities, *wrong.numbers)))))


def _marked(statement: Statement, place: Mapping[str, str]) -> str:
    numbers = ", ".join(dict.fromkeys(place[c.text] for c in statement.citations))
    return f"{statement.text} [{numbers}]" if numbers else statement.text


def write(
    model: KnowledgeModel,
    graph: KnowledgeGraph,
    entity: str,
    unguided: bool = False,
    facts: int = FactConfig.count,
) -> Written:
    """Writes a paragraph about an entity.

    Args:
        model: What writes.
        graph: What may be said.
        entity: Id, name or alias.
        unguided: The model writes what it likes after the facts, for comparison.
        facts: Facts told at most.

    Returns:
        The paragraph; guided, every sentence cites statements that the graph has. Names and
        numbers that the selected facts do not support are counted either way.

    Raises:
        ConfigError: No such entity, or no facts wanted.
    """
    author = Author(graph, model, FactConfig(count=facts))
    paragraph = author.write(find_entity(graph, entity), guided=not unguided)
    return Written(paragraph, Faithfulness(graph)(paragraph.text, paragraph.facts))
