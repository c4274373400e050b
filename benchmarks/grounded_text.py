"""Texts about the triple sets of WebNLG: what is told, what is made up, how near to people's texts.

Every set is a graph of its own. `guided` writes as `accord write` does, subject by subject;
`unguided` has the same facts in its prompt and writes what it likes; `soft` mixes them in as
`accord write --unguided --soft` does; `template` says one plain sentence a triple, without a model;
`people` are the first reference texts, which show what the counts themselves get wrong.

    pip install sacrebleu
    python benchmarks/grounded_text.py --sample 200 --seed 0
    python benchmarks/grounded_text.py --model runs/telling --arms guided unguided

A triple is covered where the names or values of both its ends stand in the text (case, accents, the
grouping of numbers and what stands in brackets aside); whether the relation is said is not judged,
and a date in other words counts as left out. Unsupported is every name and number of a text that no
triple of its set supports (`accord.evaluate.faithfulness`). Texts are kept in --texts, so that a
measurement that was stopped goes on. Writes benchmarks/results/grounded_text.json.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import re
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from accord.decode.facts import Fact, FactConfig
from accord.decode.guided import Citation, attribute_citation, citation_of
from accord.decode.paragraph import Author
from accord.decode.soft import find_soft
from accord.evaluate.faithfulness import Faithfulness, Unsupported
from accord.evaluate.statistics import paired_bootstrap, stratified_sample
from accord.evaluate.tables import table
from accord.graph.builder import GraphBuilder
from accord.graph.dataset_files import local_file
from accord.graph.graph import KnowledgeGraph
from accord.model.saving import load_model
from accord.train.environment import environment

if TYPE_CHECKING:
    from accord.model.knowledge_model import KnowledgeModel

HERE = Path(__file__).resolve().parent
ARMS = ("guided", "unguided", "soft", "template", "people")
WITHOUT_MODEL = ("template", "people")
FACTS = FactConfig(count=64, objects=64)
LITERAL = re.compile(r'"?[-+]?[\d.,:/-]*\d[\d.,:/-]*"?')
"""Numbers and dates; other values in quotation marks are names more often than not."""
WORD = re.compile(r"[^\W_]+(?:[.][0-9]+)?")
Triple = tuple[str, str, str]


@dataclass(frozen=True)
class Item:
    """A set of triples with the texts that people wrote for it."""

    key: str
    category: str
    triples: tuple[Triple, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What a text tells and makes up."""

    covered: int
    """Triples."""
    triples: int
    unsupported: Unsupported


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-q4", help="a run folder or a base model")
    parser.add_argument("--data", default="webnlg_2017_test", help="a file of webnlg, by its name")
    parser.add_argument("--sample", type=int, default=0, help="sets, of all categories; 0 for all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--texts", type=Path, default=Path("runs/benchmark-grounded-text.jsonl"))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "grounded_text.json")
    options = parser.parse_args()
    scores = scorer()
    items = drawn(read_items(webnlg(options.data)), options.sample, options.seed)
    texts = {arm: written(items, arm, options) for arm in options.arms}
    found = {arm: [judged(i, t) for i, t in zip(items, texts[arm], strict=True)] for arm in texts}
    arms = {arm: figures(found[arm]) for arm in texts}
    for arm in texts:
        if arm != "people":
            arms[arm] |= scores(texts[arm], [item.texts for item in items])
    result = {"data": options.data, "n": len(items), "seed": options.seed, "model": options.model}
    result |= {"arms": arms, "gain": gain(found), "environment": environment()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(shown(arms))
    print(json.dumps(result["gain"]))


def webnlg(name: str) -> Path:
    """A file of the data, by its name."""
    path = local_file(f"webnlg/{name}.jsonl.gz", None)
    if path is None:
        raise SystemExit(f"no webnlg/{name}.jsonl.gz below ACCORD_DATA")
    return path


def read_items(path: Path) -> list[Item]:
    """The sets of a file, in its order."""
    found = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            triples = tuple((h, r, t) for h, r, t in row["triples"])
            key = f"{path.name.split('.')[0]}-{number}"
            found.append(Item(key, row["category"], triples, tuple(row["texts"])))
    return found


def drawn(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """A sample in which each category and number of triples keeps its share."""
    kinds = sorted({(item.category, len(item.triples)) for item in items})
    groups = np.array([kinds.index((item.category, len(item.triples))) for item in items])
    return [items[i] for i in stratified_sample(groups, count or None, seed).tolist()]


def graph_of(item: Item) -> KnowledgeGraph:
    """The set as a graph; numbers and dates are literals."""
    builder = GraphBuilder(item.key)
    for head, relation, tail in item.triples:
        builder.entity(head, called(head))
        if LITERAL.fullmatch(tail):
            builder.attribute(head, relation, called(tail))
        else:
            builder.entity(tail, called(tail))
            builder.triple(head, relation, tail)
    return builder.build()


def called(part: str) -> str:
    """An end of a triple as people write it."""
    return " ".join(part.strip('"').replace("_", " ").split()) or part


def license_of(graph: KnowledgeGraph) -> list[Citation]:
    """All that a graph states."""
    rows = enumerate(graph.triples.tolist())
    triples = [citation_of(graph, row, r, h, t) for row, (h, r, t) in rows]
    return [*triples, *(attribute_citation(graph, row) for row in range(len(graph.attributes)))]


def subjects(item: Item, author: Author) -> Iterator[tuple[int, list[Fact]]]:
    """Each head of a set with the facts that are read from it on, so that none is told twice."""
    for head in dict.fromkeys(head for head, _, _ in item.triples):
        entity = author.graph.entity(head)
        facts = [f for f in author.facts(entity) if f.number < author.graph.num_relations]
        if facts:
            yield entity, facts


def written(items: Sequence[Item], arm: str, options: argparse.Namespace) -> list[str]:
    """The texts of an arm; those that are kept already are not written again."""
    model_name = "" if arm in WITHOUT_MODEL else str(options.model)
    kept = {
        row["id"]: row["text"]
        for row in map(json.loads, _lines(options.texts))
        if (row["arm"], row["model"]) == (arm, model_name)
    }
    left = [item for item in items if item.key not in kept]
    model = load_model(options.model) if left and model_name else None
    options.texts.parent.mkdir(parents=True, exist_ok=True)
    with options.texts.open("a", encoding="utf-8") as file:
        for item in left:
            start = time.perf_counter()
            kept[item.key] = text_of(item, arm, model, str(options.model))
            row = {"arm": arm, "model": model_name, "id": item.key, "text": kept[item.key]}
            row["seconds"] = round(time.perf_counter() - start, 3)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
    return [kept[item.key] for item in items]


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.is_file() else []


def text_of(item: Item, arm: str, model: KnowledgeModel | None, name: str) -> str:
    """The text of an arm for one set."""
    graph = graph_of(item)
    if arm == "people":
        return item.texts[0]
    if model is None:
        return " ".join(citation.text for citation in license_of(graph))
    author = Author(graph, model, FACTS)
    told = list(subjects(item, author))
    if arm == "guided":
        said = (s.text for entity, facts in told for s in author.statements(entity, facts))
        return " ".join(said)
    soft = find_soft(name) if arm == "soft" else None
    return " ".join(author.free(told[0][0], [f for _, facts in told for f in facts], soft))


def judged(item: Item, text: str) -> Found:
    """What a text of a set tells and makes up."""
    graph = graph_of(item)
    covered = sum(covers(text, triple) for triple in item.triples)
    return Found(covered, len(item.triples), Faithfulness(graph)(text, license_of(graph)))


def covers(text: str, triple: Triple) -> bool:
    """Whether both ends of a triple stand in a text."""
    said = plain(text)
    return all(any(name in said for name in _forms(part)) for part in (triple[0], triple[2]))


def _forms(part: str) -> set[str]:
    """The ways to write an end of a triple: with and without what stands in brackets."""
    name = called(part)
    forms = {plain(name), plain(re.sub(r"\([^)]*\)", " ", name))}
    return {form for form in forms if form.strip()}


def plain(text: str) -> str:
    """Words and numbers alone, with a space before and behind.

    >>> plain("Köln, 1,200.0 (m)")
    ' koln 1200 m '
    """
    marks = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in marks if not unicodedata.combining(c))
    grouped = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", letters)
    whole = re.sub(r"(?<=\d)\.0+(?!\d)", "", grouped)
    return f" {' '.join(WORD.findall(whole))} "


def figures(found: Sequence[Found]) -> dict[str, Any]:
    """What the texts of an arm tell and make up, over all of them."""
    wrong = sum(f.unsupported.count for f in found)
    names = sum(f.unsupported.named for f in found)
    numbers = sum(f.unsupported.counted for f in found)
    return {
        "coverage": sum(f.covered for f in found) / max(1, sum(f.triples for f in found)),
        "unsupported": wrong / max(1, names + numbers),
        "unsupported_names": sum(len(f.unsupported.entities) for f in found) / max(1, names),
        "unsupported_numbers": sum(len(f.unsupported.numbers) for f in found) / max(1, numbers),
        "texts_with_unsupported": sum(f.unsupported.count > 0 for f in found) / max(1, len(found)),
    }


def gain(found: Mapping[str, Sequence[Found]]) -> dict[str, Any]:
    """Guided less unguided on the same sets, with intervals over them."""
    if not {"guided", "unguided"} <= set(found):
        return {}
    parts: dict[str, Callable[[Found], float]] = {
        "coverage": lambda f: f.covered / f.triples,
        "unsupported": lambda f: f.unsupported.rate,
    }
    both = {
        key: [np.array([part(f) for f in found[arm]]) for arm in ("unguided", "guided")]
        for key, part in parts.items()
    }
    return {key: asdict(paired_bootstrap(*pair)) for key, pair in both.items()}


Scores = Callable[[Sequence[str], Sequence[Sequence[str]]], dict[str, Any]]


def scorer() -> Scores:
    """chrF and BLEU of texts against all texts that people wrote, by sacrebleu."""
    try:
        sacrebleu: Any = importlib.import_module("sacrebleu")
    except ImportError as error:
        raise SystemExit("this needs sacrebleu: pip install sacrebleu") from error

    def scores(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Any]:
        most = max(map(len, references))
        columns = [[r[i] if i < len(r) else None for r in references] for i in range(most)]
        chrf, bleu = sacrebleu.CHRF(), sacrebleu.BLEU()
        found = {"chrf": chrf.corpus_score(texts, columns).score}
        found |= {"bleu": bleu.corpus_score(texts, columns).score}
        return {**found, "signatures": [str(chrf.get_signature()), str(bleu.get_signature())]}

    return scores


def shown(arms: Mapping[str, Mapping[str, Any]]) -> str:
    """The arms as a table."""
    names = ("coverage", "unsupported", "texts_with_unsupported", "chrf", "bleu")
    rows = [[arm, *(found.get(name, "") for name in names)] for arm, found in arms.items()]
    return table(["", *names], rows)


if __name__ == "__main__":
    main()
