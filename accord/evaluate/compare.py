"""Before and after: a run and the base model it came from, measured alike."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accord.errors import ConfigError, ModelError, nearest
from accord.evaluate.drift import BaseComparison
from accord.evaluate.link_prediction import LinkPredictionConfig, evaluate_link_prediction
from accord.evaluate.protocol import Float32, Int64
from accord.evaluate.qa import evaluate_qa
from accord.evaluate.qa_items import TASKS, QaConfig
from accord.evaluate.records import kept_record, write_record
from accord.evaluate.retention import (
    RetentionConfig,
    evaluate_retention,
    find_wikitext,
    read_text,
)
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.model.embedded import file_sha256
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import WEIGHTS, model_folder, read_header
from accord.progress import say
from accord.text.prompts import PromptConfig
from accord.train.checkpoint import run_graph
from accord.train.setup import load_with_cache

KINDS = ("link-prediction", "qa", "retention")
Results = dict[str, dict[str, Any]]
"""Kind -> what `accord eval KIND --json` prints."""


@dataclass(frozen=True)
class CompareConfig:
    """How much is measured; the defaults are those of `accord eval`."""

    triples: int | None = None
    """Triples of link prediction at most; None for all."""
    questions: int | None = 1000
    """Triples that are asked about at most; None for all."""
    tasks: tuple[str, ...] = TASKS
    """What is asked: some of head, tail, relation, classification."""
    shots: int = 3
    """Solved examples before each question."""
    describe: bool = True
    """Questions give descriptions, not names only."""
    words: int = 20_000
    """Words of text for perplexity at most, where WikiText-2 is at hand; 0 for all."""
    seed: int = 0
    """Of every draw."""


def compare(
    run: str | Path,
    graph: KnowledgeGraph | None = None,
    split: str = "test",
    kinds: Iterable[str] = KINDS,
    config: CompareConfig | None = None,
) -> dict[str, Results]:
    """Measures a finished run and its base model alike.

    What was measured before on the same model, graph and settings is not measured again. Results
    are kept in the run's `eval/`, where `accord report` finds them.

    Args:
        run: The run folder.
        graph: The graph; None opens the run's own.
        split: Whose triples are predicted and asked about.
        kinds: Some of link-prediction, qa, retention.
        config: How much is measured.

    Returns:
        {"before": results by kind, "after": results by kind}.

    Raises:
        ModelError: The run holds no finished model.
        ConfigError: No such kind.
    """
    opened = graph if graph is not None else load_graph(run_graph(run))
    return {
        "before": measure(base_of(run), opened, run, "before", split, kinds, config),
        "after": measure(run, opened, run, "after", split, kinds, config),
    }


def base_of(run: str | Path) -> str:
    """The name of the base model of a finished run.

    Raises:
        ModelError: The run holds no finished model.
    """
    folder = model_folder(run)
    if folder is None:
        raise ModelError(f"{str(run)!r} holds no finished model", "train it to its end first")
    return str(read_header(folder)["model"]["name"])


def measure(
    model: str | Path,
    graph: KnowledgeGraph,
    folder: str | Path,
    moment: str,
    split: str = "test",
    kinds: Iterable[str] = KINDS,
    config: CompareConfig | None = None,
) -> Results:
    """Measures one model and keeps the results; what was measured before is not done again.

    Args:
        model: A run folder or a base model's name.
        graph: The graph.
        folder: The run folder that keeps the results; it need not hold a run yet.
        moment: before or after.
        split: Whose triples are predicted and asked about.
        kinds: Some of link-prediction, qa, retention.
        config: How much is measured.

    Returns:
        Results by kind.

    Raises:
        ConfigError: No such kind.
    """
    config, found, loaded = config or CompareConfig(), Results(), None
    for kind in kinds:
        if kind not in _MEASURES:
            raise ConfigError(f"no measurement {kind!r}", nearest(kind, KINDS))
        made_with = _made_with(kind, model, graph, config)
        kept = kept_record(folder, kind, "" if kind == "retention" else split, moment, made_with)
        if kept is None:
            loaded = loaded or _Measured(load_with_cache(model))
            say(f"measuring {kind} of {model}")
            kept = _MEASURES[kind](loaded, graph, split, config)
            command = _command(kind, model, folder, moment, split, config)
            write_record(folder, kind, moment, kept, command, made_with)
        found[kind] = kept
    return found


class _Measured:
    """A model whose entities are embedded once for all measurements."""

    def __init__(self, model: KnowledgeModel) -> None:
        self.model = model
        self.embed_queries = model.embed_queries
        self.token_logprobs = model.token_logprobs
        self.generate = model.generate
        self.complete_names = model.complete_names
        self._kept: dict[str, Float32] = {}

    def embed_entities(self, graph: KnowledgeGraph, entities: Int64 | None = None) -> Float32:
        """As the model's own; rows of the whole matrix where that is known."""
        if entities is None and graph.hash not in self._kept:
            self._kept[graph.hash] = self.model.embed_entities(graph)
        known = self._kept.get(graph.hash)
        if known is None:
            return self.model.embed_entities(graph, entities)
        return known if entities is None else known[entities]


def _link_prediction(
    model: _Measured, graph: KnowledgeGraph, split: str, config: CompareConfig
) -> dict[str, Any]:
    asked = LinkPredictionConfig(split, limit=config.triples, seed=config.seed)
    return evaluate_link_prediction(model, graph, asked).to_dict()


def _qa(
    model: _Measured, graph: KnowledgeGraph, split: str, config: CompareConfig
) -> dict[str, Any]:
    prompt = PromptConfig(shots=config.shots, describe=config.describe)
    asked = QaConfig(tasks=config.tasks, limit=config.questions, seed=config.seed, prompt=prompt)
    return evaluate_qa(model, graph, split, asked).to_dict()


def _retention(
    model: _Measured, graph: KnowledgeGraph, split: str, config: CompareConfig
) -> dict[str, Any]:
    path = find_wikitext()
    text = read_text(path) if path else None
    kept = RetentionConfig(words=config.words, seed=config.seed)
    base = BaseComparison(model.model)
    return evaluate_retention(model, base, graph, text, config=kept).to_dict()


Measure = Callable[[_Measured, KnowledgeGraph, str, CompareConfig], dict[str, Any]]
_MEASURES: dict[str, Measure] = {
    "link-prediction": _link_prediction,
    "qa": _qa,
    "retention": _retention,
}


def _made_with(
    kind: str, model: str | Path, graph: KnowledgeGraph, config: CompareConfig
) -> dict[str, Any]:
    """What a result depends on, as JSON gives it back."""
    folder = model_folder(model)
    weights = file_sha256(folder / WEIGHTS) if folder else ""
    relevant = {name: value for name, value in asdict(config).items() if name in _OPTIONS[kind]}
    text = str(find_wikitext() is not None) if kind == "retention" else ""
    settings = {k: list(v) if isinstance(v, tuple) else v for k, v in relevant.items()}
    name = "" if folder else str(model)
    return {"model": name, "weights": weights, "graph": graph.hash, "text": text, **settings}


_OPTIONS: dict[str, Mapping[str, str]] = {
    "link-prediction": {"triples": "--limit", "seed": "--seed"},
    "qa": {
        "questions": "--limit",
        "tasks": "--only",
        "shots": "--shots",
        "describe": "--no-describe",
        "seed": "--seed",
    },
    "retention": {"words": "--words", "seed": "--seed"},
}
"""Which settings each kind depends on, and the option of `accord eval` that sets them."""


def _command(
    kind: str,
    model: str | Path,
    folder: str | Path,
    moment: str,
    split: str,
    config: CompareConfig,
) -> str:
    """The command that measures the same."""
    words = ["accord", "eval", kind, str(model)]
    words += [] if kind == "retention" else ["--split", split]
    words += ["--before", str(folder)] if moment == "before" else []
    default = CompareConfig()
    for name, option in _OPTIONS[kind].items():
        value = getattr(config, name)
        if value == getattr(default, name):
            continue
        if isinstance(value, bool):
            words.append(option)
            continue
        for item in value if isinstance(value, tuple) else (value,):
            # On the command line 0 asks for all questions.
            words += [option, str(0 if item is None else item)]
    return shlex.join(words)
