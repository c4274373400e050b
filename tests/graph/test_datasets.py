"""Named data sets: checked against damage and other versions, with texts fit to read."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from accord.errors import DataError
from accord.graph import dataset_files
from accord.graph.dataset_files import data_files, rows_of, write_rows
from accord.graph.dataset_texts import definition, encyclopedic, nell_name, path_phrases, titled
from accord.graph.dataset_upstream import FORMATS, Rows, split_rows, triples_hash
from accord.graph.datasets import DATASETS, LABELLED, check_counts, load_dataset, load_labelled
from accord.graph.graph import KnowledgeGraph

FROM_FILES = [name for name, spec in DATASETS.items() if spec.build]
NATIONS = [f"small-kg/nations/{split}.tsv" for split in ("train", "valid", "test")]


@pytest.mark.parametrize("name", FROM_FILES)
def test_every_set_loads_with_published_counts_and_readable_phrases(
    accord_data: Path, name: str
) -> None:
    graph = load_dataset(name, accord_data)  # compares the counts itself
    assert graph.meta["licence"] and graph.meta["source"].startswith("https://")
    for table in (graph.relation_phrases, graph.inverse_phrases):
        assert all(table.nonempty()) and not [text for text in table if "_" in text or "/" in text]
    assert len(set(graph.relation_phrases)) == graph.num_relations
    texts = graph.entity_names.nonempty() | graph.entity_descriptions.nonempty()
    assert texts.mean() > 0.95
    assert not [text for text in graph.entity_names if text.strip() != text or "\t" in text]


def test_wn18rr_texts(accord_data: Path) -> None:
    graph = load_dataset("wn18rr", accord_data)
    reform, botany, lecture = (graph.entity(i) for i in ("00260622", "06066555", "00594146"))
    assert graph.entity_names[reform] == "reform"
    assert (
        graph.entity_descriptions[reform]
        == "a change for the better as a result of correcting abuses"
    )
    assert graph.aliases_of(botany) == ["phytology"]
    assert graph.entity_descriptions[lecture] == (
        "the post of lecturer; also (irregular): not occurring at expected times"
    )
    assert graph.aliases_of(lecture) == ["irregular"]
    assert [a.value for a in graph.attributes_of(reform)] == ["noun"]
    hypernym = graph.relation("_hypernym")
    assert graph.relation_phrases[hypernym] == "is a kind of"


def test_fb15k237_texts(accord_data: Path) -> None:
    graph = load_dataset("fb15k-237", accord_data)
    entity = graph.entity("/m/027rn")
    assert graph.entity_names[entity] == "Dominican Republic"
    assert graph.entity_descriptions[entity].startswith(
        "country in the Caribbean. The Dominican Republic is a nation on the island"
    )
    assert [(a.property, a.value) for a in graph.attributes_of(entity)] == [("wikidata_id", "Q786")]
    assert len(set(graph.relation_phrases)) == 237


def test_codex_types_stand_in_for_missing_labels(accord_data: Path) -> None:
    graph = load_dataset("codex-s", accord_data)
    for i in range(graph.num_entities):
        if not graph.entity_names[i]:
            types = [a.value for a in graph.attributes_of(i) if a.property == "type"]
            assert graph.entity_descriptions[i] == ", ".join(types)


def test_umls_texts(accord_data: Path) -> None:
    graph = load_dataset("umls", accord_data)
    virus, cell = graph.entity("virus"), graph.entity("cell")
    assert graph.entity_descriptions[virus].startswith("A virus is a small infectious agent")
    assert "archaea. Since" in graph.entity_descriptions[virus]
    assert graph.entity_descriptions[cell] == ""  # the source has the name alone
    assert graph.inverse_phrases[graph.relation("affects")] == "is affected by"


def test_names_and_phrases_from_codes() -> None:
    assert path_phrases("/people/person/spouse_s./people/marriage/type_of_union") == (
        "person spouse type of union",
        "type of union of spouse of person",
    )
    assert definition('bring forth, "The apple tree bore"; "x"') == "bring forth"
    assert definition("a list: one; two") == "a list: one; two"
    assert (
        encyclopedic("Mammalia (), and (; from x) end.Then") == "Mammalia, and (from x) end. Then"
    )
    assert nell_name("concept_city_blue_bell") == "blue bell"
    assert nell_name("concept_dateliteral_n1990") == "1990"
    assert titled("bosnia_and_herzegovina") == "Bosnia and Herzegovina"
    assert titled("guinea-bissau") == "Guinea-Bissau" and titled("usa") == "USA"


@pytest.mark.parametrize("name", sorted(LABELLED))
@pytest.mark.parametrize("split", ["valid", "test"])
def test_labelled_triples(accord_data: Path, name: str, split: str) -> None:
    graph = load_dataset(name, accord_data)
    triples, labels = load_labelled(name, split, graph, accord_data)
    assert triples.shape == (len(labels), 3) and triples.dtype == np.int32
    assert labels.sum() == len(labels) / 2
    true = {tuple(row) for row in triples[labels].tolist()}
    assert true == {tuple(row) for row in graph.triples_of(split).tolist()}


def test_labelled_triples_refuse_what_they_lack(
    accord_data: Path, tiny_graph: KnowledgeGraph
) -> None:
    with pytest.raises(DataError, match="'umls' has no labelled"):
        load_labelled("umls", "test", tiny_graph, accord_data)
    with pytest.raises(DataError, match="'train'"):
        load_labelled("wn11", "train", tiny_graph, accord_data)
    with pytest.raises(DataError, match="graph 'tiny' has no"):
        load_labelled("wn11", "test", tiny_graph, accord_data)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(DataError, match=r"'ulms'.*\n.*'umls'"):
        load_dataset("ulms")


def test_other_counts_are_refused(tiny_graph: KnowledgeGraph) -> None:
    with pytest.raises(DataError, match="8 train triples, published are 1,592"):
        check_counts(tiny_graph, DATASETS["nations"])


def copy_of_nations(source: Path, target: Path) -> Path:
    for path in NATIONS:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)
    return target


def test_a_damaged_file_is_named_with_both_sums(accord_data: Path, tmp_path: Path) -> None:
    folder = copy_of_nations(accord_data, tmp_path)
    damaged = folder / NATIONS[1]
    damaged.write_bytes(damaged.read_bytes() + b"uk\tembassy\tmars\n")
    with pytest.raises(DataError) as caught:
        load_dataset("nations", folder)
    message = caught.value.message
    assert str(damaged) in message and data_files()[NATIONS[1]].sha256 in message
    assert len(re.findall(r"[0-9a-f]{64}", message)) == 2


def test_a_missing_file_is_named(accord_data: Path, tmp_path: Path) -> None:
    folder = copy_of_nations(accord_data, tmp_path)
    (folder / NATIONS[2]).unlink()
    with pytest.raises(DataError, match=re.escape(NATIONS[2])):
        load_dataset("nations", folder)


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08\x00cut", b"a\tb\t\xff\xfe\n"])
def test_unreadable_bytes_are_an_error(content: bytes) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        split_rows(content, "x.tsv.gz")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    """No mirror, an empty cache, and public sources that are what the test puts in the dict."""
    monkeypatch.delenv("ACCORD_DATA", raising=False)
    monkeypatch.setenv("ACCORD_CACHE", str(tmp_path / "cache"))
    served: dict[str, bytes] = {}

    def fetch(url: str, path: str, hint: str) -> bytes:
        if url not in served:
            raise DataError(f"cannot fetch {url}", path, hint=hint)
        return served.pop(url)

    monkeypatch.setattr(dataset_files, "fetch", fetch)
    return served


def test_downloads_are_kept(accord_data: Path, offline: dict[str, bytes], tmp_path: Path) -> None:
    for path in NATIONS:
        offline[data_files()[path].urls[0]] = (accord_data / path).read_bytes()
    first = load_dataset("nations")
    assert not offline  # each was asked for once; the second time nothing is served any more
    assert load_dataset("nations").hash == first.hash == load_dataset("nations", accord_data).hash
    assert not list((tmp_path / "cache").rglob(".*"))


def test_a_download_of_other_triples_is_refused(
    accord_data: Path, offline: dict[str, bytes], tmp_path: Path
) -> None:
    url = data_files()[NATIONS[0]].urls[0]
    offline[url] = (accord_data / NATIONS[0]).read_bytes() + b"uk\tembassy\tmars\n"
    with pytest.raises(DataError, match="holds other triples"):
        load_dataset("nations")
    assert not (tmp_path / "cache" / "data" / NATIONS[0]).exists()


def test_a_cache_that_cannot_be_written_is_named(
    accord_data: Path, offline: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ACCORD_CACHE", str(tmp_path / "file"))
    offline[data_files()[NATIONS[0]].urls[0]] = (accord_data / NATIONS[0]).read_bytes()
    with pytest.raises(DataError, match=r"cannot be kept.*\n.*ACCORD_CACHE"):
        load_dataset("nations")


def test_a_download_in_another_form_is_refused(offline: dict[str, bytes]) -> None:
    file = data_files()["codex/relations.tsv"]
    offline[file.urls[0]] = b"<html>moved</html>"
    with pytest.raises(DataError, match="not in the expected form"):
        rows_of(file.path, None)


def test_without_source_or_network_the_way_out_is_said(offline: dict[str, bytes]) -> None:
    with pytest.raises(DataError, match=r"cannot fetch.*\n.*ACCORD_DATA"):
        load_dataset("nations")
    with pytest.raises(DataError, match=r"no public source.*\n.*ACCORD_DATA"):
        load_dataset("metaqa")
    assert rows_of("wn18rr/ambiguous_ids.tsv", None) == []


def test_every_file_has_a_public_form_and_address() -> None:
    for file in data_files().values():
        assert len(file.sha256) == 64
        assert (file.form in FORMATS) == bool(file.sources), file.path
        assert all(re.fullmatch(r"https://[\w./@-]+", url) for url in file.urls)


def test_public_forms_give_the_mirrors_rows(accord_data: Path) -> None:
    path = "small-kg/nell-995/valid.tsv.gz"
    rows = split_rows((accord_data / path).read_bytes(), path)
    entities = sorted({cell for row in rows for cell in (row[0], row[2])})
    relations = sorted({row[1] for row in rows})
    coded = [f"{entities.index(h)} {entities.index(t)} {relations.index(r)}" for h, r, t in rows]
    contents = [
        "\n".join([str(len(lines)), *lines]).encode() + b"\n"
        for lines in (
            coded,
            [f"{name}\t{i}" for i, name in enumerate(entities)],
            [f"{name}\t{i}" for i, name in enumerate(relations)],
        )
    ]
    assert FORMATS["integer-coded"](contents) == rows
    assert triples_hash(rows[::-1] + rows[:1]) == data_files()[path].triples_sha256
    swapped = "".join(f"{r}\t{h}\t{t}\n" for h, r, t in rows).encode()
    assert FORMATS["relation-first"]([swapped]) == rows


def test_public_forms_of_texts() -> None:
    wordnet = FORMATS["wordnet-definitions"]([b"00260881\t__land_reform_NN_1\ta reform\n"])
    assert wordnet[1] == [
        "00260881",
        "land reform",
        "land_reform.n.1",
        "n",
        "land reform",
        "a reform",
    ]
    wikidata = {"/m/1": {"label": "L", "description": None, "alternatives": ["A", "B"]}}
    freebase = FORMATS["freebase-texts"](
        [b"/m/1\tThe_Name\n", json.dumps(wikidata).encode(), b"/m/1\tThe Name -- It is.\n"]
    )
    assert freebase[1] == ["/m/1", "The Name", "L", "", "It is.", "A|B", "", ""]
    labels = FORMATS["labelled-json"]([b'{"Q1": {"label": "one", "description": null}}'])
    assert labels[1:] == [["Q1", "one", ""]]
    assert FORMATS["types-json"]([b'{"Q1": ["Q5", "Q6"]}']) == [["Q1", "Q5|Q6"]]


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_rows_come_back_as_written(tmp_path: Path, name: str) -> None:
    rows: Rows = [["é", "", "c"], ["d", "e", ""]]
    write_rows(tmp_path / name, rows)
    assert split_rows((tmp_path / name).read_bytes(), name) == rows
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_document_lists_every_set_with_its_counts() -> None:
    document = Path(__file__).parents[2] / "docs" / "data-sets.md"
    cells = [line.split("|") for line in document.read_text().splitlines() if line[:3] == "| `"]
    listed = {row[1].strip(" `"): [cell.strip() for cell in row[2:5]] for row in cells}
    assert listed == {
        name: [
            " / ".join(f"{count:,}" for count in spec.triples),
            f"{spec.entities:,}",
            str(spec.relations),
        ]
        for name, spec in DATASETS.items()
    }
