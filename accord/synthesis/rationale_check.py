"""Whether a rationale says what a question's paths say: all of it, and nothing else.

A text is read as a row of statements (`accord.synthesis.rationale_reading`). Each triple of the
paths must be among them, the last of each path must lead to an answer, and what is left over, other
than words that claim nothing, is a claim without support: the check errs on the strict side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby, pairwise

from accord.errors import GraphError
from accord.graph.graph import KnowledgeGraph
from accord.synthesis.facts import Fact, FactReader, fact_sentence
from accord.synthesis.rationale_forms import (
    ANSWERS,
    CONNECTIVES,
    NEGATIONS,
    NUMBER_WORDS,
    Form,
    attribute_forms,
    relation_forms,
)
from accord.synthesis.rationale_reading import Name, Node, Reading, Vocabulary, read
from accord.text.folding import fold, name_key, token_spans
from accord.text.questions import HopPath, Question
from accord.text.render import entity_name

EMPTY, NO_PATH, NOT_IN_GRAPH = "empty", "no path", "path not in the graph"
MISSING, UNREACHED = "a triple is not said", "the answer is not reached"
FOREIGN, NUMBER, NEGATION = "another entity", "a number", "a negation or doubt"
WRONG, OTHER = "a statement that is not on the path", "other words"
_DIGITS = re.compile(r"\d")


@dataclass(frozen=True)
class Check:
    """What the check of one rationale found."""

    ok: bool
    missing: tuple[str, ...] = ()
    """Sentences of the facts that the text does not state."""
    unsupported: tuple[tuple[str, str], ...] = ()
    """(kind, words of the text) of what it claims beyond the paths."""
    reached: bool = False
    """Whether each path ends at an answer and its last step is said."""
    reason: str = ""
    """Why it was rejected, as rejected ones are counted; empty where it was not."""


class RationaleChecker:
    """Checks rationales against one graph; names and forms are looked up once.

    Args:
        graph: The graph that the paths are of.
    """

    def __init__(self, graph: KnowledgeGraph) -> None:
        self.graph = graph
        self.facts = FactReader(graph)
        self._keys: dict[tuple[int, bool], list[str]] = {}
        self._forms: dict[tuple[str, bool], list[Form]] = {}

    def check(self, question: Question, text: str) -> Check:
        """Whether a text is a rationale of the question's paths.

        Args:
            question: The question with its answers and paths.
            text: The rationale.

        Returns:
            What is missing, what is claimed without support, and whether the answer is reached.
        """
        if not text.strip():
            return Check(False, reason=EMPTY)
        if not any(question.paths):
            return Check(False, reason=NO_PATH)
        try:
            paths = [self.facts.path(path) for path in question.paths if path]
        except GraphError:
            return Check(False, reason=NOT_IN_GRAPH)
        words = _Words(text)
        # Aliases are looked at only where the names alone do not explain the text.
        for aliases in (False, True):
            vocabulary = self._vocabulary(question, paths, aliases)
            reading = read(words.folded, vocabulary)
            if not reading.cost and reading.said == vocabulary.facts:
                break
        faults = self._faults(reading, vocabulary, words)
        return self._judge(question, paths, reading, faults)

    def leads_to_answer(self, question: Question, path: HopPath) -> bool:
        """Whether a path's steps join one another and the last one ends at an answer."""
        joined = all(one.end == two.start for one, two in pairwise(path))
        end = path[-1].end
        if not joined or end in question.answer_ids:
            return joined
        node = ("entity" if self.facts.entity(end) >= 0 else "literal", end)
        right = {name_key(answer) for answer in question.answers}
        return any(not right.isdisjoint(self._names(node, also)) for also in (False, True))

    def _judge(
        self,
        question: Question,
        paths: Sequence[Sequence[Fact]],
        reading: Reading,
        faults: tuple[tuple[str, str], ...],
    ) -> Check:
        facts = {fact.key: fact for fact in chain.from_iterable(paths)}
        missing = tuple(
            fact_sentence(self.graph, fact) for k, fact in facts.items() if k not in reading.said
        )
        ends = all(self.leads_to_answer(question, path) for path in question.paths if path)
        reached = ends and all(path[-1].key in reading.said for path in paths)
        reason = faults[0][0] if faults else MISSING if missing else "" if reached else UNREACHED
        return Check(not reason, missing, faults, reached, reason)

    def _vocabulary(
        self, question: Question, paths: Sequence[Sequence[Fact]], aliases: bool
    ) -> Vocabulary:
        facts = list(chain.from_iterable(paths))
        nodes = {node for fact in facts for node in _nodes(fact)}
        answers: set[Node] = {("entity", e) for e in question.answer_ids}
        answers |= {("literal", answer) for answer in question.answers}
        known = sorted(nodes | answers)
        forms = [form for pair in sorted({_relation(f) for f in facts}) for form in self._of(*pair)]
        return Vocabulary(
            _by_first_token((key, node) for node in known for key in self._names(node, aliases)),
            (*forms, *ANSWERS),
            frozenset(fact.key for fact in facts),
            frozenset(answers),
        )

    def _of(self, relation: str, attribute: bool) -> list[Form]:
        found = self._forms.get((relation, attribute))
        if found is None:
            found = (
                attribute_forms(relation)
                if attribute
                else relation_forms(self.graph, self.graph.relation(relation))
            )
            self._forms[relation, attribute] = found
        return found

    def _names(self, node: Node, aliases: bool) -> list[str]:
        kind, value = node
        entity = self.facts.entity(value) if kind == "entity" else -1
        if entity < 0:
            return _literal_keys(value)
        if (entity, aliases) not in self._keys:
            names = [entity_name(self.graph, entity)]
            names += self.graph.aliases_of(entity) if aliases else []
            self._keys[entity, aliases] = list(dict.fromkeys(map(name_key, names)))
        return self._keys[entity, aliases]

    def _faults(
        self, reading: Reading, vocabulary: Vocabulary, words: _Words
    ) -> tuple[tuple[str, str], ...]:
        found = [(WRONG, words.original(*span)) for span in reading.wrong]
        for first, last in _spans(reading.skipped):
            span = self._foreign(words.folded, first, last, vocabulary)
            kind = _kind(words.folded[first:last]) if span is None else FOREIGN
            found.append((kind, words.original(*(span or (first, last)))))
        order = (FOREIGN, NUMBER, NEGATION, WRONG, OTHER)
        return tuple(sorted(found, key=lambda fault: order.index(fault[0])))

    def _foreign(
        self, words: Sequence[str], first: int, last: int, vocabulary: Vocabulary
    ) -> tuple[int, int] | None:
        """The longest name of another entity of the graph that takes in some of these words."""
        best: tuple[int, int] | None = None
        for start in range(max(0, first - self._longest_name + 1), last):
            for name in self._all_names.get(words[start], ()):
                end = start + len(name)
                if end <= first or tuple(words[start:end]) != name:
                    continue
                own = any(name == other for other, _ in vocabulary.names.get(name[0], ()))
                if not own and (best is None or len(name) > best[1] - best[0]):
                    best = start, end
        return best

    @cached_property
    def _all_names(self) -> dict[str, set[tuple[str, ...]]]:
        """Every name and alias of the graph by its first token; built for the first rejected."""
        found: dict[str, set[tuple[str, ...]]] = {}
        for text in chain(self._preferred(), self.graph.aliases):
            name = tuple(name_key(text).split())
            if name and not CONNECTIVES.issuperset(name):
                found.setdefault(name[0], set()).add(name)
        return found

    @cached_property
    def _longest_name(self) -> int:
        return max((len(name) for names in self._all_names.values() for name in names), default=1)

    def _preferred(self) -> Iterator[str]:
        return (entity_name(self.graph, e) for e in range(self.graph.num_entities))


class _Words:
    """A text's folded words, and what they were before."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._fold = fold(text)
        self._spans = token_spans(self._fold.text)
        self.folded = [self._fold.text[start:end] for start, end in self._spans]

    def original(self, first: int, last: int) -> str:
        """The text from one word to before another."""
        start, end = self._spans[first][0], self._spans[last - 1][1]
        return self._text[int(self._fold.starts[start]) : int(self._fold.ends[end - 1])]


def check_rationale(graph: KnowledgeGraph, question: Question, text: str) -> Check:
    """Whether a text is a rationale of a question's paths; see `RationaleChecker` for many.

    Args:
        graph: The graph that the paths are of.
        question: The question with its answers and paths.
        text: The rationale.
    """
    return RationaleChecker(graph).check(question, text)


def _nodes(fact: Fact) -> tuple[Node, Node]:
    tail = "literal" if fact.step is None else "entity"
    return ("entity", fact.hop.head), (tail, fact.hop.tail)


def _relation(fact: Fact) -> tuple[str, bool]:
    return fact.hop.relation, fact.step is None


def _literal_keys(value: str) -> list[str]:
    """A literal as it stands, and a whole number with its thousands marked."""
    marked = [f"{int(value):,}"] if re.fullmatch(r"-?[1-9][0-9]{3,}", value) else []
    return [name_key(text) for text in (value, *marked)]


def _by_first_token(pairs: Iterable[tuple[str, Node]]) -> dict[str, list[Name]]:
    merged: dict[tuple[str, ...], set[Node]] = {}
    for key, node in pairs:
        if key:
            merged.setdefault(tuple(key.split()), set()).add(node)
    found: dict[str, list[Name]] = {}
    for name in sorted(merged, key=len, reverse=True):
        found.setdefault(name[0], []).append((name, frozenset(merged[name])))
    return found


def _spans(skipped: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Tokens that follow one another as (first, last + 1)."""
    for _, group in groupby(enumerate(skipped), key=lambda pair: pair[1] - pair[0]):
        places = [place for _, place in group]
        yield places[0], places[-1] + 1


def _kind(words: Sequence[str]) -> str:
    if any(_DIGITS.search(word) for word in words) or not NUMBER_WORDS.isdisjoint(words):
        return NUMBER
    return OTHER if NEGATIONS.isdisjoint(words) else NEGATION
