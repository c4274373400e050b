"""The sections of the report, each from the groups of runs to HTML text."""

from __future__ import annotations

from html import escape

from accord.evaluate.report_charts import COLOURS, Series, legend, line_chart, smooth
from accord.evaluate.report_page import (
    Column,
    Metric,
    compare,
    details,
    figure,
    grid,
    paragraph,
    plain,
    section,
)
from accord.evaluate.report_parts import Dot, Parts, dots
from accord.evaluate.report_runs import Group, numbers

RANKS = ("realistic", "optimistic", "pessimistic")
SIDES = {"both": "Both directions", "tail": "Predicting the tail", "head": "Predicting the head"}
HIGHER = {"mrr": "MRR", "hits@1": "Hits@1", "hits@3": "Hits@3", "hits@10": "Hits@10"}
RELATIONS = Parts("per_relation", ("both", "mrr"), "queries")
JUDGED = Parts("per_relation", ("accuracy",))
GENERATION = {
    "tail": "Writing the tail",
    "head": "Writing the head",
    "relation": "Choosing the relation",
    "classification": "Judging triples",
}
RETENTION = (
    Metric("Perplexity a word", ("perplexity_word",), 2, -1),
    Metric("Perplexity a token", ("perplexity_token",), 2, -1),
    Metric("KL to the base model (nats a token)", ("kl_to_base",), 4, -1),
    "Geometry of the entity embeddings",
    Metric("Mean cosine of random pairs", ("mean_cosine",), 3, -1),
    Metric("Alignment (distance of true pairs)", ("alignment",), 3, -1),
    Metric("Uniformity", ("uniformity",), 3, -1),
)


def splits(groups: list[Group], kind: str) -> list[str]:
    """The splits on which something was measured; test first."""
    found = {e.split for g in groups for run in g.runs for e in run.evaluations if e.kind == kind}
    return sorted(found, key=lambda s: (s != "test", s))


def kinds(groups: list[Group], name: str) -> list[str]:
    """Kinds of one name that were measured: itself, and with a data set's name behind it."""
    found = {e.kind for group in groups for run in group.runs for e in run.evaluations}
    return sorted(kind for kind in found if kind == name or kind.startswith(f"{name}-"))


def alone(group: Group) -> str:
    """What the only group is called where nothing stands beside it."""
    return "this run" if len(group.runs) == 1 else "mean"


def columns(groups: list[Group], kind: str, split: str) -> list[Column]:
    """Before and after of one measurement: one 'before' if all runs share their base model."""
    bases = {run.base_model for group in groups for run in group.runs}
    befores = [group.evaluations(kind, split, "before") for group in groups]
    afters = [group.evaluations(kind, split, "after") for group in groups]
    before = [result for found in befores for result in found]
    if len(groups) == 1:
        label = "after" if before else alone(groups[0])
        return [Column("before", before, base=True), Column(label, afters[0])]
    if len(bases) == 1 or not before:
        named = [Column(g.label, after) for g, after in zip(groups, afters, strict=True)]
        return [Column("before", before, base=True), *named]
    return [
        Column(f"{group.label}, {model}", found, base=model == "before")
        for group, both in zip(groups, zip(befores, afters, strict=True), strict=True)
        for model, found in zip(("before", "after"), both, strict=True)
    ]


def link_prediction(groups: list[Group]) -> str:
    """Before and after of ranking, by direction and by kind of rank."""
    parts = []
    for split in splits(groups, "link-prediction"):
        models = columns(groups, "link-prediction", split)
        queries = numbers(models[-1].results, ("queries",))
        count = f" ({queries[0]:,.0f} queries)" if queries else ""
        parts.append(f"<h3>{escape(split or 'all')}{count}</h3>")
        metrics: list[Metric | str] = []
        for side, title in SIDES.items():
            metrics += [title, *_rank_metrics((side, "realistic"))]
        metrics.append("Trivial baseline: how often an entity answers the relation in train")
        trivial = ("baseline", "frequency", "both", "realistic")
        metrics += [Metric(name, (*trivial, key), better=0) for key, name in HIGHER.items()]
        parts.append(compare(metrics, models))
        parts.append(details("Ties counted for and against the model", _ties(models)))
        reranked = _rank_metrics(("structure", "both", "realistic"))
        parts.append(details("With structure re-rank, both directions", compare(reranked, models)))
        parts.append(details("With structure embeddings, both directions", _fused(models)))
    text = (
        "For each triple the model is asked for its tail and for its head, and ranks all entities. "
        "Other known answers do not compete. MRR is the mean of 1/rank."
    )
    return section(
        "Finding entities: link prediction", *([paragraph(text)] if parts else []), *parts
    )


def _rank_metrics(path: tuple[str, ...]) -> list[Metric | str]:
    found: list[Metric | str] = [Metric(name, (*path, key)) for key, name in HIGHER.items()]
    return [*found, Metric("Mean rank", (*path, "mr"), 1, -1)]


def _fused(models: list[Column]) -> str:
    metrics: list[Metric | str] = []
    for key, title in (("structure", "Structure alone"), ("fused", "Text and structure")):
        metrics += [title, *_rank_metrics(("fusion", key, "both", "realistic"))]
    return compare(metrics, models)


def _ties(models: list[Column]) -> str:
    metrics: list[Metric | str] = []
    for kind in RANKS:
        metrics += [kind.capitalize(), *_rank_metrics(("both", kind))]
    return compare(metrics, models)


def relations(groups: list[Group]) -> str:
    """Each relation as a pair of dots, and all of them as a table."""
    found = splits(groups, "link-prediction")
    models = columns(groups, "link-prediction", found[0]) if found else []
    caption = "MRR of each relation, both directions; at the right the number of queries"
    chart = dots(RELATIONS.dots(models), models, caption)
    every = details(
        f"All {len(RELATIONS.sizes(models))} relations", RELATIONS.table(models, "queries")
    )
    return section("Relation by relation", chart, every)


def triples(groups: list[Group]) -> str:
    """Before and after of telling true triples from false ones."""
    parts = []
    for split in splits(groups, "triples"):
        models = columns(groups, "triples", split)
        judged = numbers(models[-1].results, ("n",))
        count = f" ({judged[0]:,.0f} triples)" if judged else ""
        parts.append(f"<h3>{escape(split or 'all')}{count}</h3>")
        majority = Metric("Trivial baseline: the majority", ("baseline", "majority"), better=0)
        parts.append(compare([Metric("Accuracy", ("accuracy",)), majority], models))
        parts.append(details("Accuracy of each relation", JUDGED.table(models, "triples")))
    text = "True and false triples are told apart by a threshold for each relation, set on valid."
    return section("Telling true from false", *([paragraph(text)] if any(parts) else []), *parts)


def generation(groups: list[Group]) -> str:
    """Before and after of written answers."""
    parts = []
    for split in splits(groups, "qa"):
        models = columns(groups, "qa", split)
        metrics = _tasks("accuracy", 1)
        metrics += ["Counting any true answer", *_tasks("accuracy_any", 1)]
        metrics += ["Trivial baseline: always the most frequent answer", *_tasks("baseline", 0)]
        told = compare(metrics, models)
        if told:  # else it is about questions of a file
            asked = numbers(models[-1].results, ("tail", "n"))
            count = f" ({asked[0]:,.0f} questions each)" if asked else ""
            rows = [
                Dot(label, (task, "accuracy"), trivial=(task, "baseline"))
                for task, label in GENERATION.items()
            ]
            drawn = dots(rows, models, "Share of answers that are exactly right")
            parts += [f"<h3>{escape(split or 'all')}{count}</h3>", drawn, told]
    text = (
        "The model writes its answer. First only an exact match with the triple's own answer "
        "counts, then any answer that the graph states."
    )
    return section("Writing answers", *([paragraph(text)] if parts else []), *parts)


def _tasks(key: str, better: int) -> list[Metric | str]:
    return [Metric(label, (task, key), better=better) for task, label in GENERATION.items()]


def retention(groups: list[Group]) -> str:
    """What changed on text that is not about the graph."""
    parts = [
        compare(RETENTION, columns(groups, "retention", split))
        for split in splits(groups, "retention")
    ]
    text = "How far the model moved on text that has nothing to do with the graph."
    return section("What it kept", *([paragraph(text)] if any(parts) else []), *parts)


def training(groups: list[Group]) -> str:
    """Validation and losses as curves."""
    valid = _curves(groups, "valid", "seconds", 60)
    charts = [figure(line_chart(valid, "minutes", "Validation", dots=True), "Validation over time")]
    for key in _logged(groups):
        lines = _curves(groups, key, "step", 1)
        charts.append(figure(line_chart(lines, "step", key), key.replace("/", ": ")))
    body = "".join(chart for chart in charts if chart)
    labels = legend([group.label for group in groups[:COLOURS]], 1) if len(groups) > 1 else ""
    return section("How it learned", labels, f'<div class="charts">{body}</div>' if body else "")


def _logged(groups: list[Group]) -> list[str]:
    """What is drawn of the log: losses, then their parts; a part equal to its loss is left out."""
    lines = [line for group in groups for run in group.runs for line in run.metrics]
    keys = list(dict.fromkeys(key for line in lines for key in line if "/" in key))
    losses = [key for key in keys if key.endswith("/loss")]
    same = {
        key
        for key in keys
        for loss in losses
        if key != loss and numbers(lines, (key,)) == numbers(lines, (loss,))
    }
    parts = [key for key in keys if key not in losses and key not in same]
    return ["loss", *losses, *parts]


def _curves(groups: list[Group], key: str, axis: str, unit: float) -> list[Series]:
    found = []
    for index, group in enumerate(groups):
        for run in group.runs:
            pairs = [
                (xs[0] / unit, ys[0])
                for line in run.metrics
                if (xs := numbers([line], (axis,))) and (ys := numbers([line], (key,)))
            ]
            label = f"{group.label}, seed {run.seed}"
            found.append(Series(label, smooth(pairs), index % COLOURS + 1))
    return found


def cost(groups: list[Group]) -> str:
    """Time, memory and tokens."""
    models = [Column(group.label, [run.result for run in group.runs]) for group in groups]
    if len(groups) == 1:
        models = [Column(alone(groups[0]), models[0].results)]
    rows = []
    for label, key, digits in (
        ("Training time (s)", "seconds", 0),
        ("Steps", "steps", 0),
        ("Best step", "best_step", 0),
        ("Best validation", "valid", 3),
        ("Peak memory (GB)", "peak_memory_gb", 2),
        ("Tokens read", "tokens", 0),
        ("Tokens a second", "tokens_per_second", 0),
    ):
        values = [numbers(model.results, (key,)) for model in models]
        if any(values):
            rows.append([label, *(plain(found, digits) for found in values)])
    return section("What it cost", grid(["", *(model.label for model in models)], rows))
