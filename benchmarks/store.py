"""The record under kill -9, under ten thousand patches, and how long a large patch takes.

    python benchmarks/store.py [--kills 50] [--patches 10000] [--statements 10000] [--out FILE]

A process applies a patch and rolls it back, again and again, and is killed at a random moment.
After each kill the graph must open and be exactly as before the patch or as after it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GOALS = {"patch_seconds": 2.0}
WORKER = """
import sys
from accord.refine.patch import apply_patch
from accord.refine.queue import rollback_patch

print("ready", flush=True)
while True:
    done = apply_patch(sys.argv[1], sys.argv[2])
    rollback_patch(sys.argv[1], done.entry.id)
"""


def digest(folder: Path) -> str:
    """sha256 of the record's export as N-Quads."""
    from accord.graph.query import export_record

    file = folder.parent / "export.nq"
    export_record(folder, str(file))
    return hashlib.sha256(file.read_bytes()).hexdigest()


def kill_once(folder: Path, patch: Path, seconds: float) -> None:
    """Starts the worker and kills it so many seconds after it began to work."""
    command = [sys.executable, "-c", WORKER, str(folder), str(patch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None and worker.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        worker.send_signal(signal.SIGKILL)


def state_after(folder: Path) -> dict[str, Any]:
    """What is there after a kill: the record's digest, and whether all parts agree."""
    from accord.graph.load import load_graph
    from accord.graph.store import refresh
    from accord.refine.patch import patch_log

    loaded = load_graph(folder)
    active = [entry.id for entry in patch_log(folder) if entry.active]
    again = refresh(folder)
    return {
        "digest": digest(folder),
        "active": len(active),
        "agrees": loaded.hash == again.hash,
        "leftovers": [path.name for path in folder.glob(".*")],
    }


def prepare(folder: Path, entities: int, statements: int) -> tuple[Path, dict[str, int]]:
    """A generated graph and a patch for it; the digests before and after by number in force."""
    from accord.graph.builder import GraphBuilder
    from accord.graph.formats import write_graph
    from accord.graph.patches import Patch, Statement
    from accord.refine.patch import apply_patch
    from accord.refine.patch_files import write_patch
    from accord.refine.queue import rollback_patch

    builder, rng = GraphBuilder("generated"), random.Random(0)
    for number in range(entities * 3):
        builder.triple(f"e{rng.randrange(entities)}", f"r{number % 9}", f"e{number % entities}")
    graph = write_graph(builder.build(), folder)
    train = graph.triples_of("train").tolist()
    remove = tuple(
        Statement(graph.entity_ids[h], graph.relation_ids[r], graph.entity_ids[t])
        for h, r, t in train[: statements // 2]
    )
    add = tuple(
        Statement(f"e{rng.randrange(entities)}", "r0", str(number), True)
        for number in range(statements - len(remove))
    )
    patch = write_patch(Patch(add, remove, graph=graph.hash), folder.parent / "patch.rdfp")
    digests = {digest(folder): 0}
    entry = apply_patch(folder, patch).entry
    digests[digest(folder)] = 1
    rollback_patch(folder, entry.id)
    assert digests[digest(folder)] == 0, "rollback is not exact"
    return patch, digests


def kills(folder: Path, count: int, seed: int, longest: float = 0.6) -> dict[str, int]:
    """Kills the worker `count` times.

    Returns:
        How often the graph was as before and as after.

    Raises:
        AssertionError: It was neither, or the parts of the folder disagree.
    """
    patch, digests = prepare(folder, 200, 60)
    rng, seen = random.Random(seed), {"before": 0, "after": 0}
    for _ in range(count):
        kill_once(folder, patch, rng.uniform(0, longest))
        state = state_after(folder)
        assert state["digest"] in digests, "neither before nor after"
        in_force = digests[state["digest"]]
        assert state["active"] == in_force and state["agrees"] and not state["leftovers"], state
        seen["after" if in_force else "before"] += 1
        settle(folder)
    return seen


def settle(folder: Path) -> None:
    """Undoes what the killed worker left in force, so that the next one can apply."""
    from accord.refine.patch import patch_log
    from accord.refine.queue import rollback_patch

    for entry in patch_log(folder):
        if entry.active:
            rollback_patch(folder, entry.id)


def many(folder: Path, count: int) -> dict[str, float]:
    """Applies many small patches to one store and rolls them all back, latest first."""
    from accord.graph.patches import Patch, Statement
    from accord.graph.store import GraphStore

    prepare(folder, 1000, 10)
    before, rng = digest(folder), random.Random(1)
    with GraphStore(folder / "store") as store:
        start = time.perf_counter()
        ids = []
        for number in range(count):
            ends = [f"e{rng.randrange(1000)}" for _ in range(4)]
            add = Statement(ends[0], f"r{number % 9}", ends[1])
            remove = Statement(ends[2], "r0", ends[3])
            ids.append(store.apply(Patch((add,), (remove,) if add != remove else (), str(number))))
        applied = time.perf_counter()
        for entry in reversed(ids):
            store.rollback(entry.id)
        undone = time.perf_counter()
    assert digest(folder) == before, "rollback is not exact"
    return {"apply_seconds": applied - start, "rollback_seconds": undone - applied}


def large(folder: Path, statements: int) -> dict[str, float]:
    """Seconds to apply and to roll back one large patch, snapshot included."""
    from accord.refine.patch import apply_patch
    from accord.refine.queue import rollback_patch

    patch, _ = prepare(folder, 2 * statements, statements)
    start = time.perf_counter()
    entry = apply_patch(folder, patch).entry
    applied = time.perf_counter()
    rollback_patch(folder, entry.id)
    return {"apply": applied - start, "rollback": time.perf_counter() - applied}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--patches", type=int, default=10_000)
    parser.add_argument("--statements", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {"processors": os.cpu_count(), "goals": GOALS}
    with tempfile.TemporaryDirectory() as work:
        for name, run in (
            ("large", lambda folder: large(folder, options.statements)),
            ("many", lambda folder: many(folder, options.patches)),
            ("kills", lambda folder: kills(folder, options.kills, 0)),
        ):
            (Path(work) / name).mkdir()
            result[name] = run(Path(work) / name / "graph")
            print(json.dumps({name: result[name]}), flush=True)
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
