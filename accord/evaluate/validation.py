"""What a run watches while it trains: one figure, or one for each thing that it learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.objectives.structure import Structure
from accord.progress import say
from accord.text.questions import Question
from accord.train.extraction import learns_labels
from accord.train.loop import Validate, Validated
from accord.train.questions import questions_of
from accord.train.recipe import Recipe

Measure = Callable[[KnowledgeModel], float]


def validation(
    settings: Recipe,
    graph: KnowledgeGraph,
    questions: list[Question],
    structure: Structure | None,
    by_text: Validate | None = None,
) -> Validate | None:
    """What is measured on held-out data between steps.

    Exact match on valid questions where the run learns to answer, MRR on valid triples (filtered
    with train and valid) where it learns to rank them: by text, by structure vectors, or by both.
    A run that learns several of these is judged by their mean.

    Args:
        settings: The run's.
        graph: The graph.
        questions: All questions of the run.
        structure: The objective that trains structure vectors, if the run has it.
        by_text: Measures what is learnt from labelled texts, where some are held out.

    Returns:
        The measure; None where nothing is to be measured, or nothing is held out.
    """
    if not settings.loop.validate_every:
        return None
    found: dict[str, Measure] = {}
    if settings.rationale.weight:
        by_questions = _by_questions(settings, questions)
        found |= {} if by_questions is None else {"exact_match": by_questions}
    if len(graph.triples_of("valid")):
        found |= _by_triples(settings, graph, structure)
    if by_text is not None:
        return lambda model: _joined(by_text(model), {n: m(model) for n, m in found.items()})
    if len(found) > 1:
        return lambda model: Validated.mean({n: measure(model) for n, measure in found.items()})
    return next(iter(found.values()), None)


def _joined(by_text: float | Validated, others: Mapping[str, float]) -> Validated:
    """The mean of all, with what texts gave beside it."""
    first, parts = by_text if isinstance(by_text, Validated) else (by_text, {})
    whole = Validated.mean({"texts": first, **others})
    return Validated(whole.figure, {**whole.parts, **parts})


def _by_triples(
    settings: Recipe, graph: KnowledgeGraph, structure: Structure | None
) -> dict[str, Measure]:
    others = bool(settings.rationale.weight) or learns_labels(settings)
    if structure is not None and settings.contrastive.weight:
        by_structure = _by_structure(settings, graph, structure)
        return {"mrr": _by_text(settings, graph), "structure_mrr": by_structure}
    if settings.contrastive.weight or not (others or structure is not None):
        return {"mrr": _by_text(settings, graph)}
    if structure is not None and not others:
        return {"mrr": _by_structure(settings, graph, structure)}
    return {}


def _by_text(settings: Recipe, graph: KnowledgeGraph) -> Measure:
    from accord.evaluate.link_prediction import LinkPredictionConfig, evaluate_link_prediction

    config = LinkPredictionConfig(limit=settings.loop.validate_queries, baseline=False)
    return lambda model: evaluate_link_prediction(model, graph, config).mrr


def _by_structure(settings: Recipe, graph: KnowledgeGraph, structure: Structure) -> Measure:
    from accord.evaluate.link_prediction import LinkPredictionConfig
    from accord.evaluate.structure import evaluate_structure

    config = LinkPredictionConfig(limit=settings.loop.validate_queries, baseline=False)
    return lambda _: evaluate_structure(structure.vectors(), graph, config).mrr


def _by_questions(settings: Recipe, questions: list[Question]) -> Measure | None:
    if not questions_of(questions, "valid"):
        say("no question is of the split valid: answers are not measured while training")
        return None
    from accord.evaluate.graph_qa import GraphQaConfig, evaluate_graph_qa

    config = GraphQaConfig(
        mode=settings.rationale.mode,
        limit=settings.loop.validate_queries,
        seed=settings.seed,
    )

    def measure(model: KnowledgeModel) -> float:
        result = evaluate_graph_qa(model, None, questions, config)
        return float(result.values("exact_match").mean())

    return measure
