"""The picture of `accord graph info --plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from accord.errors import ConfigError
from accord.graph.graph import SPLITS, KnowledgeGraph
from accord.graph.info import TOP_RELATIONS, degrees
from accord.graph.writing import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2b6cb0", "#dd8452", "#8172b3")
SUFFIXES = (".png", ".svg", ".pdf")


def check_suffix(path: Path) -> None:
    """Raises before any work is done.

    Raises:
        ConfigError: Not a picture that can be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"cannot plot to {path}", f"end its name with {' or '.join(SUFFIXES)}")


def save(graph: KnowledgeGraph, info: dict[str, Any], path: Path) -> None:
    """Draws a graph into a file.

    Args:
        graph: The graph.
        info: What `accord.graph.info.describe` found.
        path: PNG, SVG or PDF file.
    """
    check_suffix(path)
    with write_file(path) as stream:
        draw(graph, info).savefig(stream, format=path.suffix[1:].lower(), dpi=150)


def draw(graph: KnowledgeGraph, info: dict[str, Any]) -> Figure:
    """Draws four panels.

    Args:
        graph: The graph.
        info: What `accord.graph.info.describe` found.

    Returns:
        A figure that belongs to no window.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    figure.suptitle(
        f"{info['name']}: {info['entities']:,} entities, {info['relations']:,} relations, "
        f"{sum(info['triples'].values()):,} triples, {info['attributes']:,} attributes"
    )
    _degree_panel(axes[0, 0], graph)
    _relation_panel(axes[0, 1], info)
    _cardinality_panel(axes[1, 0], info)
    _text_panel(axes[1, 1], info)
    return figure


def _degree_panel(axes: Axes, graph: KnowledgeGraph) -> None:
    values, counts = np.unique(degrees(graph), return_counts=True)
    # Complementary cumulative counts show a heavy tail without the noise of rare degrees.
    above = counts[::-1].cumsum()[::-1]
    shown = values > 0
    axes.loglog(values[shown], above[shown], ".-", color=COLOURS[0], markersize=4)
    axes.set(
        title="Degrees", xlabel="triples an entity is in", ylabel="entities with at least so many"
    )
    axes.grid(alpha=0.3, which="both", linewidth=0.5)


def _relation_panel(axes: Axes, info: dict[str, Any]) -> None:
    rows = info["relation_list"][:TOP_RELATIONS]
    names = [_short(row["phrase"] or row["id"]) for row in rows]
    places = np.arange(len(rows))
    left = np.zeros(len(rows))
    for split, colour in zip(SPLITS, COLOURS, strict=True):
        width = np.array([row[split] for row in rows])
        if width.any():
            axes.barh(places, width, left=left, color=colour, label=split)
        left += width
    axes.set_yticks(places, names, fontsize=7)
    axes.invert_yaxis()
    more = f" ({len(rows)} of {info['relations']})" if len(rows) < info["relations"] else ""
    axes.set(title=f"Relations{more}", xlabel="triples")
    if rows:
        axes.legend(fontsize=8, loc="lower right")


def _short(text: str) -> str:
    return text if len(text) <= 36 else "…" + text[-35:]


def _cardinality_panel(axes: Axes, info: dict[str, Any]) -> None:
    kinds = ("1-1", "1-n", "n-1", "n-n")
    relations = [info["cardinality"].get(kind, 0) for kind in kinds]
    triples = [
        sum(row["train"] for row in info["relation_list"] if row["cardinality"] == kind)
        for kind in kinds
    ]
    for offset, values, label, colour in (
        (-0.2, relations, "of relations", COLOURS[0]),
        (0.2, triples, "of train triples", COLOURS[1]),
    ):
        shares = np.array(values) / max(sum(values), 1)
        bars = axes.bar(np.arange(4) + offset, shares, 0.4, label=label, color=colour)
        axes.bar_label(bars, [f"{value:,}" for value in values], fontsize=8)
    axes.set_xticks(range(4), kinds)
    axes.set(title="Cardinality (heads - tails)", ylabel="share", ylim=(0, 1.1))
    axes.legend(fontsize=8)


def _text_panel(axes: Axes, info: dict[str, Any]) -> None:
    leak = info["inverse_leak"]["test"]
    test = max(info["triples"]["test"], 1)
    bars = {
        "entities with text": info["with_text_share"],
        "entities with description": info["with_description"] / max(info["entities"], 1),
        "relations with phrase": 1 - info["relations_without_phrase"] / max(info["relations"], 1),
        "test triples with unseen entity": info["unseen"].get("test", 0) / test,
        "test triples reversed in train": leak["share"],
    }
    colours = [COLOURS[0]] * 3 + [COLOURS[1]] * 2
    drawn = axes.barh(list(bars), list(bars.values()), color=colours)
    axes.bar_label(drawn, [f"{share:.1%}" for share in bars.values()], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.set(title="Texts and leaks", xlim=(0, 1.15), xlabel="share")
