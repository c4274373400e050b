"""Public sources of the named data sets, each in its own format, turned into one form of rows.

Written against the formats that the sources document or show; the downloads themselves are
checked by the triples they give (`dataset_files.tsv` has a hash of each file's triples).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from accord.errors import DataError

Rows = list[list[str]]
Contents = list[bytes]
TAGS = {"NN": "n", "VB": "v", "JJ": "a", "RB": "r"}


def split_rows(content: bytes, path: str | Path) -> Rows:
    """Bytes of a TSV file, gzipped or not, as rows of columns.

    Raises:
        DataError: The gzip stream is cut or the text is not UTF-8.
    """
    try:
        raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        lines = raw.decode("utf-8").split("\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({error})", path, hint="fetch the file again") from error
    return [line.rstrip("\r").split("\t") for line in lines if line]


def triples_hash(rows: Rows) -> str:
    """sha256 of the distinct rows in byte order: the same in any order of lines."""
    lines = sorted({"\t".join(row).encode("utf-8") for row in rows})
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def as_rows(contents: Contents) -> Rows:
    """TSV that has the wanted columns already."""
    return split_rows(contents[0], "download")


def relation_first(contents: Contents) -> Rows:
    """TSV of relation, head, tail."""
    return [[head, relation, tail] for relation, head, tail in as_rows(contents)]


def integer_coded(contents: Contents) -> Rows:
    """Triples, entities and relations as numbers, the way OpenKE keeps them.

    The triples are lines `head tail relation`; the other two files are lines `name<TAB>number`;
    each file begins with its count.
    """
    triples, entities, relations = (split_rows(content, "download")[1:] for content in contents)
    entity = {number.strip(): name for name, number in entities}
    relation = {number.strip(): name for name, number in relations}
    numbers = (" ".join(row).split() for row in triples)
    return [[entity[h], relation[r], entity[t]] for h, t, r in numbers]


def wordnet_definitions(contents: Contents) -> Rows:
    """Lines `id, __lemma_TAG_number, gloss`; there is one lemma, so no aliases."""
    rows: Rows = [["id", "name", "sense", "pos", "lemmas", "gloss"]]
    for entity, coded, gloss in split_rows(contents[0], "download"):
        lemma, tag, number = coded.strip("_").rsplit("_", 2)
        name = lemma.replace("_", " ")
        rows.append([entity, name, f"{lemma}.{TAGS[tag]}.{number}", TAGS[tag], name, gloss])
    return rows


def freebase_texts(contents: Contents) -> Rows:
    """Names, Wikidata entries and first sentences of Freebase entities."""
    names = dict(split_rows(contents[0], "download"))
    wikidata = _json(contents[1])
    sentences = dict(split_rows(contents[2], "download"))
    rows: Rows = [["id", "name", "label", "short", "sentence", "aliases", "wikidata", "wikipedia"]]
    for entity, name in names.items():
        entry = wikidata.get(entity, {})
        sentence = sentences.get(entity, "").partition(" -- ")[2]
        fields = [
            entry.get("label"),
            entry.get("description"),
            sentence.replace("\\n", " ").replace('\\"', '"'),
            "|".join(entry.get("alternatives") or ()),
            entry.get("wikidata_id"),
            entry.get("wikipedia"),
        ]
        rows.append([entity, _cell(name.replace("_", " ")), *(_cell(f) for f in fields)])
    return rows


def labelled_json(contents: Contents) -> Rows:
    """JSON of id -> label and description; a last column for where the label is from."""
    rows: Rows = [["id", "label", "description"]]
    for entity, entry in _json(contents[0]).items():
        rows.append([entity, _cell(entry.get("label")), _cell(entry.get("description"))])
    return rows


def types_json(contents: Contents) -> Rows:
    """JSON of entity -> types."""
    return [[entity, "|".join(types)] for entity, types in _json(contents[0]).items()]


def _json(content: bytes) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads(content)
    return loaded


def _cell(value: str | None) -> str:
    return re.sub(r"\s+", " ", value or "").strip()


FORMATS: dict[str, Callable[[Contents], Rows]] = {
    "rows": as_rows,
    "relation-first": relation_first,
    "integer-coded": integer_coded,
    "wordnet-definitions": wordnet_definitions,
    "freebase-texts": freebase_texts,
    "labelled-json": labelled_json,
    "types-json": types_json,
}
"""By the name that `dataset_files.tsv` gives a file's public form."""
