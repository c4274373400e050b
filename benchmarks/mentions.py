"""Mention search over a million names: speed, memory, and a naive search beside it.

    python benchmarks/mentions.py [--names 1000000] [--megabytes 5] [--naive-kilobytes 20]
                                  [--questions GRAPH FILE]... [--out results.json]

Names and text are made by rule from a fixed seed. The naive search tries every run of words of
the same folded text, longest first, in a dict of all names; the naive search of whole names asks
for each name whether it occurs in the text. Both read a part of the text, and all must find the
same mentions there. With --questions also the share of questions whose topic is linked.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.text.folding import fold, name_key, token_spans
from accord.text.mentions import MentionIndex

GOALS = {"megabytes_per_second": 1.0, "gigabytes": 2.0}
LENGTHS = (1, 2, 2, 2, 3, 3, 4, 5)
LETTERS = "etaoinshrdlucmfwypvbgkqjxzéöß"


def words(count: int, rng: random.Random) -> list[str]:
    """Different words of 3 to 10 letters, frequent letters more often."""
    weights = [1 / (rank + 3) for rank in range(len(LETTERS))]
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.choices(LETTERS, weights, k=rng.randint(3, 10)))] = None
    return list(found)


def synthetic(names: int, rng: random.Random) -> tuple[KnowledgeGraph, list[str], list[str]]:
    """A graph of so many names, its names, and words that are in none of them.

    Names have one to five words, one in a hundred twelve; one in twenty belongs to two entities.
    """
    made_up = [word.capitalize() for word in words(max(names // 4, 200), rng)]
    vocabulary, others = made_up[len(made_up) // 5 :], made_up[: len(made_up) // 5]
    builder = GraphBuilder("synthetic")
    made: list[str] = []
    for number in range(names):
        name = " ".join(rng.choices(vocabulary, k=12 if number % 100 == 0 else rng.choice(LENGTHS)))
        made.append(made[-1] if number % 20 == 19 else name)
        builder.entity(f"e{number}", made[-1])
    for number in range(1000):
        builder.triple(f"e{number}", "r", f"e{rng.randrange(names)}")
    return builder.build(), made, others


def document(size: int, names: list[str], others: list[str], rng: random.Random) -> str:
    """Text of so many bytes: a name after every nine other words."""
    parts: list[str] = []
    written = 0
    while written < size:
        part = " ".join(rng.choices(others, k=9)).lower() + f" {rng.choice(names)}, "
        parts.append(part)
        written += len(part.encode())
    return "".join(parts)


def gigabytes() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def timed(work: Any) -> tuple[Any, float]:
    """What a call gives, and its seconds of processor time."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def every_run(text: str, names: set[str], longest: int) -> Iterator[tuple[int, int]]:
    """Every run of words tried, the longest first: the naive search of the same mentions."""
    folded = fold(text)
    spans = token_spans(folded.text)
    found = [folded.text[a:b] for a, b in spans]
    first = 0
    while first < len(found):
        for last in range(min(first + longest, len(found)), first, -1):
            if " ".join(found[first:last]) in names:
                yield int(folded.starts[spans[first][0]]), int(folded.ends[spans[last - 1][1] - 1])
                first = last - 1
                break
        first += 1


def every_name(text: str, names: list[str]) -> int:
    """How many names occur in a text, asked one by one."""
    read = text.lower()
    return sum(name in read for name in names)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    rng = random.Random(args.seed)
    graph, names, others = synthetic(args.names, rng)
    text = document(int(args.megabytes * 1e6), names, others, rng)
    before = gigabytes()
    index, build = timed(lambda: MentionIndex(graph))
    held = gigabytes() - before
    size = len(text.encode()) / 1e6
    found, seconds = timed(lambda: sum(1 for _ in index.stream(pieces(text))))
    result = {
        "names": args.names, "different": len(index), "text_megabytes": size, "mentions": found,
        "build_seconds": build, "megabytes_per_second": size / seconds, "gigabytes": held,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }  # fmt: skip
    return {**result, **naive(index, names, text[: int(args.naive_kilobytes * 1000)])}


def naive(index: MentionIndex, names: list[str], part: str) -> dict[str, Any]:
    """The naive searches on a part of the text, and ours on the same part."""
    ours, seconds = timed(lambda: [(m.start, m.end) for m in index.find(part)])
    keys = {name_key(name) for name in names}
    theirs, slow = timed(lambda: list(every_run(part, keys, 12)))
    lowered = sorted({name.lower() for name in names})
    _, slowest = timed(lambda: every_name(part, lowered))
    return {
        "same_as_naive": ours == theirs,
        "times_every_run": slow / seconds,
        "times_every_name": slowest / seconds,
    }


def pieces(text: str) -> Iterator[str]:
    """A text as a file of it is read."""
    step = 1 << 20
    return (text[cut : cut + step] for cut in range(0, len(text), step))


def topics(name: str, file: str) -> dict[str, Any]:
    """How many questions have their topic among the candidates, and as the best of a mention."""
    graph = load_graph(name)
    index = MentionIndex(graph)
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found, seconds = timed(lambda: index.find_all(row["question"] for row in rows))
    wanted = graph.entities([row["topic"] for row in rows]).tolist()
    linked = best = alone = 0
    for topic, mentions in zip(wanted, found, strict=True):
        linked += any(c.entity == topic for m in mentions for c in m.candidates)
        best += any(m.candidates[0].entity == topic for m in mentions)
        alone += len(mentions) == 1
    absent = [row["topic"] for row, topic in zip(rows, wanted, strict=True) if topic < 0]
    return {
        "graph": name, "file": Path(file).name, "questions": len(rows), "linked": linked,
        "linked_best_first": best, "topic_not_in_graph": len(absent),
        "not_in_graph": sorted(set(absent)), "one_mention_only": alone,
        "questions_per_second": len(rows) / seconds,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--megabytes", type=float, default=5.0)
    parser.add_argument("--naive-kilobytes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--questions", nargs=2, action="append", default=[])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    result: dict[str, Any] = {"goals": GOALS, "synthetic": measure(args) if args.names else None}
    result["questions"] = [topics(name, file) for name, file in args.questions]
    printed = json.dumps(result, indent=2, ensure_ascii=False)
    print(printed)
    if args.out is not None:
        args.out.write_text(printed + "\n")


if __name__ == "__main__":
    main()
