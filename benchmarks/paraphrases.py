"""How often `accord ask` follows the right path on geography, by ranking.

Two sets of questions. Those that `accord synthesize` words use the very words by which plans are
compared, so the ranking by words is right there by construction; the paraphrases, written by hand
for this file, are the test. Right means: exactly the gold answers, whole set.

    python benchmarks/paraphrases.py --count 200 --rankings words
    python benchmarks/paraphrases.py --count 200 --rankings words plan embedding likelihood both

The planner learns from synthesised questions alone (other ones than those asked), so paraphrases
reach it through the model's embedding table only.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator

from accord.decode.confidence import Confidence, fit_confidence
from accord.decode.guided import Guide, read_off
from accord.decode.planner import PlannerWeights
from accord.decode.planner_training import PlannerConfig
from accord.decode.plans import Known, Plans
from accord.decode.retrieve import RetrieveConfig
from accord.evaluate.asking import learn_planner
from accord.graph.graph import KnowledgeGraph
from accord.graph.load import load_graph
from accord.synthesis.questions import QuestionConfig, generate_questions
from accord.text.render import entity_name

# pattern (relation ids, ~ inverse, a property last) -> ways to ask it; half of it in other words.
PARAPHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "country/": {
        "capital": ("Name the capital city of {x}.", "Where does the government of {x} sit?"),
        "currency": ("What money do people pay with in {x}?", "Which currency is used in {x}?"),
        "continent": ("{x} belongs to which continent?", "In what part of the world is {x}?"),
        "language": ("What do people speak in {x}?", "Which languages are spoken in {x}?"),
        "neighbour": ("Who are the neighbours of {x}?", "What nations are next to {x}?"),
        "~country": ("List the big cities of {x}.", "Which cities are in {x}?"),
        "population": ("How many people live in {x}?", "How many inhabitants does {x} have?"),
        "area in km²": ("How large is {x}?", "How big is {x} in square kilometres?"),
        "phone code": ("What is the dialling prefix for calls to {x}?", "{x} phone code"),
        "top-level domain": ("What internet domain does {x} have?", "Websites of {x} end in what?"),
        "capital > population": ("How many people live in the capital of {x}?",),
        "capital > time_zone": ("In what time zone is {x}'s capital?",),
        "neighbour > capital": ("What are the capitals of the countries around {x}?",),
        "neighbour > currency": ("Which money is used in countries bordering {x}?",),
        "neighbour > language": ("Which languages do the neighbours of {x} speak?",),
        "currency > ~currency": ("Which other countries pay with the same money as {x}?",),
        "continent > ~continent": ("Which other countries lie on the same continent as {x}?",),
    },
    "city": {
        "country": ("Where is {x}?", "{x} lies in which country?"),
        "time_zone": ("What is the local time zone in {x}?",),
        "population": ("How many inhabitants does {x} have?",),
        "country > currency": ("What money do I need in {x}?",),
        "country > language": ("What language do they speak in {x}?",),
        "country > continent": ("On which continent is {x}?",),
    },
}
UNANSWERABLE = (
    "Who is the president of {x}?", "When was {x} founded?", "What do people eat in {x}?",
    "What is the highest mountain of {x}?", "Which football club comes from {x}?",
    "How is the weather in {x}?",
)  # fmt: skip
Item = tuple[str, frozenset[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="questions of each set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="smollm2-135m-q4")
    parser.add_argument("--rankings", nargs="+", default=["words"])
    options = parser.parse_args()
    graph = load_graph("geography")
    sets = {
        "synthesised": synthesised(graph, options.count, options.seed),
        "paraphrased": paraphrased(graph, options.count, options.seed),
        "unanswerable": unanswerable(graph, options.count // 4, options.seed),
    }
    model = None
    if not set(options.rankings) <= {"words", "plan"}:
        from accord.model.saving import load_model

        model = load_model(options.model)
    for ranking in options.rankings:
        planner = planned(graph, options) if ranking == "plan" else None
        config = RetrieveConfig(ranking)
        measure(Guide(graph, model, config, Confidence(threshold=0), planner), ranking, sets)


def planned(graph: KnowledgeGraph, options: argparse.Namespace) -> PlannerWeights:
    """A planner that has seen synthesised questions only, and the model's embedding table."""
    from accord.decode.likeness import word_vectors
    from accord.model.saving import load_model

    config = QuestionConfig(hops=(1, 2), intersections=0.0, attributes=0.3, seed=options.seed + 1)
    made = list(generate_questions(graph, 800, config))
    learning = PlannerConfig(hops=2, seed=options.seed)
    return learn_planner(graph, made, learning, word_vectors(load_model(options.model)))


def measure(guide: Guide, ranking: str, sets: dict[str, list[Item]]) -> None:
    """Prints one JSON line a set, and the confidence that the answers would teach."""
    found, right = [], []
    for name, items in sets.items():
        fine, start = [], time.perf_counter()
        for question, gold in items:
            retrieved = guide.retriever(question)
            answered = guide.answer(retrieved)
            fine.append(frozenset(a.name for a in answered.answers) == gold)
            found.append(retrieved)
        seconds = (time.perf_counter() - start) / max(1, len(items))
        right += fine
        share = sum(fine) / max(1, len(fine))
        row = {"ranking": ranking, "set": name, "n": len(items), "accuracy": share}
        print(json.dumps({**row, "seconds": seconds}), flush=True)
    half = fit_confidence(found[::2], right[::2], precision=0.9)
    kept = [
        fine for r, fine in zip(found[1::2], right[1::2], strict=True) if half(r) >= half.threshold
    ]
    row = {"ranking": ranking, "fitted": vars(half), "answered": len(kept)}
    row |= {"of": len(right[1::2]), "precision": sum(kept) / max(1, len(kept))}
    print(json.dumps(row), flush=True)


def synthesised(graph: KnowledgeGraph, count: int, seed: int) -> list[Item]:
    """Questions of one and two hops in the words of `accord synthesize`; no intersections."""
    config = QuestionConfig(hops=(1, 2), intersections=0.0, attributes=0.3, seed=seed)
    made = generate_questions(graph, count, config)
    return [(question.question, frozenset(question.answers)) for question in made]


def paraphrased(graph: KnowledgeGraph, count: int, seed: int) -> list[Item]:
    """Questions in other words, each wording as often as the others."""
    plans, rng = Plans(graph), random.Random(seed)
    forms = [
        (kind, pattern, form)
        for kind, patterns in PARAPHRASES.items()
        for pattern, wordings in patterns.items()
        for form in wordings
    ]
    rng.shuffle(forms)
    found: list[Item] = []
    turn = 0
    while len(found) < count:
        kind, pattern, form = forms[turn % len(forms)]
        turn += 1
        entity = rng.choice(_entities(graph, kind))
        for known in _plans(plans, entity):
            if _pattern(graph, known) == pattern:
                gold = frozenset(a.name for a in read_off(plans, known.plan, 1.0)[0])
                found.append((form.format(x=entity_name(graph, entity)), gold))
                break
    return found


def unanswerable(graph: KnowledgeGraph, count: int, seed: int) -> list[Item]:
    """Questions about countries that the graph has nothing of: no answer is right."""
    rng = random.Random(seed)
    pool = _entities(graph, "country/")
    picked = [rng.choice(pool) for _ in range(count)]
    return [
        (UNANSWERABLE[i % len(UNANSWERABLE)].format(x=entity_name(graph, e)), frozenset(("",)))
        for i, e in enumerate(picked)
    ]


def _entities(graph: KnowledgeGraph, kind: str) -> list[int]:
    if kind == "city":
        return [e for e, said in enumerate(graph.entity_descriptions) if said == "a city"]
    return [e for e, key in enumerate(graph.entity_ids) if key.startswith(kind)]


def _plans(plans: Plans, topic: int) -> Iterator[Known]:
    start = plans.start(topic)
    yield from plans.properties(start)
    for known in plans.after(start):
        yield known
        yield from plans.properties(known)
        yield from plans.after(known)


def _pattern(graph: KnowledgeGraph, known: Known) -> str:
    count, parts = graph.num_relations, []
    for step in known.plan.steps:
        number = step[0]
        parts.append(f"{'~' if number >= count else ''}{graph.relation_ids[number % count]}")
    return " > ".join([*parts, known.plan.attribute] if known.plan.attribute else parts)


if __name__ == "__main__":
    main()
