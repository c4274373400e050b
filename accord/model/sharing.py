"""Models in and out: fetched, looked at, merged into one, shared on the Hub."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from accord.errors import ModelError
from accord.model import embedded
from accord.model.hub import check_available, first_line
from accord.model.saving import load_model, model_folder, read_header, unfinished

FETCHED = ("*.safetensors", "*.json", "tokenizer*", "*.txt", "*.model")
"""What is taken from a Hub repository: weights, configuration, tokenizer; never code or pickles."""


def fetch(name: str) -> Path:
    """Fetches a base model, so that later runs need no network.

    Args:
        name: An embedded model's name or a Hub name (`owner/model`).

    Returns:
        The model's folder.

    Raises:
        ModelError: Unknown name, no network, or a file whose sha256 differs.
    """
    if name in embedded.EMBEDDED:
        folder = embedded.fetch(name)
        embedded.verify(folder)
        return folder
    check_available(name)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(FETCHED)))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot fetch {name!r}: {first_line(error)}",
            "check the name and the network; embedded models: " + ", ".join(embedded.EMBEDDED),
        ) from error


def info(name: str | Path) -> dict[str, Any]:
    """What a run's model is, or what a base model is.

    Args:
        name: A run folder, a saved model's folder, a Hub name or an embedded model's name.

    Returns:
        For a run {"model", "base", "adapter", "freeze_layers", "trained_parameters", "bytes",
        "graph", "facts"}; for a base model {"model", "type", "layers", "hidden", "vocabulary",
        "context", "bytes"}.

    Raises:
        ModelError: There is no such model, or the run is not finished.
    """
    folder = model_folder(name)
    if folder is None and (Path(name) / "config.toml").is_file():
        raise unfinished(name)
    return _base_info(str(name)) if folder is None else _run_info(str(name), folder)


def _run_info(name: str, folder: Path) -> dict[str, Any]:
    from safetensors import safe_open

    header = read_header(folder)
    with safe_open(folder / "trained.safetensors", "pt") as file:
        shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118 (no dict)
    graph = {key: header["graph"].get(key) for key in ("spec", "name", "hash")}
    return {
        "model": name,
        "base": header["model"]["name"],
        "adapter": header["model"]["adapter"],
        "freeze_layers": header["model"]["freeze_layers"],
        "trained_parameters": sum(_product(shape) for shape in shapes),
        "bytes": _size(folder),
        "graph": graph,
        "facts": header["facts"],
    }


def _product(shape: list[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _base_info(name: str) -> dict[str, Any]:
    from transformers import AutoConfig

    folder = fetch(name) if not Path(name).is_dir() else Path(name)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{name!r} is neither a run nor a model: {first_line(error)}",
            "give a run folder, a model folder, a Hub name or an embedded model's name",
        ) from error
    return {
        "model": name,
        "type": config.model_type,
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "vocabulary": config.vocab_size,
        "context": getattr(config, "max_position_embeddings", None),
        "bytes": _size(folder),
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def merge(run: str | Path, out: str | Path) -> dict[str, Any]:
    """Adds a run's adapter to its base model's weights: a plain model that needs no Accord.

    The merged model writes as the run's does. It ranks entities only through Accord, and only
    where the run reads full texts (`model.reading = "full"`) without a projection.

    Args:
        run: A run folder.
        out: The folder to make.

    Returns:
        {"model": folder, "bytes", "ranks": whether it ranks as the run does}.

    Raises:
        ModelError: The run holds no adapter, or a fusion, or `out` is not empty.
    """
    target = Path(out)
    if target.exists() and any(target.iterdir()):
        raise ModelError(f"{target} is not empty", "choose another --out")
    if model_folder(run) is None:
        raise ModelError(f"{str(run)!r} holds no trained model", "give a finished run's folder")
    model = load_model(run, "cpu")
    if model.fusion is not None:
        raise ModelError(
            f"{str(run)!r} looks up entities while it reads; a plain model cannot",
            "train with fusion=off to merge, or use the run as it is",
        )
    plain: Any = model.lm
    if hasattr(plain, "merge_and_unload"):
        plain = plain.merge_and_unload()
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        plain.save_pretrained(work, safe_serialization=True)
        model.tokenizer.save_pretrained(work)
        if target.exists():
            target.rmdir()
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    ranks = model.config.reading == "full" and not model.config.projection
    return {"model": str(target), "bytes": _size(target), "ranks": ranks}


def push(run: str | Path, repo: str, private: bool = True) -> dict[str, Any]:
    """Uploads a run's model (adapter, heads, header, model card) to the Hub.

    Args:
        run: A run folder.
        repo: `owner/name`; made if it is not there.
        private: Whether a new repository is private.

    Returns:
        {"repo", "url", "files": what was uploaded}.

    Raises:
        ModelError: No finished model, no token in the environment, or the Hub refused.
    """
    folder = model_folder(run)
    if folder is None:
        raise ModelError(f"{str(run)!r} holds no trained model", "give a finished run's folder")
    if not os.environ.get("HF_TOKEN"):
        raise ModelError("no token to upload with", "set HF_TOKEN to a token that may write")
    from huggingface_hub import HfApi

    api = HfApi(token=os.environ["HF_TOKEN"])
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        found = api.upload_folder(folder_path=folder, repo_id=repo)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot upload to {repo!r}: {first_line(error)}", "check the name and the token"
        ) from error
    names = sorted(path.name for path in folder.iterdir())
    return {"repo": repo, "url": str(getattr(found, "repo_url", found)), "files": names}
