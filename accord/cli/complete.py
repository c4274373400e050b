"""`accord complete`: rank tails or heads for one query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.common import GraphOption, JsonFlag, emit
from accord.cli.opening import is_run, open_graph

if TYPE_CHECKING:
    from accord.evaluate.protocol import EmbeddingModel, Float32
    from accord.graph.graph import KnowledgeGraph


def complete(
    run: Annotated[str, typer.Argument(help="Run folder, or a base model's name.")],
    query: Annotated[
        list[str],
        typer.Argument(
            metavar="HEAD RELATION",
            help="Entity by id, name or alias; relation by id or phrase. With --new-text only "
            "the relation.",
        ),
    ],
    graph: GraphOption = None,
    inverse: Annotated[
        bool, typer.Option("--inverse", help="Ask for heads: HEAD stands at the tail's place.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, help="How many candidates.")] = 10,
    new_text: Annotated[
        str | None,
        typer.Option(help='An entity that is in no graph, as "name" or "name: description".'),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ranks the entities that may complete (HEAD, RELATION, ?); marks those already known."""
    from accord.errors import ConfigError
    from accord.evaluate.complete import complete as rank
    from accord.graph.lookup import find_entity, find_relation
    from accord.train.setup import load_with_cache

    wanted = 1 if new_text is not None else 2
    if len(query) != wanted:
        raise ConfigError(
            f"{len(query)} arguments after RUN, expected {wanted}",
            "give HEAD and RELATION, or RELATION and --new-text; quote names with spaces",
        )
    known = open_graph(run, graph)
    relation = find_relation(known, query[-1])
    if inverse:
        relation = (relation + known.num_relations) % (2 * known.num_relations)
    entity = find_entity(known, query[0]) if new_text is None else None
    model = load_with_cache(run)
    vectors = entity_vectors(model, known, run)
    result = rank(model, known, relation, entity, new_text, top, vectors)
    emit(result.to_dict(), as_json, result.to_text)


def entity_vectors(model: EmbeddingModel, graph: KnowledgeGraph, run: str) -> Float32:
    """Entity embeddings, kept in the run folder for the next command.

    The file's name holds the graph's hash and the weights' hash, so neither a changed graph nor
    further training meets stale vectors. A folder that cannot be written costs time only.

    Args:
        model: The run's model.
        graph: The graph.
        run: Run folder or base model; nothing is kept for the latter.

    Returns:
        (E, D) float32.
    """
    import numpy as np

    from accord.model.embedded import file_sha256
    from accord.model.saving import WEIGHTS, model_folder

    folder = model_folder(run)
    if not is_run(run) or folder is None:
        return model.embed_entities(graph)
    weights = file_sha256(folder / WEIGHTS)
    path = Path(run) / "cache" / f"entities-{graph.hash[:16]}-{weights[:16]}.npy"
    if path.is_file():
        kept: Float32 = np.load(path, mmap_mode="r", allow_pickle=False)
        return kept
    vectors = model.embed_entities(graph)
    work = path.with_name(f".{path.name}.part.npy")
    try:
        path.parent.mkdir(exist_ok=True)
        np.save(work, vectors, allow_pickle=False)
        work.replace(path)
    except OSError:
        work.unlink(missing_ok=True)
    return vectors
