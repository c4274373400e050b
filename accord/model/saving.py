"""Saves and opens a KnowledgeModel: adapter, heads, `accord.json` and a model card."""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from accord.errors import AccordError, DataError, ModelError
from accord.graph.load import load_graph
from accord.model import hub, load
from accord.model.config import ModelConfig, model_config
from accord.model.embedded import file_sha256
from accord.model.knowledge_model import KnowledgeModel
from accord.model.memory import EntityMemory
from accord.progress import say
from accord.text.render import TextConfig, templates

FORMAT = 1
HEADER, WEIGHTS = "accord.json", "trained.safetensors"
MEMORY = "memory"
"""Folder of the entity memory of a model with fusion."""
OBJECTIVES = "objectives.safetensors"
"""Trained parameters of objectives, such as a temperature, for a run that goes on."""
KEYS = ("model", "text", "base_sha256", "graph")


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that train, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def put_weights(
    model: nn.Module, weights: Mapping[str, torch.Tensor], where: str, partly: bool = False
) -> None:
    """Copies trained weights into a model.

    Args:
        model: The model.
        weights: Trained weights by name.
        where: What messages call them.
        partly: The model may train more than there are weights for.

    Raises:
        ModelError: A name or shape does not fit; nothing was copied.
    """
    own: dict[str, torch.Tensor] = {**trainable(model)}
    own |= {name: buffer for name, buffer in model.named_buffers() if name in weights}
    if partly:
        own = {name: own[name] for name in weights if name in own}
    if own.keys() != weights.keys() or any(own[k].shape != weights[k].shape for k in own):
        raise ModelError(
            f"{where}: the trained weights do not fit the model",
            "it was saved with another model or other model.* settings",
        )
    with torch.no_grad():
        for name, tensor in weights.items():
            own[name].copy_(tensor)


def base_sha256(name: str) -> str:
    """sha256 of a base model's weights, or an empty string where its files are not at hand."""
    try:
        folder = Path(load.resolve(name))
    except ModelError:
        return ""
    if folder.is_dir():
        return " ".join(file_sha256(path) for path in sorted(folder.glob("*.safetensors")))
    copy = hub.local_copy(name)
    return "" if copy is None else hub.weights_sha256(copy)


def save_pretrained(
    model: KnowledgeModel,
    folder: Path,
    graph: Mapping[str, Any],
    facts: Mapping[str, Any],
    objectives: Mapping[str, torch.Tensor] | None = None,
    lineage: Sequence[Any] = (),
) -> Path:
    """Writes a model: to a temporary folder first, then renamed.

    Args:
        model: The model.
        folder: Where to; what is there is replaced.
        graph: Name, hash and lineage of the graph it was trained on.
        facts: Recipe, steps and figures for the model card.
        objectives: Trained parameters of the objectives, for a run that goes on from this one.
        lineage: The runs that this one goes back to, the oldest first.

    Returns:
        The folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with disk_errors(folder):
            _write_files(model, work, graph, facts, lineage)
            if objectives:
                kept = {k: p.detach().cpu().contiguous() for k, p in objectives.items()}
                save_file(kept, work / OBJECTIVES)
            if folder.exists():
                shutil.rmtree(folder)
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def _write_files(
    model: KnowledgeModel,
    work: Path,
    graph: Mapping[str, Any],
    facts: Mapping[str, Any],
    lineage: Sequence[Any],
) -> None:
    own = {**trainable(model), **dict(model.projection.named_buffers(prefix="projection"))}
    weights = {k: p.detach().cpu().contiguous() for k, p in own.items()}
    save_file(weights, work / WEIGHTS)
    if hasattr(model.lm, "peft_config"):
        model.lm.save_pretrained(str(work), safe_serialization=True)  # type: ignore[operator]  # of a module
    if model.memory is not None:
        model.memory.save(work / MEMORY)
    header = {
        "format": FORMAT,
        "model": dataclasses.asdict(model.config),
        "text": dataclasses.asdict(model.text),
        "templates": templates(),
        "pooling": model.config.pooling if model.reader.causal else "mean",
        "base_sha256": base_sha256(model.config.name),
        "graph": dict(graph),
        "facts": dict(facts),
        "lineage": list(lineage),
    }
    (work / HEADER).write_text(json.dumps(header, indent=2, ensure_ascii=False), "utf-8")
    (work / "README.md").write_text(model_card(header), "utf-8")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns a full disk or a forbidden folder into an error that says so.

    Raises:
        DataError: No space, or no permission, with what to do.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        # safetensors has an error of its own, with the system's reason in its text only.
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
            raise DataError(
                "no space left on the disk; the checkpoint before is kept",
                path,
                hint="free some space, then go on with --resume",
            ) from error
        raise DataError(f"cannot write ({error})", path, hint="check the folder") from error


def model_folder(run: str | Path) -> Path | None:
    """The saved model inside a run folder, or the folder itself; None where there is none."""
    for folder in (Path(run) / "model", Path(run)):
        if (folder / HEADER).is_file():
            return folder
    return None


def load_model(name: str | Path, device: str | None = None) -> KnowledgeModel:
    """Opens a run or a base model.

    Args:
        name: A run folder, a saved model's folder, a Hub name or an embedded model's name.
        device: "cpu", "cuda", ...; None picks one.

    Returns:
        The model, in eval mode.

    Raises:
        ModelError: Not found, half-written, or its base model's weights are not the same.
    """
    folder = model_folder(name)
    if folder is None:
        if (Path(name) / "config.toml").is_file():
            raise unfinished(name)
        return KnowledgeModel.create(ModelConfig(str(name), adapter="none"), device=device)
    header = read_header(folder)
    config = model_config(header["model"])
    memory = None if config.fusion is None else EntityMemory.load(folder / MEMORY)
    model = KnowledgeModel.create(config, TextConfig(**header["text"]), device, memory=memory)
    check_base(header, folder)
    put_weights(model, read_weights(folder / WEIGHTS), str(folder))
    if model.fusion is not None:
        _attach_own_graph(model, folder.parent / "graph.json")
    return model.eval()


def _attach_own_graph(model: KnowledgeModel, record: Path) -> None:
    """Binds the graph that a run was trained on, where it is at hand."""
    try:
        model.attach(load_graph(recorded_graph(json.loads(record.read_text("utf-8")))))
    except (OSError, ValueError, KeyError, AccordError) as error:
        say(f"the model's graph is not at hand, so it reads as its base until one is ({error})")


def recorded_graph(record: Mapping[str, Any]) -> str:
    """The GRAPH that a run's `graph.json` names, wherever the command is called from.

    Args:
        record: With "spec", the graph as it was given, and "path", where that lay.
    """
    path = record.get("path")
    return str(path if path and Path(path).exists() else record["spec"])


def check_base(header: Mapping[str, Any], folder: Path) -> None:
    """Compares a saved model's base model with the one at hand.

    Raises:
        ModelError: Its weights are not the same.
    """
    expected, name = header["base_sha256"], header["model"]["name"]
    if expected and base_sha256(name) != expected:
        raise ModelError(
            f"{folder}: the weights of {name!r} are not those it was trained on",
            "fetch the base model again, or train anew",
        )


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors file.

    Raises:
        ModelError: Missing or cut.
    """
    try:
        return load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"{path}: {error}", "the file is missing or cut") from error


def unfinished(run: str | Path) -> ModelError:
    """What is wrong with a run folder that holds no model yet."""
    return ModelError(
        f"run {str(run)!r} holds no finished model",
        f"it was stopped before its end: go on with `accord train --out {run} --resume`",
    )


def read_header(folder: Path) -> dict[str, Any]:
    """A saved model's `accord.json`.

    Raises:
        ModelError: Unreadable, or of another format.
    """
    try:
        header: dict[str, Any] = json.loads((folder / HEADER).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / HEADER}: {error}", "the file is cut; train anew") from error
    missing = [key for key in KEYS if key not in header]
    if header.get("format") == FORMAT and missing:
        raise ModelError(f"{folder / HEADER}: {', '.join(missing)} missing", "train anew")
    if header.get("format") != FORMAT:
        raise ModelError(
            f"{folder}: format {header.get('format')!r}, this version reads {FORMAT}",
            "open it with the version that wrote it",
        )
    if header.get("templates", templates()) != templates():
        raise ModelError(
            f"{folder}: trained on texts like {header['templates']['query']!r}, this version "
            f"writes {templates()['query']!r}",
            "open it with the version that wrote it, or train anew",
        )
    return header


def model_card(header: Mapping[str, Any]) -> str:
    """A short README for a saved model, in the Hub's form."""
    model, graph, facts = header["model"], header["graph"], header["facts"]
    lines = [
        "---",
        f"base_model: {model['name']}",
        "library_name: accord",
        "tags: [knowledge-graph, link-prediction]",
        "---",
        f"# {model['name']} aligned with {graph.get('name', 'a graph')}",
        "",
        "Trained with Accord. Open it with `accord.load_model(FOLDER)`; the folder is also a PEFT",
        "adapter. It holds trained weights only, not the base model.",
        "",
        f"- graph: {graph.get('name')} ({str(graph.get('hash'))[:16]})",
        f"- what is trained: {model['adapter']}, layers from {model['freeze_layers']} up",
        *(f"- went on from: {run['run']}" for run in header.get("lineage", [])),
        *(f"- {key}: {value}" for key, value in facts.items()),
        "",
        "It ranks and writes what the graph and the base model suggest: check before relying on",
        "it.",
        "",
    ]
    return "\n".join(lines)
