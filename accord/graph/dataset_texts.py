"""From the rows of each named data set to a graph with readable texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from accord.graph import dataset_phrases as phrases
from accord.graph.builder import GraphBuilder
from accord.graph.dataset_files import Read
from accord.graph.dataset_upstream import Rows
from accord.graph.graph import SPLITS

Fill = Callable[[GraphBuilder, Read], None]
PARTS_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adjective", "s": "adjective", "r": "adverb"}
UPPER = frozenset(("usa", "uk", "ussr", "dr"))
LOWER = frozenset(("and", "of", "the"))


def add_triples(builder: GraphBuilder, rows: Rows, split: str) -> None:
    """Adds rows of head, relation, tail; further columns are left alone."""
    for row in rows:
        builder.triple(row[0], row[1], row[2], split)


def add_splits(builder: GraphBuilder, read: Read, folder: str, ending: str = ".tsv.gz") -> None:
    """Adds train, valid and test of a folder."""
    for split in SPLITS:
        add_triples(builder, read(f"{folder}/{split}{ending}"), split)


def add_phrases(builder: GraphBuilder, table: phrases.Phrases) -> None:
    """Adds phrases both ways; those of relations that the graph lacks are left out."""
    for relation, (phrase, inverse) in table.items():
        if relation in builder.relations.index:
            builder.relation(relation, phrase, inverse)


def add_names(builder: GraphBuilder, name: Callable[[str], str]) -> None:
    """Names every entity after its id."""
    for entity in list(builder.entities.index):
        builder.entity(entity, name(entity))


def spaced(text: str) -> str:
    """Underscores as spaces, runs of spaces as one."""
    return " ".join(text.replace("_", " ").split())


def titled(text: str) -> str:
    """An underscored name with capitals, as a map would print it."""
    words = [
        word.upper() if word in UPPER else word if word in LOWER else word[:1].upper() + word[1:]
        for word in spaced(text).split(" ")
    ]
    return re.sub(r"-([a-z])", lambda m: "-" + m[1].upper(), " ".join(words))


def small(
    folder: str,
    table: phrases.Phrases,
    name: Callable[[str], str],
    ending: str = ".tsv",
) -> Fill:
    """A set that has ids alone: names from ids, phrases from a table.

    Args:
        folder: Where its three files lie.
        table: id -> (phrase, inverse phrase).
        name: From an entity's id to its name.
        ending: Of the file names.

    Returns:
        What fills a builder.
    """

    def fill(builder: GraphBuilder, read: Read) -> None:
        add_splits(builder, read, folder, ending)
        add_names(builder, name)
        add_phrases(builder, table)

    return fill


def knowledge_base(path: str, table: phrases.Phrases, name: Callable[[str], str]) -> Fill:
    """A graph that comes without a split: all of it is train."""

    def fill(builder: GraphBuilder, read: Read) -> None:
        add_triples(builder, read(path), "train")
        add_names(builder, name)
        add_phrases(builder, table)

    return fill


def umls(builder: GraphBuilder, read: Read) -> None:
    """UMLS: names from ids, descriptions as given but for what extraction left broken."""
    for entity, text in read("small-kg/umls/entity2textlong.tsv"):
        name = spaced(entity)
        builder.entity(entity, name, "" if text.lower() == name else encyclopedic(text))
    for relation, (phrase, inverse) in phrases.UMLS.items():
        builder.relation(relation, phrase, inverse)
    add_splits(builder, read, "small-kg/umls", ".tsv")


def encyclopedic(text: str) -> str:
    """An encyclopedia's opening text without the empty brackets and lost spaces of extraction."""
    text = re.sub(r"\(\s*(?:\(listen\)\s*)?;\s*", "(", text)
    text = re.sub(r"\s*\(\s*\)", "", text)
    return " ".join(re.sub(r"([a-z)])\.([A-Z][a-z])", r"\1. \2", text).split())


def wn18rr(builder: GraphBuilder, read: Read) -> None:
    """WN18RR: first lemma, definition, other lemmas as aliases, part of speech."""
    also = other_senses(read("wn18rr/ambiguous_ids.tsv"))
    for entity, lemma, _, pos, lemmas, gloss in read("wn18rr/entities.tsv.gz")[1:]:
        names = [other for other in spaced(lemmas).split("|") if other != lemma]
        description = definition(gloss)
        for name, meaning in also.get(entity, []):
            description += f"; also ({name}): {meaning}"
            names += [name] if name != lemma else []
        builder.entity(entity, spaced(lemma), description, names)
        builder.attribute(entity, "part of speech", PARTS_OF_SPEECH[pos])
    add_splits(builder, read, "wn18rr")
    add_phrases(builder, phrases.WN18RR)


def definition(gloss: str) -> str:
    """A WordNet gloss without its quoted examples."""
    return re.split(r'\s*[;,:]\s*"', gloss, maxsplit=1)[0].strip()


def other_senses(rows: Rows) -> dict[str, list[tuple[str, str]]]:
    """Name and definition of each further sense of the ids that stand for several."""
    senses: dict[str, list[tuple[str, str]]] = {}
    for entity, sense, _, primary, gloss in rows[1:]:
        if primary == "0":
            name = spaced(sense.rsplit(".", 2)[0])
            senses.setdefault(entity, []).append((name, definition(gloss)))
    return senses


def fb15k237(builder: GraphBuilder, read: Read) -> None:
    """FB15k-237: name, short description then first sentence, aliases, Wikidata id."""
    for entity, name, label, short, sentence, aliases, qid, _ in read("fb15k-237/entities.tsv.gz")[
        1:
    ]:
        others = [a for a in (label, *aliases.split("|")) if a and a != name]
        builder.entity(entity, name, sentences(short, sentence), others)
        if qid:
            builder.attribute(entity, "wikidata_id", qid)
    add_splits(builder, read, "fb15k-237")
    relations = list(builder.relations.index)
    texts = [path_phrases(relation) for relation in relations]
    count = Counter(texts)
    for relation, short_form in zip(relations, texts, strict=True):
        builder.relation(
            relation,
            *(short_form if count[short_form] == 1 else path_phrases(relation, whole=True)),
        )


def sentences(*parts: str) -> str:
    """Texts as sentences one after the other; empty ones are left out."""
    return " ".join(p if p.endswith((".", "!", "?")) else p + "." for p in parts if p)


def path_phrases(relation: str, whole: bool = False) -> tuple[str, str]:
    """A Freebase path as words, and its steps in reverse.

    `/people/person/spouse_s./people/marriage/type_of_union` is a type, its property and, through
    a mediating node, that node's property: "person spouse type of union", "type of union of
    spouse of person".

    Args:
        relation: The path.
        whole: Keep the domains and the mediating node's type, which few relations need.

    Returns:
        Phrase and inverse phrase.
    """
    first, *second = (path.strip("/").split("/") for path in relation.split("./"))
    steps = first if whole else first[-2:]
    steps = [*steps, *(step for path in second for step in (path if whole else path[-1:]))]
    words = [spaced(re.sub(r"_s$|_?50_2$", "", step)) for step in steps]
    words = [word for i, word in enumerate(words) if i == 0 or word != words[i - 1]]
    return " ".join(words), " of ".join(reversed(words))


def codex(size: str) -> Fill:
    """CoDEx: labels where known, relation labels, types as attributes.

    Args:
        size: "s" or "m".

    Returns:
        What fills a builder.
    """

    def fill(builder: GraphBuilder, read: Read) -> None:
        add_splits(builder, read, f"codex/codex-{size}")
        for entity, label, text, *_ in read("codex/entities_partial.tsv")[1:]:
            if entity in builder.entities.index:
                builder.entity(entity, label, text)
        labels = {row[0]: row[1] for row in read("codex/types.tsv.gz")[1:]}
        add_types(builder, read("codex/entity_types.tsv.gz"), labels)
        for relation, label, _ in read("codex/relations.tsv")[1:]:
            if relation in builder.relations.index:
                phrase = label.replace("terroritorial", "territorial")
                inverse = phrases.CODEX_INVERSES.get(relation, f"is the {phrase} of")
                builder.relation(relation, phrase, inverse)

    return fill


def add_types(builder: GraphBuilder, rows: Iterable[list[str]], labels: dict[str, str]) -> None:
    """Types as attributes; they are also the description of an entity that has no label."""
    for entity, types in rows:
        idx = builder.entities.index.get(entity)
        if idx is None:
            continue
        named = [labels[kind] for kind in types.split("|") if labels.get(kind)]
        for label in named:
            builder.attribute(entity, "type", label)
        if idx not in builder.names and idx not in builder.descriptions:
            builder.entity(entity, description=", ".join(named))


def wn11(builder: GraphBuilder, read: Read) -> None:
    """WN11: valid and test are the triples labelled 1; the names are the set's own."""
    folder = "triple-classification/wn11"
    add_triples(builder, read(f"{folder}/train.tsv.gz"), "train")
    for split, file in (("valid", "dev"), ("test", "test")):
        add_triples(builder, [r for r in read(f"{folder}/{file}.tsv.gz") if r[3] == "1"], split)
    for entity, name in read(f"{folder}/entity2text.tsv.gz"):
        builder.entity(entity, name)
    add_phrases(builder, phrases.WN11)


def nell_name(entity: str) -> str:
    """`concept_city_blue_bell` as "blue bell"; numbers lose the n they are written with."""
    words = re.sub(r"^concept[_:][a-z]+[_:]", "", entity)
    return spaced(re.sub(r"\bn(?=\d)", "", words.replace("_", " "))) or entity


def kinship_phrases() -> phrases.Phrases:
    """Kinship's 26 terms, which have no published meaning."""
    return {
        f"term{i}": (f"uses kinship term {i} for", f"is called by kinship term {i} by")
        for i in range(26)
    }
