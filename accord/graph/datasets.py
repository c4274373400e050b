"""Named benchmark data sets as graphs: `load_dataset("umls")`.

Each comes from a local mirror (`ACCORD_DATA`) or from its public source, is checked against the
published counts, and gets readable names and relation phrases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from accord.errors import DataError, nearest
from accord.graph import dataset_phrases as phrases
from accord.graph import dataset_texts as texts
from accord.graph.builder import GraphBuilder
from accord.graph.dataset_files import Read, rows_of
from accord.graph.dataset_upstream import Rows
from accord.graph.geography import META, geography
from accord.graph.graph import SPLITS, KnowledgeGraph


@dataclass(frozen=True)
class DatasetSpec:
    """What a named data set is and how to know it."""

    title: str
    triples: tuple[int, int, int]
    """Train, valid, test; exact repeats within a split counted once."""
    entities: int
    relations: int
    licence: str
    source: str
    build: Callable[[GraphBuilder, Read], None] | None = field(repr=False, default=None)
    """Fills a builder from the set's files; None: made from packages, whose versions decide."""


PYKEEN = "https://github.com/pykeen/pykeen"
KG_BERT = "https://github.com/yao8839836/kg-bert"
VILLMOW = "https://github.com/villmow/datasets_knowledge_embedding"
SIMKGC = "https://github.com/intfloat/SimKGC"
OPENKE = "https://github.com/thunlp/OpenKE"
CODEX = "https://github.com/tsafavi/codex"
INDUCTIVE = "https://github.com/BinWang28/InductivE"
IRN = "https://github.com/zmtkeke/IRN"
KEALLM = "https://github.com/vaijsc/keallm"
WIKIDATA = "Wikidata, CC0"
UNSTATED = "none stated"


def _countries(number: int, train: int) -> DatasetSpec:
    fill = texts.small(f"small-kg/countries_s{number}", phrases.COUNTRIES, texts.titled)
    return DatasetSpec(f"Countries S{number}", (train, 24, 24), 271, 2, UNSTATED, VILLMOW, fill)


def _conceptnet(size: str, triples: tuple[int, int, int]) -> DatasetSpec:
    fill = texts.small(f"conceptnet/cn-{size}", phrases.CONCEPTNET, texts.spaced, ".tsv.gz")
    title = f"ConceptNet {size}"
    return DatasetSpec(title, triples, 78_334, 34, "CC BY-SA 4.0", INDUCTIVE, fill)


def _codex(size: str, triples: tuple[int, int, int], entities: int, relations: int) -> DatasetSpec:
    title = f"CoDEx-{size.upper()}"
    return DatasetSpec(title, triples, entities, relations, WIKIDATA, CODEX, texts.codex(size))


def _pathquestion(hops: int, triples: int, entities: int) -> DatasetSpec:
    path = f"pathquestion/pq-{hops}h-kb.tsv.gz"
    fill = texts.knowledge_base(path, phrases.PATHQUESTION, texts.spaced)
    title = f"PathQuestion {hops}-hop knowledge base"
    return DatasetSpec(title, (triples, 0, 0), entities, 13, UNSTATED, IRN, fill)


DATASETS: dict[str, DatasetSpec] = {
    "umls": DatasetSpec(
        "UMLS semantic network",
        (5_216, 652, 661),
        135,
        46,
        "none stated; descriptions from Wikipedia, CC BY-SA",
        f"{PYKEEN}, {KG_BERT}",
        texts.umls,
    ),
    "nations": DatasetSpec(
        "Nations",
        (1_592, 199, 201),
        14,
        55,
        UNSTATED,
        PYKEEN,
        texts.small(
            "small-kg/nations",
            phrases.by_joined_words(phrases.NATIONS_PHRASES),
            texts.titled,
        ),
    ),
    "kinship": DatasetSpec(
        "Kinship (Alyawarra)",
        (8_544, 1_068, 1_074),
        104,
        25,
        UNSTATED,
        PYKEEN,
        texts.small(
            "small-kg/kinship", texts.kinship_phrases(), lambda i: i.replace("person", "person ")
        ),
    ),
    "countries-s1": _countries(1, 1_110),
    "countries-s2": _countries(2, 1_062),
    "countries-s3": _countries(3, 984),
    "wn18rr": DatasetSpec(
        "WN18RR",
        (86_835, 3_034, 3_134),
        40_943,
        11,
        "WordNet 3.0 licence (Princeton)",
        SIMKGC,
        texts.wn18rr,
    ),
    "fb15k-237": DatasetSpec(
        "FB15k-237",
        (272_115, 17_535, 20_466),
        14_541,
        237,
        "Freebase, CC BY; Wikidata, CC0",
        f"{OPENKE}, {SIMKGC}, {VILLMOW}",
        texts.fb15k237,
    ),
    "codex-s": _codex("s", (32_888, 1_827, 1_828), 2_034, 42),
    "codex-m": _codex("m", (185_584, 10_310, 10_311), 17_050, 51),
    "conceptnet-100k": _conceptnet("100k", (99_997, 1_200, 1_200)),
    "conceptnet-82k": _conceptnet("82k", (81_917, 10_240, 10_240)),
    "nell-995": DatasetSpec(
        "NELL-995",
        (149_678, 543, 3_992),
        75_492,
        200,
        "CC BY",
        OPENKE,
        texts.small(
            "small-kg/nell-995",
            phrases.by_joined_words(phrases.NELL_PHRASES, "concept:"),
            texts.nell_name,
            ".tsv.gz",
        ),
    ),
    "wn11": DatasetSpec(
        "WN11",
        (110_361, 2_606, 10_493),
        38_588,
        11,
        UNSTATED,
        f"{OPENKE}, {KG_BERT}",
        texts.wn11,
    ),
    "metaqa": DatasetSpec(
        "MetaQA knowledge base (about 97 % of it)",
        (129_659, 0, 0),
        42_872,
        9,
        "CC BY 3.0",
        KEALLM,
        texts.knowledge_base("metaqa/kb.tsv.gz", phrases.METAQA, texts.spaced),
    ),
    "pathquestion-2h": _pathquestion(2, 1_211, 1_056),
    "pathquestion-3h": _pathquestion(3, 2_839, 1_836),
    "geography": DatasetSpec(
        META["title"], (3_190, 398, 400), 1_904, 7, META["licence"], META["source"]
    ),
}


def load_dataset(name: str, folder: Path | None = None) -> KnowledgeGraph:
    """Loads a named data set.

    Args:
        name: One of `DATASETS`.
        folder: A data folder; None for `ACCORD_DATA`, the cache, then the public source.

    Returns:
        The graph, with splits, texts, and licence and source in `meta`.

    Raises:
        DataError: No such set; a file is missing, damaged or cannot be fetched; or the counts
            differ from the published ones.
    """
    if name not in DATASETS:
        raise DataError(f"no data set {name!r}", hint=nearest(name, DATASETS))
    spec = DATASETS[name]
    if spec.build is None:
        graph = geography()
    else:
        builder = GraphBuilder(name)
        spec.build(builder, lambda path: rows_of(path, folder))
        graph = builder.build({"title": spec.title, "licence": spec.licence, "source": spec.source})
    check_counts(graph, spec)
    return graph


def check_counts(graph: KnowledgeGraph, spec: DatasetSpec) -> None:
    """Compares a graph with the published counts.

    Raises:
        DataError: One differs.
    """
    found = [len(graph.triples_of(split)) for split in SPLITS]
    names = [*(f"{split} triples" for split in SPLITS), "entities", "relations"]
    wanted = [*spec.triples, spec.entities, spec.relations]
    found = [*found, graph.num_entities, graph.num_relations]
    for what, expected, given in zip(names, wanted, found, strict=True):
        if expected != given:
            raise DataError(
                f"data set {graph.name!r} has {given:,} {what}, published are {expected:,}",
                hint="the source is another version; point ACCORD_DATA at the right one",
            )


LABELLED = {
    "codex-s": "codex/codex-s/{split}{part}.tsv.gz",
    "codex-m": "codex/codex-m/{split}{part}.tsv.gz",
    "wn11": "triple-classification/wn11/{split}.tsv.gz",
}


def load_labelled(
    name: str, split: str, graph: KnowledgeGraph, folder: Path | None = None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """The true and false triples that a set gives for triple classification.

    Args:
        name: One of `LABELLED`.
        split: "valid" or "test".
        graph: The graph whose idx to use: the set's own or a descendant.
        folder: As in `load_dataset`.

    Returns:
        Triples (N, 3) int32 idx and labels (N,) bool, True = the triple holds; in the source's
        order, for CoDEx all true ones before all false ones.

    Raises:
        DataError: No such set or split, or the graph lacks an entity or relation.
    """
    if name not in LABELLED:
        raise DataError(f"data set {name!r} has no labelled triples", hint=nearest(name, LABELLED))
    if split not in ("valid", "test"):
        raise DataError(f"no labelled triples in split {split!r}", hint="choose valid or test")
    if name == "wn11":
        file = LABELLED[name].format(split="dev" if split == "valid" else split)
        rows = rows_of(file, folder)
        labels = [row[3] == "1" for row in rows]
    else:
        true, false = (
            rows_of(LABELLED[name].format(split=split, part=part), folder)
            for part in ("", "_negatives")
        )
        rows, labels = true + false, [True] * len(true) + [False] * len(false)
    return _indexed(rows, graph), np.array(labels, dtype=np.bool_)


def _indexed(rows: Rows, graph: KnowledgeGraph) -> npt.NDArray[np.int32]:
    """(N, 3) int32 idx of rows of ids."""
    relation = {key: i for i, key in enumerate(graph.relation_ids)}
    triples = np.stack(
        [
            graph.entities([row[0] for row in rows]),
            np.array([relation.get(row[1], -1) for row in rows]),
            graph.entities([row[2] for row in rows]),
        ],
        axis=1,
    )
    missing = np.argwhere(triples < 0)
    if len(missing):
        row, column = (int(x) for x in missing[0])
        raise DataError(
            f"graph {graph.name!r} has no {rows[row][column]!r}, which a labelled triple mentions",
            hint="use the graph of the same data set",
        )
    return triples.astype(np.int32)
