"""Ids as IRIs and back, and the few IRIs that Accord itself uses.

An id that is an IRI stays as it is. Any other becomes `urn:accord:` + percent-encoding, which
never holds a second colon: IRIs such as `urn:accord:graph:valid` cannot be anybody's id.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

PREFIX = "urn:accord:"
BLANK = PREFIX + "genid:"
"""Begins the IRI that stands for a blank node; such an id is kept as it is."""
GRAPH = PREFIX + "graph:"
HELD_OUT = {"valid": GRAPH + "valid", "test": GRAPH + "test"}
"""Named graphs of what is held out. Train is the default graph: half the index entries."""
LOG = GRAPH + "log"
"""Named graph that lists what was done to the store."""
PATCH = PREFIX + "patch:"
"""Begins the named graphs of a patch's delta."""
PROPOSED, ACCEPTED, REJECTED = PREFIX + "proposed:", PREFIX + "accepted:", PREFIX + "rejected:"
"""Begin the named graph of a proposal, by its state."""
TERM = PREFIX + "term:"
CHOSEN_NAME, CHOSEN_DESCRIPTION = PREFIX + "term:name", PREFIX + "term:description"
"""Which text is the entity's, where the same property has others beside it."""
KIND = PREFIX + "term:kind"
"""Literal "entity" or "relation" on ids that nothing else in an RDF file shows to be one."""
PHRASE = PREFIX + "term:phrase"
"""A relation's phrase, where its id is an entity's too and `rdfs:label` would be ambiguous."""
INVERSE = PREFIX + "term:inversePhrase"
"""A relation's phrase read from tail to head."""

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
XSD = "http://www.w3.org/2001/XMLSchema#"
LABEL, ALIAS, COMMENT = RDFS + "label", SKOS + "altLabel", RDFS + "comment"

# RFC 3987 without the finer points: a scheme, then nothing that RDF forbids in an IRI.
_IRI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*:(?:%[0-9A-Fa-f]{2}|[^\x00-\x20<>\"{}|^`\\%\[\]\x7f-\x9f"
    r"\ud800-\uf8ff\ufdd0-\ufdef\ufff0-\uffff\U000e0000-\U0010ffff])+"
)


def to_iri(identifier: str) -> str:
    """The IRI of an id.

    Args:
        identifier: Any string.

    Returns:
        The id itself where it is an absolute IRI, else `urn:accord:` + percent-encoding.

    Example:
        >>> to_iri("cover.v.01"), to_iri("http://example.org/a"), to_iri("a b")
        ('urn:accord:cover.v.01', 'http://example.org/a', 'urn:accord:a%20b')
    """
    if identifier.startswith(BLANK):
        return identifier
    if not identifier.startswith(PREFIX) and _safe(identifier):
        return identifier
    return PREFIX + quote(identifier, safe="", errors="surrogatepass")


def from_iri(iri: str) -> str:
    """The id of an IRI: what `to_iri` was given."""
    if not iri.startswith(PREFIX) or ":" in iri[len(PREFIX) :]:
        return iri
    return unquote(iri[len(PREFIX) :], errors="surrogatepass")


def _safe(identifier: str) -> bool:
    if _IRI.fullmatch(identifier) is None:
        return False
    # Authorities have rules of their own (ports, brackets); anything doubtful is encoded.
    rest = identifier.partition(":")[2]
    return not rest.startswith("//") or _AUTHORITY.match(rest) is not None


_AUTHORITY = re.compile(r"//(?:[^/?#@:]*@)?[^/?#@:]*(?::\d*)?(?=[/?#]|$)")
