"""Which end of a relation a question asks for, by its word order, and which kind of thing.

'What does the Rhine flow into?' and 'What flows into the Rhine?' have the same words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from accord.decode.plans import Known, Plans
from accord.graph.graph import KnowledgeGraph
from accord.text.asking import INVERTED
from accord.text.function_words import FUNCTION_WORDS
from accord.text.kinds import TYPE_PROPERTIES
from accord.text.phrases import Phrase, base_form, singular
from accord.text.render import entity_name, humanise, relation_text
from accord.text.wording import phrase_of, turned

KIND = re.compile(r"\b(?:which|what)\s+(\w+)", re.IGNORECASE)
LOOKED_AT = 50
"""Answers whose kind is looked up at most."""


def in_order(plans: Plans, question: str, topic: str, every: Sequence[Known]) -> list[Known]:
    """The plans that a question's word order allows.

    Args:
        plans: The plans of the graph.
        question: The question.
        topic: The topic's name as the question has it; empty where it has none.
        every: Plans from that topic.

    Returns:
        Plans; those of one step worded with the topic as subject where the question has it so.
        Where the question asks for the end of a relation that is not known, none with it.
    """
    if not topic:
        return list(every)
    found = [(known, _heard(plans, question, topic, known)) for known in every]
    denied = {r for known, heard in found if heard is None for r in _relations(plans, known)}
    denied -= {
        r for _, heard in found if heard and heard.plan.hops == 1 for r in _relations(plans, heard)
    }
    return [heard for _, heard in found if heard and not denied & _relations(plans, heard)]


def _relations(plans: Plans, known: Known) -> set[int]:
    count = plans.graph.num_relations
    return {number % count for step in known.plan.steps for number in step}


def _heard(plans: Plans, question: str, topic: str, known: Known) -> Known | None:
    """A plan of one step as the question words it; None where it asks for the other end."""
    plan = known.plan
    if plan.attribute or len(plan.steps) != 1:
        return known
    graph, step = plans.graph, plan.steps[0]
    does = [p for n in step if (p := _verb(graph, n))]
    done = [p for n in step if (p := _verb(graph, turned(graph, n)))]
    if _is_subject(question, topic, does):
        text = next(filter(None, (plans.turned_question(plan.topic, n) for n in step)), "")
        said = replace(known, text=text) if text else known
        return None if done and not does else said
    object_of = any(_governs(phrase, topic, question) for phrase in does)
    itself = any(_governs(phrase, topic, question) for phrase in done)
    return None if object_of and not itself else known


def _is_subject(question: str, topic: str, does: Sequence[Phrase]) -> bool:
    """Whether the topic stands behind a question's auxiliary: 'does X flow', 'was X born'."""
    opening = rf"\s+(the\s+)?{re.escape(topic)}\b"
    if re.search(rf"\b(do|does|did){opening}", question, re.IGNORECASE):
        return True
    for verb, _, rest in (phrase.text.partition(" ") for phrase in does):
        word = rest.partition(" ")[0]
        if word and word not in FUNCTION_WORDS and verb in INVERTED:
            said = rf"\b({'|'.join(INVERTED)}){opening}\s+{re.escape(word)}\b"
            if re.search(said, question, re.IGNORECASE):
                return True
    return False


def _verb(graph: KnowledgeGraph, number: int) -> Phrase | None:
    phrase = phrase_of(graph, number)
    return phrase if phrase is not None and phrase.shape == "verb" else None


def _governs(phrase: Phrase, topic: str, question: str) -> bool:
    """Whether a question has the topic as the object of a verb: 'flow into the Rhine'."""
    verb, _, rest = phrase.text.partition(" ")
    forms = "|".join(re.escape(form) for form in {verb, base_form(verb) or verb})
    said = rf"\b(?:{forms})\s+" + "".join(rf"{re.escape(word)}\s+" for word in rest.split())
    return bool(re.search(rf"{said}(the\s+)?{re.escape(topic)}\b", question, re.IGNORECASE))


def kind_asked(question: str) -> str:
    """The noun behind 'which' or 'what', as it stands there; empty where there is none.

    Example:
        >>> kind_asked("Which rivers flow into the Danube?"), kind_asked("What is it?")
        ('rivers', '')
    """
    found = KIND.search(question)
    return found[1] if found and found[1].casefold() not in FUNCTION_WORDS else ""


def of_kind(graph: KnowledgeGraph, entities: Sequence[int], noun: str) -> bool | None:
    """Whether most entities are what a noun says, by their types, descriptions or names.

    Args:
        graph: The graph.
        entities: Entity idx.
        noun: In the singular or plural.

    Returns:
        None where the graph does not say what any of them is.
    """
    said = [_said_kinds(graph, entity) for entity in entities[:LOOKED_AT]]
    names = [entity_name(graph, entity) for entity in entities[:LOOKED_AT]]
    wanted = singular(noun).casefold()
    right = sum(wanted in _words(" ".join([*s, n])) for s, n in zip(said, names, strict=True))
    if 2 * right >= len(said) > 0:
        return True
    return False if any(said) else None


def _said_kinds(graph: KnowledgeGraph, entity: int) -> list[str]:
    """Texts that say what an entity is."""
    found = [graph.entity_descriptions[entity]]
    for _, relation, tail in graph.outgoing(entity)[:LOOKED_AT].tolist():
        if _typing(graph.relation_ids[relation]) or _typing(relation_text(graph, relation)):
            found.append(entity_name(graph, tail))
    found += [a.value for a in graph.attributes_of(entity) if _typing(a.property)]
    return [text for text in found if text]


def _typing(name: str) -> bool:
    return humanise(name).lower().removeprefix("is an ") in TYPE_PROPERTIES


def _words(text: str) -> set[str]:
    return {singular(word) for word in re.findall(r"\w+", text.casefold())}
