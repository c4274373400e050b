"""What speaks against a triple of the graph, in words that are checked before they are said.

What a kind of evidence adds to the suspicion is learnt, and may be an average that this triple does
not bear out. So a kind is named only where the triple really differs from what is usual for its
relation, and the words say by how much.
"""

from __future__ import annotations

import numpy as np

from accord.graph.graph import KnowledgeGraph
from accord.refine.flag import Suspicion
from accord.refine.rules import EVIDENCE, PRIOR, Rules
from accord.refine.steps import Float64, Int64
from accord.refine.wording import listed, read, said, step_said
from accord.text.render import entity_name, relation_text

MOST_REASONS = 3
LEAST_SHARE = 0.1
"""Log-odds that a kind of evidence must add to be named."""
NONE = 0.05
"""Support below which there is as good as none."""
MANY = 0.2
"""Usual share of bearing neighbours from which their lack says something."""
FULL = frozenset(("one_tail", "one_head", "missing", "path_lack"))
"""Kinds of which much, and not little, speaks against a triple."""
SAME = {"path_lack": "path", "head_nearest": "head_near", "tail_nearest": "tail_near"}
"""Kinds that say what another one says."""
ARM_WORDS = {
    "structure": "structure embeddings trained without it find it improbable",
    "text": "the text model finds that head and tail do not fit",
}
ROLES = 3
"""Other uses of an entity that are named at most."""


class Doubts:
    """Reasons of flags.

    Args:
        graph: The graph.
        rules: What it teaches.
        found: What its triples were judged by.
    """

    def __init__(self, graph: KnowledgeGraph, rules: Rules, found: Suspicion) -> None:
        self.graph, self.rules, self.found = graph, rules, found
        self._quartiles: dict[int, Float64] = {}

    def of(self, row: int) -> list[str]:
        """What adds most to the suspicion of one triple, first.

        Args:
            row: Of the suspicion's triples.

        Returns:
            At least one sentence.
        """
        reasons = self._by_rules(row)
        breaches, arms = self.found.breaches, self.found.arms
        if breaches is not None and row in breaches.messages:
            reasons.insert(0, breaches.messages[row])
        reasons += [words for arm, words in ARM_WORDS.items() if arm in arms and arms[arm][row] > 0]
        return reasons or ["several weak signs together speak against it"]

    def _by_rules(self, row: int) -> list[str]:
        shares, named = self.found.shares[row], dict[str, str]()
        for column in np.argsort(-shares):
            kind = SAME.get(EVIDENCE[column], EVIDENCE[column])
            if shares[column] < LEAST_SHARE or len(named) == MOST_REASONS:
                break
            if kind not in named and (words := self._words(row, int(column))):
                named[kind] = words
        return list(named.values())

    def _words(self, row: int, column: int) -> str:
        """What one kind of evidence says against a triple; empty where it says nothing."""
        head, relation, tail = (int(x) for x in self.found.triples[row])
        kind, value = EVIDENCE[column], float(self.found.evidence[row, column])
        low, usual, high = self._usual(relation)[:, column].tolist()
        more, less = value > usual and value >= high, value < usual and value <= low
        back = relation + self.graph.num_relations
        if kind.endswith("_use"):
            return self._use(head, relation, tail, kind, value, usual) if more or less else ""
        if not (more if kind in FULL else less):
            return ""
        match kind:
            case "head_role":
                return self._role(head, relation)
            case "tail_role":
                return self._role(tail, back)
            case "one_tail":
                return self._several(head, relation, tail)
            case "one_head":
                return self._several(tail, back, head)
            case "implied":
                names = entity_name(self.graph, head), entity_name(self.graph, tail)
                none = f"nothing else between {names[0]} and {names[1]} supports it"
                return none if value < NONE else ""
            case "missing":
                return self._lacking(head, relation, tail)
            case "path" | "path_lack":
                return self._no_way(row, head, relation, tail)
        near, number, other = (head, relation, tail) if "head" in kind else (tail, back, head)
        return self._analogy(near, number, other, float(np.exp(value)), float(np.exp(usual)))

    def _usual(self, relation: int) -> Float64:
        """(3, F) quartiles of the evidence of a relation's triples."""
        if relation not in self._quartiles:
            own = self.found.evidence[self.found.triples[:, 1] == relation]
            self._quartiles[relation] = np.percentile(own, [25, 50, 75], axis=0)
        return self._quartiles[relation]

    def _use(
        self, head: int, relation: int, tail: int, kind: str, value: float, usual: float
    ) -> str:
        number, other = round(np.expm1(value)), round(np.expm1(usual))
        entity, end = (head, "head") if kind == "head_use" else (tail, "tail")
        name, phrase = entity_name(self.graph, entity), read(self.graph, relation)
        if number == other:
            return ""
        found, often = number or "no", other or "none"
        return f"{name} is the {end} of {found} other {phrase}, where {often} is usual"

    def _role(self, entity: int, number: int) -> str:
        """That an end is used otherwise than such ends are, and how."""
        name, count = entity_name(self.graph, entity), self.graph.num_relations
        end = "tails" if number >= count else "heads"
        others = self._roles(entity, number)
        phrase = read(self.graph, number % count)
        if not others:
            return f"nothing else in the graph uses {name} as other {end} of {phrase} are used"
        return f"{name} is not used like other {end} of {phrase}: it is {listed(others, ROLES)}"

    def _roles(self, entity: int, left_out: int) -> list[str]:
        """Which ends of which other relations an entity is at, the most frequent ones first."""
        numbers, counts = np.unique(self._steps(entity)[0], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        count = self.graph.num_relations
        return [
            f"the {'tail' if number >= count else 'head'} of {read(self.graph, number % count)}"
            for number in numbers[order].tolist()
            if number != left_out
        ]

    def _steps(self, entity: int) -> tuple[Int64, Int64]:
        """Numbers and targets of the steps from an entity."""
        steps = self.rules.steps
        part = slice(int(steps.offsets[entity]), int(steps.offsets[entity + 1]))
        return steps.numbers[part], steps.targets[part]

    def _several(self, entity: int, number: int, target: int) -> str:
        """That an end stands in other triples of a relation in which ends mostly stand once."""
        numbers, targets = self._steps(entity)
        others = targets[(numbers == number) & (targets != target)].tolist()
        if not others:
            return ""
        names = listed([entity_name(self.graph, other) for other in others])
        back, own = number >= self.graph.num_relations, entity_name(self.graph, entity)
        phrase = relation_text(self.graph, number % self.graph.num_relations)
        size = float(self.rules.roles.size[number])
        share = self.rules.single[number] * (size + PRIOR) / size
        also = f"{names} also {phrase} {own}" if back else f"{own} also {phrase} {names}"
        return f"{also}, and {share:.0%} of {'tails' if back else 'heads'} have only one"

    def _lacking(self, head: int, relation: int, tail: int) -> str:
        asked = np.array([[head, relation, tail]], dtype=np.int64)
        _, numbers, sure = self.rules.entailments.lacking(asked)
        if not len(numbers):
            return ""
        best = int(sure.argmax())
        other = step_said(self.graph, head, int(numbers[best]), tail)
        return f"'{other}' goes with it in {sure[best]:.0%} of cases and is not in the graph"

    def _no_way(self, row: int, head: int, relation: int, tail: int) -> str:
        if self.found.evidence[row, EVIDENCE.index("path")] >= NONE:
            return ""
        ends = f"from {entity_name(self.graph, head)} to {entity_name(self.graph, tail)}"
        phrase, way = read(self.graph, relation), self._way(relation)
        return f"no two triples lead {ends} as they do for other {phrase}{way}"

    def _way(self, relation: int) -> str:
        """The pair of steps that bears most triples of a relation out."""
        learnt, count = self.rules.compositions, self.graph.num_relations
        own = np.flatnonzero(learnt.rules % max(1, count) == relation)
        if not len(own):
            return ""
        body = learnt.rules[own] // count
        walked = learnt.walked[np.searchsorted(learnt.bodies, body)]
        best = int(body[(learnt.hits[own] ** 2 / (walked + PRIOR)).argmax()])
        first, second = divmod(best, 2 * count)
        return f" (by {read(self.graph, first)}, then {read(self.graph, second)})"

    def _analogy(self, near: int, number: int, other: int, share: float, usual: float) -> str:
        """That entities which are used alike do not bear a triple out, where they usually do."""
        if share >= NONE or usual < MANY:
            return ""
        count = self.graph.num_relations
        part = "under 1%" if share < 0.01 else f"{share:.0%}"
        like = f"{part} of the entities used like {entity_name(self.graph, near)}"
        far, phrase = entity_name(self.graph, other), relation_text(self.graph, number % count)
        text = f"{far} {phrase} {like}" if number >= count else f"{like} {phrase} {far}"
        return f"{text}, where {usual:.0%} is usual"


def flag_reason(graph: KnowledgeGraph, triple: tuple[int, ...], doubts: list[str]) -> str:
    """The sentence that stands for a flag: the triple and what speaks most against it."""
    return f"{said(graph, *triple)}: {doubts[0]}"
