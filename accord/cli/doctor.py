"""`accord doctor`: what is installed, what the machine can do, what is missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from accord.cli.common import JsonFlag, emit


def doctor(as_json: JsonFlag = False) -> None:
    """What is installed and what fits: packages, CPU, memory, disk, GPU, models and data."""
    result = examine()
    emit(result, as_json, lambda: _text(result))


def examine() -> dict[str, Any]:
    """Looks at the installation and the machine.

    Returns:
        What `accord.train.environment.environment` gives, and {"cache", "disk_free_gb",
        "models": {name: fetched}, "data": folder or None, "problems": [what to mend]}.
    """
    from accord.model.embedded import EMBEDDED, cache_folder, embedded_path
    from accord.train.environment import disk_free_bytes, environment

    cache, data = cache_folder(), os.environ.get("ACCORD_DATA")
    found: dict[str, Any] = {
        **environment(),
        "cache": str(cache),
        "disk_free_gb": round(disk_free_bytes(cache) / 2**30, 1),
        "models": {name: embedded_path(name).is_dir() for name in EMBEDDED},
        "data": data,
    }
    return {**found, "problems": problems(found)}


def problems(found: dict[str, Any]) -> list[str]:
    """What a user should mend, each with what to do."""
    from accord.train.environment import NEEDED

    mend = [f"{n} is missing: run `make install`" for n in NEEDED if not found["packages"][n]]
    mend += [
        f"model {name} is not here: run `accord model fetch {name}`"
        for name, fetched in found["models"].items()
        if not fetched and name == next(iter(found["models"]))
    ]
    memory = found["machine"]["memory_gb"]
    if memory is not None and memory < 6:
        mend.append(f"{memory} GiB of memory: the demo needs 6")
    if found["disk_free_gb"] < 5:
        mend.append(f"{found['disk_free_gb']} GiB of disk free: models and caches need 5")
    if found["data"] and not (Path(found["data"]) / "MANIFEST.tsv").is_file():
        mend.append(f"ACCORD_DATA={found['data']} has no MANIFEST.tsv: data sets are downloaded")
    return mend


def _text(found: dict[str, Any]) -> str:
    host = found["machine"]
    gpu = ", ".join(f"{g['name']} ({g['memory_gb']} GiB)" for g in host["gpu"]) or "none"
    commit = found["commit"]
    rows = {
        "accord": f"{found['accord']}" + (f" at {commit['id'][:12]}" if commit else ""),
        "python": f"{found['python']} on {found['system']}",
        "cpu": f"{host['cpu']}, {host['cores']} cores, {host['threads']} threads, bfloat16 "
        + ("in hardware" if host["bfloat16"] else "not in hardware: float32 is used"),
        "memory": f"{host['memory_gb']} GiB",
        "gpu": gpu,
        "disk": f"{found['disk_free_gb']} GiB free at {found['cache']}",
        "models": ", ".join(
            f"{name} {'fetched' if here else 'not fetched'}"
            for name, here in found["models"].items()
        ),
        "data": found["data"] or "ACCORD_DATA is not set: data sets are downloaded when named",
        "packages": ", ".join(f"{n} {v}" for n, v in found["packages"].items() if v),
        "absent": ", ".join(n for n, v in found["packages"].items() if not v) or "nothing",
    }
    lines = [f"{key:<9} {value}" for key, value in rows.items()]
    return "\n".join([*lines, *(f"mend      {line}" for line in found["problems"] or ["nothing"])])
