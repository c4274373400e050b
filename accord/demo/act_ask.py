"""Third act: the graph is asked, talked with, written about and decided by; all of it cited.

A planner learns which relation path a question asks for from questions made of the graph itself,
and when to say nothing from questions whose relations were taken out.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accord.progress import say

if TYPE_CHECKING:
    from accord.decode.confidence import Confidence
    from accord.decode.guided import Guide
    from accord.decode.planner import PlannerWeights
    from accord.graph.graph import KnowledgeGraph
    from accord.text.questions import Question

FOLDER, KIND = "ask", "ask"
RULES = """
[[rule]]
name = "shares its currency"
path = ["uses the currency", "is the currency of"]
weight = 2.0

[[rule]]
name = "is its neighbour"
path = ["shares a border with"]
weight = 1.5
"""
"""What makes an economy exposed to another; an example and no finding."""


@dataclass(frozen=True)
class AskConfig:
    """What the act is played with; what the graph does not have is answered with silence."""

    learnt: int = 800
    """Questions that the planner learns from."""
    steps: int = 400
    """Steps of that."""
    tuned: int = 400
    """Further questions by which it learns when to say nothing."""
    test: int = 400
    """Further questions that are asked and counted."""
    questions: tuple[str, ...] = (
        "What is the capital of Peru?",
        "What is the population of the capital of Japan?",
        "Which countries share a border with Switzerland?",
        "What is the currency of the country whose capital is Vienna?",
        "Who is the president of France?",
    )
    talk: tuple[str, ...] = (
        "What is the capital of Chile?",
        "What is its population?",
        "And Peru?",
    )
    written: str = "Portugal"
    """The entity that a paragraph is written about."""
    decision: str = "Which economy is most exposed if Germany falls into recession?"
    options: tuple[str, ...] = ("Austria", "Portugal", "Denmark", "Japan")


@dataclass(frozen=True)
class AskResult:
    """What the act found."""

    found: Mapping[str, Any]
    """As `play` keeps it."""

    def to_dict(self) -> dict[str, Any]:
        """The act's key in the object that `--json` prints."""
        return {"ask": dict(self.found)}

    def to_text(self) -> str:
        """What was asked and said, for people."""
        from accord.evaluate.tables import table

        asked = [[one["question"], _said(one)] for one in self.found["asked"]]
        asked += [[turn["question"], turn["reply"]] for turn in self.found["talk"]]
        counted = self.found["counted"]
        right, given = counted["precision"], counted["coverage"]
        rate = "none right" if right is None else f"{right:.3f} of them right"
        title = f"asked: of {counted['n']} made-up questions {given:.3f} answered, {rate}"
        return f"{title}\n{table(['question', 'answer'], asked)}\n{self.found['written']['text']}"


def play(folder: Path, seed: int, config: AskConfig, run: Path) -> AskResult:
    """Asks, talks, writes and decides with the run of the first act.

    Args:
        folder: Holds the graph (`graph`).
        seed: Of every draw.
        config: What is asked.
        run: The run of the first act; planner, confidence and outcome are kept there, where
            `accord ask` and the report find them.

    Returns:
        What was said, as it was found the first time.

    Raises:
        AccordError: As of `ask`, `chat`, `write` and `decide`.
    """
    from accord.evaluate.files import write_lines
    from accord.evaluate.records import kept_record, write_record
    from accord.graph.load import load_graph

    made_with = {"seed": seed, "config": json.loads(json.dumps(asdict(config)))}
    kept = kept_record(run, KIND, "", "after", made_with)
    if kept is not None:
        return AskResult(kept)
    graph = load_graph(folder / "graph")
    say("ask 1/4 learning to plan and when to say nothing")
    guide, counted = _learnt(graph, run, config, seed)
    say("ask 2/4 questions")
    asked = [_drawn(guide, question) for question in config.questions]
    say("ask 3/4 a conversation")
    talk = _talk(guide, config.talk)
    say("ask 4/4 a paragraph and a decision")
    rules = write_lines(folder / FOLDER / "rules.toml", [RULES.strip()])
    found = {
        "asked": asked,
        "talk": talk,
        "written": _written(graph, run, config.written),
        "decided": _decided(graph, run, config, rules),
        "counted": counted,
    }
    command = shlex.join(["accord", "demo", "--out", str(folder), "--seed", str(seed)])
    write_record(run, KIND, "after", found, command, made_with)
    return AskResult(found)


def _learnt(
    graph: KnowledgeGraph, run: Path, config: AskConfig, seed: int
) -> tuple[Guide, dict[str, Any]]:
    """What answers, and how often it is right on questions that it did not learn from."""
    from accord.decode.confidence import FILE as CONFIDENCE
    from accord.decode.confidence import Confidence
    from accord.decode.planner import FILE as PLANNER
    from accord.decode.planner_training import PlannerConfig
    from accord.evaluate.abstention import DRAWS, evaluate_gaps, write_confidence
    from accord.evaluate.asking import learn_planner

    made = _questions(graph, config.learnt + config.tuned + config.test, seed)
    learnt = made[: config.learnt]
    tuned, test = (made[config.learnt :][part::2] for part in (0, 1))
    weights = learn_planner(graph, learnt, PlannerConfig(hops=2, steps=config.steps, seed=seed))
    weights.save(run / PLANNER)
    fitted = evaluate_gaps(
        _guide(graph, weights, Confidence(threshold=0)), tuned, 0.3, "", 0.9, seed
    )
    write_confidence(run / CONFIDENCE, fitted.confidence)
    guide = _guide(graph, weights, fitted.confidence)
    counted = evaluate_gaps(guide, test, 0.3, "", None, seed + DRAWS)
    shown = ("n", "unanswerable", "coverage", "precision", "abstention")
    told = counted.to_dict()
    return guide, {key: told[key] for key in shown}


def _guide(graph: KnowledgeGraph, weights: PlannerWeights, confidence: Confidence) -> Guide:
    from accord.decode.guided import Guide
    from accord.decode.retrieve import RetrieveConfig

    return Guide(graph, None, RetrieveConfig("plan"), confidence, weights)


def _questions(graph: KnowledgeGraph, count: int, seed: int) -> list[Question]:
    import numpy as np

    from accord.synthesis.questions import QuestionConfig, generate_questions

    share = 0.3 if len(graph.attributes) else 0.0
    config = QuestionConfig((1, 2), 0.0, share, max_answers=20, seed=seed)
    made = list(generate_questions(graph, count, config))
    # They come kind by kind.
    return [made[i] for i in np.random.default_rng(seed).permutation(len(made)).tolist()]


def _talk(guide: Guide, questions: Sequence[str]) -> list[dict[str, str]]:
    from accord.decode.dialogue import Dialogue

    dialogue = Dialogue(guide)
    turns = [dialogue.say(question) for question in questions]
    return [{"question": turn.question, "reply": turn.reply} for turn in turns]


def _written(graph: KnowledgeGraph, run: Path, entity: str) -> dict[str, Any]:
    """A paragraph with what it cites, and what of it nothing cited supports."""
    from accord.applications import write
    from accord.errors import AccordError
    from accord.graph.lookup import find_entity
    from accord.model.saving import load_model

    try:
        find_entity(graph, entity)
    except AccordError:
        entity = graph.entity_ids[0]
    told = write(load_model(str(run)), graph, entity, facts=6)
    cited = [citation.text for citation in told.paragraph.citations]
    return {
        "entity": entity,
        "text": told.paragraph.text,
        "citations": list(dict.fromkeys(cited)),
        "unsupported": told.unsupported.count,
    }


def _decided(graph: KnowledgeGraph, run: Path, config: AskConfig, rules: Path) -> dict[str, Any]:
    """The options with their evidence; none where the graph lacks the relations of the rules."""
    from accord.applications import decide
    from accord.errors import AccordError

    try:
        decision = decide(run, graph, config.decision, config.options, rules=rules)
    except AccordError as error:
        return {"question": config.decision, "reason": error.message, "options": []}
    return {"question": config.decision, **decision.to_dict()}


def _said(answered: Mapping[str, Any]) -> str:
    names = [answer["name"] for answer in answered["answers"]]
    return "(says nothing)" if not names else "; ".join(names[:5]) + (" ..." * (len(names) > 5))


def _drawn(guide: Guide, question: str) -> dict[str, Any]:
    """An answer with its citations' entities by name, for the report's drawing."""
    from accord.text.render import entity_name, one_line

    graph, retrieved = guide.graph, guide.retriever(question)

    def name(key: str) -> str:
        return one_line(entity_name(graph, graph.entity(key)))

    answered = guide.answer(retrieved)
    drawn = [
        {
            "head": name(cited.head),
            "relation": cited.relation,
            "tail": cited.tail if cited.attribute else name(cited.tail),
        }
        for cited in answered.citations
    ]
    found = {**answered.to_dict(), "drawn": drawn, "topic": ""}
    if retrieved.ranked:
        topic = retrieved.ranked[0].known.plan.topic
        found["topic"] = one_line(entity_name(graph, topic))
    return found
