"""How much better texts of known statements are foreseen with the statements mixed in."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from accord.decode.soft import SoftExample, SoftWeights, fit_soft, mixture, soft_signs
from accord.errors import ConfigError, DataError, GraphError
from accord.evaluate.files import write_lines
from accord.evaluate.protocol import Float64
from accord.evaluate.tables import table
from accord.graph.builder import GraphBuilder
from accord.model.knowledge_model import KnowledgeModel
from accord.progress import track
from accord.text.render import entity_name, one_line
from accord.text.telling import telling_prompt
from accord.text.wording import triple_statement


@dataclass(frozen=True)
class SoftResult:
    """Every token's signs, and the weights that are measured."""

    texts: int
    signs: Float64
    """(n, 5) as `soft_signs` gives them."""
    weights: SoftWeights
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """{"n", "tokens", "nats_model", "nats_mixture", ...}; nats a token, less is better."""
        own = -np.log(np.maximum(1e-30, self.signs[:, 3]))
        return {
            "n": self.texts,
            "tokens": len(self.signs),
            "nats_model": float(own.mean()),
            "nats_mixture": float(-mixture(self.signs, self.weights).mean()),
            "weights": asdict(self.weights),
            "seconds": self.seconds,
        }

    def to_text(self) -> str:
        """The result for people."""
        found = self.to_dict()
        rows: list[list[object]] = [
            ["model alone", found["nats_model"]], ["with statements", found["nats_mixture"]]
        ]  # fmt: skip
        title = f"{self.texts} texts, {len(self.signs)} tokens: nats a token"
        return f"{title}\n{table(['', 'nats'], rows)}"


def read_examples(path: str | Path) -> Iterator[SoftExample]:
    """Texts of a JSONL file, plain or gzipped, with the triples that they tell.

    Args:
        path: One object a line: `triples` (lists of head, relation, tail) and `text` or `texts`, of
            which the first counts. WebNLG as published in this form is one such file.

    Yields:
        One example a line.

    Raises:
        DataError: The file cannot be read, or a line has not that form; the line is named.
    """
    file, number = Path(path), 0
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                number += 1
                if line.strip():
                    yield _example(json.loads(line))
    except FileNotFoundError as error:
        raise DataError("no such file", file, hint="check the path") from error
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, GraphError) as error:
        hint = 'a line needs {"triples": [["Peru", "capital", "Lima"]], "text": "..."}'
        raise DataError(f"not an example ({error})", file, number, hint) from error


def _example(record: Mapping[str, Any]) -> SoftExample:
    builder = GraphBuilder("example")
    for head, relation, tail in record["triples"]:
        builder.triple(*(str(part).strip('"') or "?" for part in (head, relation, tail)))
    graph = builder.build()
    said = tuple(triple_statement(graph, h, r, t) for h, r, t in graph.triples.tolist())
    names = tuple(one_line(entity_name(graph, e)) for e in range(graph.num_entities))
    text = record["text"] if "text" in record else record["texts"][0]
    prompt = telling_prompt(names[int(graph.triples[0, 0])], said)
    return SoftExample(prompt, said, names, one_line(str(text)))


def evaluate_soft_fusion(
    model: KnowledgeModel,
    examples: list[SoftExample],
    weights: SoftWeights | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> SoftResult:
    """Reads texts token by token.

    Args:
        model: What writes.
        examples: Texts with the statements that they tell.
        weights: What is measured; None learns them from these texts.
        limit: Texts at most, drawn by the seed; None for all.
        seed: Of the draw.

    Returns:
        Nats a token with and without the statements.

    Raises:
        DataError: No text.
        ConfigError: A limit below 1.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}", "use 1 or more")
    start = time.perf_counter()
    order = np.random.default_rng(seed).permutation(len(examples))[:limit]
    found = [np.zeros((0, 5))]
    with track("reading", len(order), "texts") as advance:
        for place in order:
            found.append(soft_signs(model, examples[place]))
            advance(1)
    signs = np.concatenate(found)
    chosen = fit_soft(signs) if weights is None else weights
    return SoftResult(len(order), signs, chosen, time.perf_counter() - start)


def write_soft(path: str | Path, weights: SoftWeights) -> Path:
    """Keeps weights as JSON, for `accord write --soft`."""
    return write_lines(path, [json.dumps(asdict(weights))])
