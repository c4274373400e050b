"""What a graph is like: counts, degrees, cardinalities, leaks between train and test."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import numpy.typing as npt

from accord.graph.builder import triple_keys
from accord.graph.formats import unseen_triples
from accord.graph.graph import SPLITS, KnowledgeGraph

QUANTILES = (0, 25, 50, 75, 90, 99, 100)
MANY = 1.5
"""Average tails a head (or heads a tail) from which a side counts as n; usual since TransE."""
INVERSE_SHARE = 0.8
"""Share of a relation's train triples that another one holds reversed, to call it an inverse."""
LEAK_WARNING = 0.05
"""Share of test triples that can be read off train reversed, from which to warn."""
TOP_RELATIONS = 20


def describe(graph: KnowledgeGraph) -> dict[str, Any]:
    """Measures a graph.

    Args:
        graph: Any graph.

    Returns:
        Counts; `with_text` (entities with a name or description) and its share; quantiles of the
        degree (triples an entity is in, all splits); every relation with counts and cardinality;
        relations without a phrase; triples dropped as duplicates, and those in two splits; valid
        and test triples with entities unseen in train; the inverse leak; and warnings in words.
    """
    text = graph.entity_names.nonempty() | graph.entity_descriptions.nonempty()
    result: dict[str, Any] = {
        "name": graph.name,
        "entities": graph.num_entities,
        "relations": graph.num_relations,
        "attributes": len(graph.attributes),
        "triples": {split: len(graph.triples_of(split)) for split in SPLITS},
        "with_text": int(text.sum()),
        "with_text_share": _share(int(text.sum()), graph.num_entities),
        "with_description": int(graph.entity_descriptions.nonempty().sum()),
        "aliases": len(graph.aliases),
        "properties": len(graph.properties),
        "relations_without_phrase": int((~graph.relation_phrases.nonempty()).sum()),
        "degree": _degrees(graph),
        "cardinality": {},
        "duplicates": {
            "dropped": graph.meta.get("duplicates", 0),
            "in_two_splits": _in_two_splits(graph),
        },
        "unseen": unseen_triples(graph),
        "inverse_leak": inverse_leak(graph),
        "relation_list": relation_table(graph),
        "hash": graph.hash,
    }
    for row in result["relation_list"]:
        kinds = result["cardinality"]
        kinds[row["cardinality"]] = kinds.get(row["cardinality"], 0) + 1
    result["warnings"] = _warnings(result)
    return result


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def degrees(graph: KnowledgeGraph) -> npt.NDArray[np.int64]:
    """(E,) int64: triples that each entity is in as head or tail, all splits; a loop counts 2."""
    total: npt.NDArray[np.int64] = np.diff(graph.out_offsets) + np.diff(graph.in_offsets)
    return total


def _degrees(graph: KnowledgeGraph) -> dict[str, float]:
    values = degrees(graph)
    if not len(values):
        return {}
    points = np.percentile(values, QUANTILES)
    names = ["min", *(f"{q}%" for q in QUANTILES[1:-1]), "max"]
    return {**dict(zip(names, map(float, points), strict=True)), "mean": float(values.mean())}


def _in_two_splits(graph: KnowledgeGraph) -> int:
    keys = triple_keys(graph.triples, max(graph.num_relations, 1), graph.num_entities)
    return len(keys) - len(np.unique(keys))


def relation_table(graph: KnowledgeGraph) -> list[dict[str, Any]]:
    """Every relation, most frequent first.

    Returns:
        Rows of id, phrase, counts by split, average tails a head and heads a tail (over train,
        or over all splits where train has none), and cardinality: 1-1, 1-n, n-1 or n-n.
    """
    total = graph.num_relations
    counts = [
        np.bincount(graph.triples_of(split)[:, 1], minlength=total).tolist() for split in SPLITS
    ]
    tails, heads = _fan_outs(graph)
    rows = []
    for idx in range(total):
        many = ("n" if heads[idx] >= MANY else "1", "n" if tails[idx] >= MANY else "1")
        rows.append(
            {
                "id": graph.relation_ids[idx],
                "phrase": graph.relation_phrases[idx],
                **{split: counts[code][idx] for code, split in enumerate(SPLITS)},
                "tails_per_head": round(float(tails[idx]), 3),
                "heads_per_tail": round(float(heads[idx]), 3),
                "cardinality": "-".join(many),
            }
        )
    return sorted(rows, key=lambda row: (-row["train"], row["id"]))


def _fan_outs(graph: KnowledgeGraph) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(R,) average distinct tails of a head, and (R,) heads of a tail."""
    train = graph.triples_of("train")
    missing = np.setdiff1d(np.arange(graph.num_relations), train[:, 1])
    extra = graph.triples[np.isin(graph.triples[:, 1], missing)]
    triples = np.unique(np.concatenate([train, extra]), axis=0)
    counts = np.bincount(triples[:, 1], minlength=graph.num_relations)
    sides = []
    for column in (0, 2):
        pairs = np.unique(triples[:, [1, column]], axis=0)
        ends = np.bincount(pairs[:, 0], minlength=graph.num_relations)
        sides.append(counts / np.maximum(ends, 1))
    return sides[0], sides[1]


def inverse_leak(graph: KnowledgeGraph) -> dict[str, Any]:
    """Test triples that train states the other way round, by a relation that is its inverse.

    A relation r' is the inverse of r where `INVERSE_SHARE` of r's train triples (h, r, t) have
    (t, r', h) in train; r' may be r itself (a symmetric relation).

    Returns:
        {"pairs": [[r, r'], ...] by id, "test": {"triples": n, "share": of test triples},
        "valid": likewise}.
    """
    train = graph.triples_of("train")
    pairs = _inverse_pairs(graph, train)
    size = max(graph.num_relations, 1)
    known = triple_keys(train, size, graph.num_entities)
    result: dict[str, Any] = {
        "pairs": [[graph.relation_ids[a], graph.relation_ids[b]] for a, b in pairs]
    }
    for split in SPLITS[1:]:
        triples = graph.triples_of(split)
        leaks = np.zeros(len(triples), dtype=np.bool_)
        for relation, inverse in pairs:
            rows = np.flatnonzero(triples[:, 1] == relation)
            back = triples[rows][:, ::-1].copy()
            back[:, 1] = inverse
            leaks[rows] |= np.isin(triple_keys(back, size, graph.num_entities), known)
        count = int(leaks.sum())
        result[split] = {"triples": count, "share": _share(count, len(triples))}
    return result


def _inverse_pairs(graph: KnowledgeGraph, train: npt.NDArray[np.int32]) -> list[tuple[int, int]]:
    """(relation, inverse) where enough of the relation's train triples are there reversed."""
    if not len(train):
        return []
    ahead = train[:, 0].astype(np.int64) * graph.num_entities + train[:, 2]
    back = train[:, 2].astype(np.int64) * graph.num_entities + train[:, 0]
    order = np.argsort(back, kind="stable")
    low = np.searchsorted(back[order], ahead, "left")
    high = np.searchsorted(back[order], ahead, "right")
    rows = np.repeat(np.arange(len(train)), high - low)
    starts = np.repeat(low - np.concatenate([[0], np.cumsum(high - low)[:-1]]), high - low)
    partners = order[np.arange(len(rows)) + starts]
    # A loop is its own reverse and shows nothing about its relation.
    real = train[rows, 0] != train[rows, 2]
    couples = np.stack([train[rows[real], 1], train[partners[real], 1]], axis=1)
    found, counts = np.unique(couples, axis=0, return_counts=True)
    sizes = np.bincount(train[:, 1], minlength=graph.num_relations)
    enough = counts >= INVERSE_SHARE * sizes[found[:, 0]] if len(found) else counts
    return [(int(a), int(b)) for a, b in found[np.asarray(enough, dtype=np.bool_)]]


def _warnings(info: dict[str, Any]) -> list[str]:
    texts = []
    leak = info["inverse_leak"]["test"]
    if leak["share"] >= LEAK_WARNING:
        texts.append(
            f"{leak['share']:.0%} of test triples are in train the other way round "
            f"({leak['triples']:,} of them, by inverse or symmetric relations): link prediction "
            "on them is easier than it looks"
        )
    for split, count in info["unseen"].items():
        texts.append(f"{split} triples with an entity that no train triple has: {count:,}")
    if info["duplicates"]["in_two_splits"]:
        texts.append(f"triples that are in two splits: {info['duplicates']['in_two_splits']:,}")
    without = info["entities"] - info["with_text"]
    if without:
        texts.append(
            f"entities without name or description: {without:,}; they are read by their id"
        )
    if info["relations_without_phrase"]:
        texts.append(
            f"relations without a phrase: {info['relations_without_phrase']:,}; they are read by "
            "their id, unless a label of the property (RDF) or a relations.tsv (id, phrase, "
            "inverse phrase) gives them one"
        )
    return texts


def summary(info: dict[str, Any]) -> str:
    """What `describe` found, for people.

    Returns:
        Lines of text, at most 100 characters wide where ids allow.
    """
    triples = info["triples"]
    degree = info["degree"]
    rows = [
        ("entities", f"{info['entities']:,}  ({info['with_text_share']:.0%} with text)"),
        ("relations", f"{info['relations']:,}  ({_kinds(info['cardinality'])})"),
        ("triples", "  ".join(f"{split} {triples[split]:,}" for split in SPLITS)),
        ("attributes", f"{info['attributes']:,}  of {info['properties']:,} properties"),
        ("aliases", f"{info['aliases']:,}"),
        ("degree", "  ".join(f"{key} {value:,.4g}" for key, value in degree.items())),
        ("duplicates", f"{info['duplicates']['dropped']:,} dropped"),
    ]
    lines = [info["name"], *(f"  {what:<11} {value}" for what, value in rows), ""]
    lines += _relation_lines(info["relation_list"])
    lines += [""] if info["warnings"] else []
    lines += [textwrap.fill(f"! {text}", 100, subsequent_indent="  ") for text in info["warnings"]]
    return "\n".join(lines)


def _kinds(cardinality: dict[str, int]) -> str:
    kinds = ("1-1", "1-n", "n-1", "n-n")
    return "  ".join(f"{kind}: {cardinality[kind]:,}" for kind in kinds if kind in cardinality)


def _relation_lines(rows: list[dict[str, Any]]) -> list[str]:
    shown = rows[:TOP_RELATIONS]
    width = min(48, max([len("relation"), *(len(row["id"]) for row in shown)]))
    lines = [f"  {'relation':<{width}} {'kind':>4} {'train':>9} {'valid':>7} {'test':>7}  phrase"]
    for row in shown:
        name = row["id"] if len(row["id"]) <= width else "…" + row["id"][-(width - 1) :]
        counts = f"{row['train']:>9,} {row['valid']:>7,} {row['test']:>7,}"
        phrase = row["phrase"] if len(row["phrase"]) <= 40 else row["phrase"][:39] + "…"
        lines.append(f"  {name:<{width}} {row['cardinality']:>4} {counts}  {phrase}".rstrip())
    if len(rows) > len(shown):
        lines.append(f"  ... and {len(rows) - len(shown):,} more (all with --json)")
    return lines
