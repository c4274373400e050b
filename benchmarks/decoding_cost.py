"""What `benchmarks/decoding.py` measures beside questions: writing under constraint, memory."""

from __future__ import annotations

import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import torch

from accord.decode.places import Names, Walk
from accord.decode.processor import write_constrained
from accord.decode.trie import Int64, TokenTrie
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.model.knowledge_model import KnowledgeModel
from accord.progress import say, track
from accord.text.qa_prompts import question_prompt
from accord.text.questions import Question

GOALS = {"ask_seconds": 2.0, "ratio": 1.1, "trie_megabytes": 200.0}
SYLLABLES = (
    "ka",
    "lo",
    "min",
    "ter",
    "ra",
    "vel",
    "son",
    "bi",
    "qu",
    "is",
    "dor",
    "en",
    "ju",
    "pé",
)
WORDS, LENGTHS = 60_000, (1, 2, 2, 2, 3, 3, 4)
Writing = Callable[[], None]


class Endless(TokenTrie):
    """A trie whose texts go on as long as anything may follow, so that lengths are equal."""

    def allowed(self, written: Sequence[int]) -> Int64:
        found = super().allowed(written)
        if len(found) == 1:
            if found[0] == self.end:
                raise SystemExit("nothing may follow: the lengths would not be equal")
            return found
        return found[found != self.end]


def writing_speed(
    graph: KnowledgeGraph,
    model: KnowledgeModel,
    asked: Sequence[Question],
    count: int,
    repeats: int,
) -> dict[str, Any]:
    """Seconds of `write_constrained` beside those of the same model writing as it likes.

    Args:
        graph: Whose names and paths may be written.
        model: What writes.
        asked: The questions of one batch.
        count: Tokens that each row writes, in every arm.
        repeats: Of all arms by turns.

    Returns:
        For each arm its seconds, and the median over repeats of its ratio to the free one, by the
        clock and by the processor.
    """
    prompts = [question_prompt(q.question) for q in asked]
    arms: dict[str, Callable[[int], Writing]] = {
        "free": lambda size: lambda: _free(model, prompts, size),
        "names": lambda size: _of_names(graph, model, prompts, size),
        "paths": lambda size: _of_paths(graph, model, prompts, asked, size),
    }
    for make in arms.values():
        make(2)()  # what is made at the first call only is no part of any arm
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
    with track("writing", repeats * len(arms), "batches") as advance:
        for turn in range(repeats):
            for name in list(arms) if turn % 2 == 0 else list(arms)[::-1]:
                took[name].append(_timed(arms[name](count)))
                advance(1)
    found: dict[str, Any] = {"rows": len(prompts), "tokens": count, "repeats": repeats}
    for name, seconds in took.items():
        pairs = list(zip(seconds, took["free"], strict=True))
        found[name] = {"seconds": [round(clock, 3) for clock, _ in seconds]} | {
            f"ratio by {by}": round(statistics.median(mine[i] / free[i] for mine, free in pairs), 4)
            for i, by in enumerate(("clock", "processor"))
        }
    return found


def trie_cost(names: int, tokenizer: Any, seed: int = 0) -> dict[str, Any]:
    """Memory and time of a trie over names that are made by rule.

    Memory is what Python and NumPy hold of it (tracemalloc), in a second making of its own, since
    that takes time; the tokenizer's own, which comes and goes, is not in it.
    """
    say(f"making a graph of {names:,} names")
    graph = named_graph(names, seed)
    trie = TokenTrie(Names(graph), tokenizer, int(tokenizer.eos_token_id))
    first, _ = _timed(lambda: trie.allowed([]))
    again, _ = _timed(lambda: trie.allowed([]))
    arrays = trie.size
    del trie
    say("once more, with every allocation counted")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    trie = TokenTrie(Names(graph), tokenizer, int(tokenizer.eos_token_id))
    trie.allowed([])
    kept, most = (value - before for value in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    return {
        "names": names,
        "arrays_megabytes": round(arrays / 1e6, 1),
        "kept_megabytes": round(kept / 1e6, 1),
        "while_made_megabytes": round(most / 1e6, 1),
        "seconds_to_first_set": round(first, 2),
        "seconds_to_it_again": round(again, 4),
    }


def named_graph(count: int, seed: int) -> KnowledgeGraph:
    """A graph of so many entities with different names of one to four made-up words."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))).title() for _ in range(WORDS)]
    names: dict[str, None] = {}
    while len(names) < count:
        names[" ".join(rng.choices(words, k=rng.choice(LENGTHS)))] = None
    builder = GraphBuilder("names")
    for i, name in enumerate(names):
        builder.entity(f"e{i}", name)
    builder.triple("e0", "r", "e1")
    return builder.build()


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """{"n", "first", "median", "p95", "most"} of the seconds of questions in their order."""
    ordered = sorted(seconds)
    most = {"median": statistics.median(ordered), "most": ordered[-1]}
    p95 = ordered[max(0, -(-len(ordered) * 95 // 100) - 1)]
    found = {"first": seconds[0], **most, "p95": p95}
    return {"n": len(ordered), **{key: round(value, 4) for key, value in found.items()}}


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and by the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def _of_names(
    graph: KnowledgeGraph, model: KnowledgeModel, prompts: Sequence[str], count: int
) -> Writing:
    """Names of the whole graph, one after the other; their tokens are looked up beforehand."""
    trie = Endless(Names(graph), model.tokenizer, int(model.tokenizer.eos_token_id))
    trie.allowed([])
    return lambda: _held(model, prompts, [trie] * len(prompts), count)


def _of_paths(
    graph: KnowledgeGraph,
    model: KnowledgeModel,
    prompts: Sequence[str],
    asked: Sequence[Question],
    count: int,
) -> Writing:
    """Paths from each question's topic; what may follow is looked up while writing."""
    end = int(model.tokenizer.eos_token_id)
    places = [Walk(graph, graph.entity(q.topics[0]), count) for q in asked]
    return lambda: _held(model, prompts, [Endless(p, model.tokenizer, end) for p in places], count)


def _held(
    model: KnowledgeModel, prompts: Sequence[str], tries: Sequence[TokenTrie], count: int
) -> None:
    write_constrained(model, prompts, tries, max_new_tokens=count)


@torch.no_grad()
def _free(model: KnowledgeModel, prompts: Sequence[str], count: int) -> None:
    """The same call without a constraint, and with an end token that does not exist."""
    tokenizer, lm = model.tokenizer, model.lm
    read = tokenizer(list(prompts), padding=True, padding_side="left", return_tensors="pt")
    out = lm.generate(  # type: ignore[operator]  # a method that transformers adds
        **{key: value.to(model.device) for key, value in read.items()}, num_beams=1,
        max_new_tokens=count, do_sample=False, eos_token_id=[int(lm.config.vocab_size)],
        pad_token_id=int(tokenizer.pad_token_id),
    )  # fmt: skip
    written = out[:, read["input_ids"].shape[1] :]
    if written.shape[1] != count:
        raise SystemExit(f"{written.shape[1]} tokens were written and not {count}")
    tokenizer.batch_decode(written, skip_special_tokens=True)
