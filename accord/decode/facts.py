"""What a graph states about an entity, gathered for writing: one fact a sentence, all cited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from accord.decode.guided import DESCRIPTION, Citation, attribute_citation, holds, read_off
from accord.decode.plans import Plan, Plans
from accord.errors import ConfigError
from accord.graph.graph import KnowledgeGraph
from accord.graph.labels import reading_of
from accord.text.render import entity_name, one_line
from accord.text.wording import is_typing, phrase_of

LONGEST_DESCRIPTION = 120
ARTICLES = ("a ", "an ", "the ")
Kind = Literal["description", "relation", "attribute"]


@dataclass(frozen=True)
class FactConfig:
    """Which facts are told."""

    count: int = 8
    """Facts at most; a relation with all that it leads to is one."""
    objects: int = 6
    """Entities that one fact names at most, the best connected first."""

    def __post_init__(self) -> None:
        if min(self.count, self.objects) < 1:
            raise ConfigError("count and objects count something", "use 1 or more")


@dataclass(frozen=True)
class Fact:
    """What one sentence may say."""

    kind: Kind
    subject: int
    """Entity idx."""
    citations: tuple[Citation, ...]
    """The statements of the graph that it rests on, each looked up."""
    number: int = -1
    """Relation number, from the subject on; -1 where it is no relation."""
    objects: tuple[int, ...] = ()
    """Entity idx that the relation leads to."""
    more: bool = False
    """Whether the relation leads to further entities that are left out."""
    row: int = -1
    """Row of `graph.attributes`; -1 where it is no attribute."""


def select_facts(plans: Plans, entity: int, config: FactConfig | None = None) -> list[Fact]:
    """The facts about an entity that are told, in the order in which they are.

    What it is comes first, then what relations lead to one entity only, then attributes (a third
    of all at most where there are many relations), then lists.

    Args:
        plans: The plans of the graph.
        entity: Entity idx.
        config: How many.

    Returns:
        Facts; none where the graph states nothing.
    """
    config = config or FactConfig()
    graph = plans.graph
    opening = _description(graph, entity)
    steps = [known.plan.steps[0] for known in plans.after(plans.start(entity))]
    relations = [_relation(plans, entity, step, config) for step in steps]
    relations = [fact for fact in relations if fact.citations]
    # What leads to itself is found from either end, and told once.
    first: dict[tuple[Citation, ...], Fact] = {}
    for fact in relations:
        first.setdefault(fact.citations, fact)
    relations = list(first.values())
    # 'Lima is a city in Peru' says what 'Lima is a city' does.
    same = [fact for fact in relations if opening and _repeats(graph, fact, opening[0])][:1]
    opening, relations = same or opening, [fact for fact in relations if fact not in same]
    kinds = [fact for fact in relations if is_typing(graph, fact.number)]
    opening, relations = [*opening, *kinds], [fact for fact in relations if fact not in kinds]
    single = [fact for fact in relations if len(fact.objects) == 1 and not fact.more]
    lists = sorted((f for f in relations if f not in single), key=lambda f: len(f.objects))
    attributes = _attributes(graph, entity)
    room = max(config.count // 3, config.count - len(opening) - len(relations))
    chosen = [*opening, *single, *attributes[:room], *lists]
    return chosen[: config.count]


def license_of(facts: Sequence[Fact]) -> tuple[Citation, ...]:
    """All statements that facts rest on, each once."""
    return tuple(dict.fromkeys(c for fact in facts for c in fact.citations))


def _description(graph: KnowledgeGraph, entity: int) -> list[Fact]:
    """A description that says what the entity is: 'a city'."""
    text = one_line(graph.entity_descriptions[entity])
    if not text.lower().startswith(ARTICLES) or len(text) > LONGEST_DESCRIPTION:
        return []
    name, said = one_line(entity_name(graph, entity)), text.rstrip(".")
    if ". " in said:
        return []
    statement = f"{name} is {said[0].lower()}{said[1:]}."
    stated = Citation(graph.entity_ids[entity], DESCRIPTION, text, True, statement)
    return [Fact("description", entity, (stated,))]


def _repeats(graph: KnowledgeGraph, fact: Fact, opening: Fact) -> bool:
    """Whether a relation's phrase says what an entity is in the words of its description."""
    phrase = phrase_of(graph, fact.number)
    said = opening.citations[0].text.removeprefix(one_line(entity_name(graph, fact.subject)))
    return phrase is not None and f" {phrase.text} ".startswith(f"{said.rstrip('.')} ")


def _relation(plans: Plans, entity: int, step: tuple[int, ...], config: FactConfig) -> Fact:
    graph = plans.graph
    reached = plans.reach(Plan(entity, (step,))).entities.tolist()
    best = sorted(reached, key=lambda e: (-_degree(graph, e), e))[: config.objects]
    number = next((n for n in step if phrase_of(graph, n) is not None), step[0])
    named = {graph.entity_ids[e] for e in best}
    home = graph.entity_ids[entity]
    _, citations = read_off(plans, Plan(entity, (step,)), 1.0)
    kept = [c for c in citations if (c.tail if c.head == home else c.head) in named]
    more = len(best) < len(reached)
    return Fact("relation", entity, tuple(kept), number, tuple(best), more)


def _attributes(graph: KnowledgeGraph, entity: int) -> list[Fact]:
    """One fact for each property; the first value of it. Names and descriptions are none."""
    found: dict[str, Fact] = {}
    texts = reading_of(graph).kinds()
    for row in graph.attribute_rows(entity).tolist():
        stated = attribute_citation(graph, row)
        if stated.relation not in {*found, *texts} and holds(graph, stated):
            found[stated.relation] = Fact("attribute", entity, (stated,), row=row)
    return list(found.values())


def _degree(graph: KnowledgeGraph, entity: int) -> int:
    return len(graph.outgoing(entity)) + len(graph.incoming(entity))
