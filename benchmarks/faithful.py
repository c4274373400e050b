"""Whether what `accord ask` cites is true and enough, and whether it says nothing where it should.

Over three graphs, with questions that `accord synthesize` words (people word theirs otherwise): a
planner learns from a part of them, thresholds from another. Every citation of an answer is looked
up in a set of the graph's statements made for this file. Wrong retrieval is forced by asking each
question of another entity; unanswerable questions come from relations, or topics, taken out.

    python benchmarks/faithful.py --graphs geography umls metaqa --count 4000
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from accord.decode.confidence import Confidence
from accord.decode.guided import Answer, Citation, Guide, read_off
from accord.decode.planner import PlannerWeights
from accord.decode.planner_training import PlannerConfig
from accord.decode.plans import Plan, Plans
from accord.decode.retrieve import RetrieveConfig, Start
from accord.evaluate.abstention import DRAWS, evaluate_abstention, evaluate_gaps
from accord.evaluate.asking import judged, learn_planner
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.synthesis.questions import QuestionConfig, generate_questions
from accord.text.questions import Question

LEARNT, TUNED = 800, 400
Statement = tuple[str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", nargs="+", default=["geography", "umls", "metaqa"])
    parser.add_argument("--count", type=int, default=4000, help="questions asked of each graph")
    parser.add_argument("--silent", type=int, default=300, help="questions of the other parts")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.graphs:
        graph = load_graph(name)
        made = questions(graph, LEARNT + TUNED + options.count, options.seed)
        learnt, tuned = made[:LEARNT], made[LEARNT : LEARNT + TUNED]
        test, seed = made[LEARNT + TUNED :], options.seed
        weights = learn_planner(graph, learnt, PlannerConfig(hops=2, seed=seed))
        untuned = guide_of(graph, weights, Confidence(threshold=0))
        sure = evaluate_gaps(untuned, tuned, 0.3, "", 0.9, seed).confidence
        guide = guide_of(graph, weights, sure)
        print(json.dumps({"graph": name, "confidence": vars(sure)}), flush=True)
        some = test[: options.silent]
        for found in (cited(guide, test), misled(guide, some, seed)):
            print(json.dumps({"graph": name, **found}), flush=True)
        poorer, gone = without_topics(graph, some, 0.5, seed)
        asked = still_right(poorer, some, gone)
        for what, told in {
            "relations": evaluate_gaps(guide, some, 0.3, "", None, seed + DRAWS),
            "entities": evaluate_abstention(guide_of(poorer, weights, sure), asked, "", None, gone),
        }.items():
            row = {"graph": name, "gaps": what, **told.to_dict()}
            print(json.dumps({k: v for k, v in row.items() if k != "confidence"}), flush=True)


def questions(graph: KnowledgeGraph, count: int, seed: int) -> list[Question]:
    """Questions of one and two hops, in a drawn order."""
    share = 0.2 if len(graph.attributes) else 0.0
    config = QuestionConfig((1, 2), 0.0, share, max_answers=20, seed=seed)
    made = list(generate_questions(graph, count, config))
    return [made[i] for i in np.random.default_rng(seed).permutation(len(made)).tolist()]


def guide_of(graph: KnowledgeGraph, weights: PlannerWeights, sure: Confidence) -> Guide:
    """What answers by the planner."""
    return Guide(graph, None, RetrieveConfig("plan"), sure, weights)


def cited(guide: Guide, asked: Sequence[Question]) -> dict[str, object]:
    """Whether citations are true, entail the right answers, and are all that do.

    What entails them is every statement on any walk along the question's own relation path.
    """
    stated, counts = statements(guide.graph), dict.fromkeys(("answers", "citations", "untrue"), 0)
    precision, recall, right = list[float](), list[float](), 0
    for question in asked:
        answered = guide.ask(question.question)
        said = {(c.head, c.relation, c.tail) for c in answered.citations}
        counts["answers"] += len(answered.answers)
        counts["citations"] += len(said)
        counts["untrue"] += len(said - stated)
        names = [(a.id, a.name) for a in answered.answers]
        right += int(judged(question, names).exact)
        if said:
            entailing = {(c.head, c.relation, c.tail) for c in of_gold(guide.plans, question)[1]}
            precision.append(len(said & entailing) / len(said))
            recall.append(len(said & entailing) / len(entailing))
    shares = {"citation precision": mean(precision), "citation recall": mean(recall)}
    return {"questions": len(asked), "answered": len(precision), "right": right, **counts, **shares}


def misled(guide: Guide, asked: Sequence[Question], seed: int) -> dict[str, object]:
    """How often nothing is said where paths are looked for from an entity that is not meant."""
    rng, silent = np.random.default_rng(seed), 0
    for question in asked:
        other = int(rng.integers(guide.graph.num_entities))
        topic = guide.retriever.in_play(other, 1.0)
        wrong = guide.retriever.among(question.question, [Start(guide.plans.start(other), topic)])
        silent += guide.answer(wrong).abstained
    return {"wrong retrieval": len(asked), "silent": silent / max(1, len(asked))}


def without_topics(
    graph: KnowledgeGraph, asked: Sequence[Question], share: float, seed: int
) -> tuple[KnowledgeGraph, list[bool]]:
    """A graph that lacks some questions' topics, and which questions are about them."""
    rng = np.random.default_rng(seed)
    topics = sorted({topic for question in asked for topic in question.topics})
    gone = set(rng.permutation(topics)[: math.ceil(share * len(topics))].tolist())
    ids, relations = list(graph.entity_ids), list(graph.relation_ids)
    builder = GraphBuilder(graph.name)
    for idx, key in enumerate(relations):
        builder.relation(key, graph.relation_phrases[idx], graph.inverse_phrases[idx])
    for idx, key in enumerate(ids):
        if key not in gone:
            builder.entity(key, graph.entity_names[idx], "", graph.aliases_of(idx))
            for stated in graph.attributes_of(idx):
                builder.attribute(key, stated.property, stated.value, stated.datatype)
    for head, relation, tail in graph.triples.tolist():
        if ids[head] not in gone and ids[tail] not in gone:
            builder.triple(ids[head], relations[relation], ids[tail])
    return builder.build(), [bool(gone & set(q.topics)) for q in asked]


def still_right(
    graph: KnowledgeGraph, asked: Sequence[Question], gone: list[bool]
) -> list[Question]:
    """Questions with what their paths still lead to; one without any counts as unanswerable too.

    Args:
        graph: The graph that lacks something.
        asked: Questions with the answers of the whole graph.
        gone: For each whether the graph cannot answer it; what turns out so is marked there.
    """
    plans, found = Plans(graph), list[Question]()
    for number, question in enumerate(asked):
        ends = () if gone[number] else tuple(a.name for a in of_gold(plans, question)[0])
        gone[number] = not ends
        found.append(replace(question, answers=ends, answer_ids=()) if ends else question)
    return found


def of_gold(plans: Plans, question: Question) -> tuple[tuple[Answer, ...], tuple[Citation, ...]]:
    """All that a question's own relation path leads to, with the statements that it walks over.

    Nothing where the graph lacks the topic, a relation or the property.
    """
    graph, hops, steps = plans.graph, question.paths[0], list[tuple[int, ...]]()
    for hop in hops:
        number = graph.relation_ids.find(hop.relation, graph.relation_order)
        if number >= 0:
            steps.append(plans.groups[number + graph.num_relations * hop.inverse])
    last = "" if len(steps) == len(hops) else hops[-1].relation
    topic = graph.entity_ids.find(hops[0].start, graph.entity_order)
    if topic < 0 or len(hops) - len(steps) > 1 or (last and last not in list(graph.properties)):
        return (), ()
    return read_off(plans, Plan(topic, tuple(steps), last), 1.0)


def statements(graph: KnowledgeGraph) -> set[Statement]:
    """All that a graph states, by ids."""
    ids, relations = list(graph.entity_ids), list(graph.relation_ids)
    found = {(ids[h], relations[r], ids[t]) for h, r, t in graph.triples.tolist()}
    for entity in range(graph.num_entities):
        found |= {(ids[entity], a.property, a.value) for a in graph.attributes_of(entity)}
    return found


def mean(values: Sequence[float]) -> float:
    """Their mean; 0 of none."""
    return sum(values) / max(1, len(values))


if __name__ == "__main__":
    main()
