"""What `accord ask`, `write`, `decide` and `chat` do, as Python calls with the same defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accord.decode.confidence import Confidence
from accord.decode.decide import Decider
from accord.decode.decision import Calibration, Decision
from accord.decode.dialogue import Dialogue
from accord.decode.facts import FactConfig
from accord.decode.given import with_facts
from accord.decode.guided import Answered, Guide
from accord.decode.paragraph import Author, Paragraph, Statement
from accord.decode.retrieve import RetrieveConfig
from accord.decode.rules import read_rules
from accord.decode.soft import SoftWeights
from accord.evaluate.decisions import read_calibration
from accord.evaluate.faithfulness import Faithfulness, Unsupported
from accord.graph.graph import KnowledgeGraph
from accord.graph.lookup import find_entity
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import load_model

DECISIONS = "decisions.json"
"""Calibration of decisions in a run folder."""


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
    soft: SoftWeights | None = None,
) -> Written:
    """Writes a paragraph about an entity.

    Args:
        model: What writes.
        graph: What may be said.
        entity: Id, name or alias.
        unguided: The model writes what it likes after the facts, for comparison.
        facts: Facts told at most.
        soft: With `unguided`, mixes the facts into what the model likes.

    Returns:
        The paragraph; guided, every sentence cites statements that the graph has. Names and
        numbers that the selected facts do not support are counted either way.

    Raises:
        GraphError: No such entity, or several of that name.
        ConfigError: No facts wanted.
        ModelError: An encoder, which writes nothing.
    """
    author = Author(graph, model, FactConfig(count=facts))
    paragraph = author.write(find_entity(graph, entity), not unguided, soft)
    return Written(paragraph, Faithfulness(graph)(paragraph.text, paragraph.facts))


def decide(
    run: str | Path,
    graph: KnowledgeGraph,
    question: str,
    options: Sequence[str],
    facts: str | Path | None = None,
    rules: str | Path | None = None,
    calibration: str | Path | None = None,
    threshold: float | None = None,
) -> Decision:
    """Weighs options by what a graph says for and against each.

    Args:
        run: Run folder or base model's name; read only where the calibration weighs its opinion.
        graph: What is known.
        question: The question; of one that names no entity the heads of `facts` are the topic.
        options: Two or more: entities by id, name or alias, or other texts.
        facts: File of facts that hold for this question only.
        rules: TOML file of rules that decide; None learns from the graph what implies what.
        calibration: File that `accord eval decisions --out` wrote; None takes the run's own
            `decisions.json`, else weights that are not calibrated.
        threshold: Probability below which nothing is decided; None takes the calibration's.

    Returns:
        The options, the most probable first, with evidence, or that too little is known. It
        supports a decision and does not replace one.

    Raises:
        ConfigError: An empty question, fewer than two options, or one given twice, also by
            another of its names.
        GraphError: An option that several entities are called.
        DataError: A file that cannot be read.
    """
    own = Path(run) / DECISIONS
    chosen = calibration or (own if own.is_file() else None)
    weights = read_calibration(chosen) if chosen else Calibration()
    weights = weights if threshold is None else replace(weights, threshold=threshold)
    stated = read_rules(graph, rules) if rules else ()
    known, topics = with_facts(graph, facts) if facts else (graph, ())
    model = load_model(run) if weights.needs_model else None
    return Decider(known, model, weights, stated).decide(question, options, topics)


def ask(
    graph: KnowledgeGraph,
    question: str,
    model: KnowledgeModel | None = None,
    retrieve: RetrieveConfig | None = None,
    confidence: Confidence | None = None,
) -> Answered:
    """Answers a question with all that a path of the graph leads to, cited; or abstains.

    Args:
        graph: What is known.
        question: A question that names an entity of the graph.
        model: What ranks paths; None for ranking by words.
        retrieve: Which paths are looked at and how they are ranked; None for the defaults.
        confidence: Weights and the threshold below which it abstains; None for the defaults.

    Returns:
        The answers with every statement that they rest on.

    Raises:
        ConfigError: An empty question.
    """
    return Guide(graph, model, retrieve, confidence).ask(question)


def chat(
    graph: KnowledgeGraph,
    model: KnowledgeModel | None = None,
    retrieve: RetrieveConfig | None = None,
    confidence: Confidence | None = None,
    history: int = 20,
) -> Dialogue:
    """A conversation over a graph, with nothing said yet.

    Args:
        graph: What is known.
        model: Chooses words, and ranks where the ranking needs a model; None for the first wording.
        retrieve: Which paths are looked at and how they are ranked; None for the defaults.
        confidence: Weights and the threshold below which it abstains; None for the defaults.
        history: Turns that are remembered at most.

    Returns:
        What answers with `say` or `stream`.
    """
    return Dialogue(Guide(graph, model, retrieve, confidence), model, history)
