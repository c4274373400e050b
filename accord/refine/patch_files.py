"""A patch as a file: RDF Patch, SPARQL Update, Cypher or a CSV diff.

Every form names the graph that it was made for and ends with a mark, so that a file that was cut
is known as such. All are read back; the Cypher form is for running in Neo4j, and says the exact
statement in a comment behind each command.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyoxigraph import DefaultGraph, Literal, NamedNode, Quad, RdfFormat, Store, parse

from accord.errors import DataError
from accord.graph import iris
from accord.graph.patches import Patch, Statement
from accord.graph.writing import write_file

SUFFIXES = (".rdfp", ".ru", ".cypher", ".csv")
COLUMNS = ("change", "subject", "predicate", "value", "kind", "datatype", "language")
CUT = "the patch is cut: its end mark is missing"
NUMBERS = {iris.XSD + name for name in ("integer", "int", "long", "decimal", "double", "float")}
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_HEADER = re.compile(r"^(?:#|//) (graph|note): (.*)$")
_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*) | <[^<>"{}|^`\\\s]*> | \"{3}(?:[^\\]|\\.)*?\"{3}
    | '{3}(?:[^\\]|\\.)*?'{3} | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | (?P<mark>[{};])""",
    re.VERBOSE | re.DOTALL,
)
_OPERATION = re.compile(
    r"(?P<prologue>(?:\s*(?:PREFIX\s+\S*:|BASE)\s*<[^>]*>)*)\s*(?P<verb>INSERT|DELETE)\s+DATA\s*",
    re.IGNORECASE,
)


def write_patch(patch: Patch, path: str | Path) -> Path:
    """Writes a patch in the form that the suffix tells.

    Args:
        patch: Anything; `patch.graph` should say what it was made for.
        path: `.rdfp` (RDF Patch), `.ru` (SPARQL Update), `.cypher`, or `.csv`.

    Returns:
        The path.

    Raises:
        DataError: An unknown suffix, or no space on the disk.
    """
    target = Path(path)
    form = {".rdfp": _as_rdf_patch, ".ru": _as_sparql, ".cypher": _as_cypher, ".csv": _as_csv}
    lines = form[patch_form(target)](patch)
    with write_file(target) as stream:
        stream.writelines(line.encode() for line in lines)
    return target


def read_patch(path: str | Path) -> Patch:
    """Reads what `write_patch` wrote, or what somebody wrote in the same form.

    Args:
        path: A file with one of `SUFFIXES`.

    Returns:
        The patch.

    Raises:
        DataError: Missing, cut, not valid (with the line), or it names no graph.
    """
    source = Path(path)
    form = {".rdfp": _rdf_patch, ".ru": _sparql, ".cypher": _cypher, ".csv": _csv}
    read = form[patch_form(source)]
    try:
        text = source.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DataError("there is no such patch", source, hint="check the path") from error
    except UnicodeDecodeError as error:
        hint = "convert it to UTF-8, or write it again where it was cut; nothing was changed"
        raise DataError("the patch is not UTF-8", source, hint=hint) from error
    patch = read(text, source)
    if not patch.graph:
        raise DataError(
            "the patch does not say which graph it was made for",
            source,
            hint="write the hash into its head; `accord refine log` shows it",
        )
    return patch


def patch_form(path: Path) -> str:
    """The suffix that tells a patch's form.

    Raises:
        DataError: It is none of `SUFFIXES`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"no form of a patch has the suffix {path.suffix!r}",
            path,
            hint="known: " + " ".join(SUFFIXES),
        )
    return path.suffix.lower()


def _term(text: str) -> str:
    return str(Literal(text))


def _as_rdf_patch(patch: Patch) -> Iterator[str]:
    yield f"H graph {_term(patch.graph)} .\nH note {_term(patch.note)} .\nTX .\n"
    yield from (f"D {statement.line()}\n" for statement in patch.remove)
    yield from (f"A {statement.line()}\n" for statement in patch.add)
    yield "TC .\n"


def _rdf_patch(text: str, path: Path) -> Patch:
    head: dict[str, str] = {}
    changes: dict[str, list[Statement]] = {"A": [], "D": []}
    ended = False
    for number, line in enumerate(text.split("\n"), 1):
        code, _, rest = line.strip().partition(" ")
        if ended and code:
            raise DataError(
                f"{code!r} stands behind the end of the patch", path, number, "one patch a file"
            )
        if code == "H":
            key, _, value = rest.partition(" ")
            # As a statement, so that the parser undoes the escapes.
            head[key] = _statement(f"<urn:x> <urn:x> {value}", path, number).value
        elif code in changes:
            changes[code].append(_statement(rest, path, number))
        elif code == "TC":
            ended = True
        elif code not in ("", "TX") and not code.startswith("#"):
            raise DataError(
                f"{code!r} is no operation of a patch", path, number, "use H, TX, A, D and TC"
            )
    if not ended:
        raise DataError(CUT, path, hint="write it again; nothing was changed")
    return _patch(changes["A"], changes["D"], head)


def _as_sparql(patch: Patch) -> Iterator[str]:
    yield from _comments(patch, "#")
    for verb, side in (("DELETE", patch.remove), ("INSERT", patch.add)):
        yield f"{verb} DATA {{\n"
        yield from (f"  {statement.line()}\n" for statement in side)
        yield "} ;\n"
    yield "# end\n"


def _sparql(text: str, path: Path) -> Patch:
    _ended(text, "# end", path)
    sides: dict[str, list[Statement]] = {"INSERT": [], "DELETE": []}
    prologue = ""
    for line, head, body in _operations(text, path):
        found = _OPERATION.fullmatch(head)
        if found is None:
            raise DataError(
                f"{head.strip()[:60]!r} is not INSERT DATA or DELETE DATA",
                path,
                line,
                "a patch states what it changes, triple by triple",
            )
        prologue += " ".join(found["prologue"].split()) + " "
        sides[found["verb"].upper()].extend(_data(prologue, body, line, path))
    return _patch(sides["INSERT"], sides["DELETE"], _head(text))


def _operations(text: str, path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, what stands before the brace, what stands within) of each operation."""
    plain = _TOKEN.sub(lambda m: " " * len(m[0]) if m["comment"] else m[0], text)
    start, opened, depth = 0, 0, 0
    for found in _TOKEN.finditer(plain):
        mark = found["mark"]
        if mark == "{":
            depth += 1
            opened = found.end() if depth == 1 else opened
        elif mark == "}":
            depth -= 1
            if depth == 0:
                line = text.count("\n", 0, opened) + 1
                yield line, plain[start : opened - 1], plain[opened : found.start()]
                start = found.end()
        elif mark == ";" and depth == 0 and not plain[start : found.start()].strip():
            start = found.end()
        if depth < 0:
            break
    if depth or plain[start:].strip():
        line = text.count("\n", 0, start) + 1
        raise DataError(
            "an operation is not complete, or something else stands here",
            path,
            line,
            "nothing was changed; use INSERT DATA { ... } and DELETE DATA { ... }",
        )


def _data(prologue: str, body: str, line: int, path: Path) -> list[Statement]:
    """The triples of one block, by the parser of the store itself."""
    store = Store()
    try:
        # The line breaks make the parser's line numbers those of the file.
        store.update(f"{prologue}{chr(10) * (line - 1)}INSERT DATA {{{body}}}")
    except SyntaxError as error:
        # The parser says "error at LINE:COLUMN: ...".
        found = re.search(r" at (\d+):", error.msg)
        where = int(found[1]) if found else line
        raise DataError(f"not valid SPARQL: {error.msg}", path, where) from error
    return [_ground(quad, path, line) for quad in store]


def _ground(quad: Quad, path: Path, line: int) -> Statement:
    subject, predicate, value, graph = quad
    if type(graph) is not DefaultGraph:
        raise DataError(
            f"the patch names the graph {graph}", path, line, "a patch changes what is asserted"
        )
    if type(subject) is not NamedNode or type(value) not in (NamedNode, Literal):
        raise DataError(
            f"{subject} {predicate} {value} is about something without an id",
            path,
            line,
            "blank nodes and statements about statements have no place in a patch",
        )
    return Statement.of(quad)


def _statement(line: str, path: Path, number: int) -> Statement:
    """One line of N-Triples."""
    try:
        quads = list(parse(line.encode(), format=RdfFormat.N_TRIPLES))
    except SyntaxError as error:
        hint = "mend the line, or write a cut patch again; nothing was changed"
        raise DataError(f"not a valid triple: {error.msg}", path, number, hint) from error
    if len(quads) != 1:
        raise DataError("a triple was expected here", path, number, "one triple a line")
    return _ground(quads[0], path, number)


def _comments(patch: Patch, mark: str) -> Iterator[str]:
    note = " ".join(patch.note.split())
    yield f"{mark} accord patch 1\n{mark} graph: {patch.graph}\n{mark} note: {note}\n"


def _head(text: str) -> dict[str, str]:
    found = (_HEADER.match(line) for line in text.split("\n"))
    return {match[1]: match[2].strip() for match in found if match}


def _ended(text: str, mark: str, path: Path) -> None:
    if text.rstrip().rpartition("\n")[2] != mark:
        raise DataError(CUT, path, hint=f"a patch ends with {mark!r}; nothing was changed")


def _patch(add: Iterable[Statement], remove: Iterable[Statement], head: dict[str, str]) -> Patch:
    return Patch(tuple(add), tuple(remove), head.get("note", ""), head.get("graph", ""))


def _as_cypher(patch: Patch) -> Iterator[str]:
    yield from _comments(patch, "//")
    yield from (f"{_removal(s)} // D {s.line()}\n" for s in patch.remove)
    yield from (f"{_addition(s)} // A {s.line()}\n" for s in patch.add)
    yield "// end\n"


def _addition(statement: Statement) -> str:
    head, name = _text(statement.subject), _quoted(statement.predicate)
    if statement.literal:
        return f"MERGE (h:Entity {{id: {head}}}) SET h.{name} = {_value(statement)};"
    tail = f"(t:Entity {{id: {_text(statement.value)}}})"
    return f"MERGE (h:Entity {{id: {head}}}) MERGE {tail} MERGE (h)-[:{name}]->(t);"


def _removal(statement: Statement) -> str:
    head, name = _text(statement.subject), _quoted(statement.predicate)
    if statement.literal:
        same = f"h.{name} = {_value(statement)}"
        return f"MATCH (h:Entity {{id: {head}}}) WHERE {same} REMOVE h.{name};"
    tail = f"(:Entity {{id: {_text(statement.value)}}})"
    return f"MATCH (:Entity {{id: {head}}})-[r:{name}]->{tail} DELETE r;"


def _text(text: str) -> str:
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "'" + "".join(escapes.get(letter, letter) for letter in text) + "'"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``").replace("\n", " ").replace("\r", " ") + "`"


def _value(statement: Statement) -> str:
    number = statement.datatype in NUMBERS and _NUMBER.fullmatch(statement.value)
    return statement.value if number else _text(statement.value)


def _cypher(text: str, path: Path) -> Patch:
    _ended(text, "// end", path)
    changes: dict[str, list[Statement]] = {"A": [], "D": []}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("//"):
            continue
        for code, command in (("A", _addition), ("D", _removal)):
            before, mark, triple = line.partition(f"; // {code} ")
            if mark:
                statement = _statement(triple, path, number)
                if command(statement) == before + ";":
                    changes[code].append(statement)
                    break
        else:
            raise DataError(
                "the command and the statement behind it do not say the same",
                path,
                number,
                "edit another form of the patch: " + ", ".join(SUFFIXES),
            )
    return _patch(changes["A"], changes["D"], _head(text))


def _as_csv(patch: Patch) -> Iterator[str]:
    sink = io.StringIO(newline="")
    # Only what is in the line's end is quoted: with "\n" alone a lone "\r" would break the row.
    writer = csv.writer(sink, lineterminator="\r\n")
    rows: list[tuple[str, ...]] = [COLUMNS, ("graph", patch.graph), ("note", patch.note)]
    for change, side in (("remove", patch.remove), ("add", patch.add)):
        for s in side:
            typed = ("literal", s.datatype, s.language) if s.literal else ("entity", "", "")
            rows.append((change, s.subject, s.predicate, s.value, *typed))
    writer.writerows((*row, *[""] * (len(COLUMNS) - len(row))) for row in [*rows, ("end",)])
    yield sink.getvalue()


def _csv(text: str, path: Path) -> Patch:
    reader = csv.reader(io.StringIO(text, newline=""))
    head: dict[str, str] = {}
    changes: dict[str, list[Statement]] = {"add": [], "remove": []}
    last = ""
    for row in reader:
        if not any(row) or tuple(row) == COLUMNS:  # spreadsheets leave rows of separators
            continue
        last = row[0]
        if last in ("graph", "note") and len(row) > 1:
            head[last] = row[1]
        elif last in changes and len(row) == len(COLUMNS) and row[4] in ("entity", "literal"):
            changes[last].append(_of_row(row))
        elif last != "end":
            raise DataError(
                f"not a row of a patch: {','.join(row)[:80]!r}",
                path,
                reader.line_num,
                f"columns: {', '.join(COLUMNS)}; change is add or remove, kind entity or literal",
            )
    if last != "end":
        raise DataError(CUT, path, hint="the last row says `end`; nothing was changed")
    return _patch(changes["add"], changes["remove"], head)


def _of_row(row: list[str]) -> Statement:
    _, subject, predicate, value, kind, datatype, language = row
    if kind == "entity":
        return Statement(subject, predicate, value)
    return Statement(subject, predicate, value, True, datatype or iris.XSD + "string", language)
