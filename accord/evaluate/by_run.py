"""Link prediction of whatever a run has learnt to rank by: text, structure, or both."""

from __future__ import annotations

from pathlib import Path

from accord.config import load_config
from accord.errors import ModelError
from accord.evaluate.link_prediction import (
    LinkPredictionConfig,
    LinkPredictionResult,
    evaluate_link_prediction,
)
from accord.evaluate.score_fusion import evaluate_with_structure
from accord.evaluate.structure import evaluate_structure
from accord.graph.graph import KnowledgeGraph
from accord.model.structure import StructureVectors, structure_folder
from accord.train.recipe import Recipe
from accord.train.setup import load_with_cache


def link_prediction_of(
    run: str | Path,
    graph: KnowledgeGraph,
    config: LinkPredictionConfig | None = None,
    structure: str | Path | None = None,
) -> LinkPredictionResult:
    """Measures a run or a base model as `accord eval link-prediction` does.

    Args:
        run: A run that ranks by text, by structure or by both; structure embeddings by
            themselves; or a base model's name.
        graph: The graph.
        config: What is ranked; None: all of valid.
        structure: Run or folder with structure embeddings to report beside; None: the run's own.

    Returns:
        Ranks by text, with those of structure beside where there are embeddings; by structure
        alone where the run has learnt nothing else.

    Raises:
        ModelError: No model, or no structure embeddings where they were named.
        GraphError: The split has no triples, or the embeddings are another graph's.
    """
    config = config or LinkPredictionConfig()
    config.drawn(graph)  # a split without triples shows before a model is read
    folder = structure_folder(run if structure is None else structure)
    if structure is not None and folder is None:
        raise ModelError(
            f"{str(structure)!r} holds no structure embeddings",
            "train some: accord train structure --graph GRAPH --out RUN",
        )
    vectors = None if folder is None else StructureVectors.load(folder)
    if vectors is not None and structure is None and not ranks_by_text(run):
        return evaluate_structure(vectors, graph, config)
    model = load_with_cache(run)
    if vectors is None:
        return evaluate_link_prediction(model, graph, config)
    return evaluate_with_structure(model, vectors, graph, config)


def ranks_by_text(run: str | Path) -> bool:
    """Whether a run with structure embeddings has also learnt to rank by text."""
    config = Path(run) / "config.toml"
    return config.is_file() and load_config(Recipe, config).contrastive.weight > 0


def mode_of(run: str | Path) -> str:
    """How a run's questions are asked if nobody says: as it has learnt to answer them."""
    config = Path(run) / "config.toml"
    return load_config(Recipe, config).rationale.mode if config.is_file() else "direct"
