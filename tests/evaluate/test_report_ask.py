"""The drawing of an answer shows each entity once, from the topic on."""

from __future__ import annotations

from accord.evaluate.report_ask import SHOWN, draw


def test_statements_are_drawn_from_the_topic_on() -> None:
    cited = [
        {"head": "France", "relation": "capital", "tail": "Paris"},
        {"head": "Paris", "relation": "population", "tail": "2138551"},
    ]
    drawn = draw("Paris", cited)
    assert drawn.count(">Paris<") == 2 and "2138551" in drawn  # A node and its title.
    assert "← capital" in drawn and "population →" in drawn
    assert draw("Paris", []) == ""


def test_many_answers_and_strange_names_fit() -> None:
    cited = [{"head": "<b>X", "relation": "has", "tail": f"end {i}"} for i in range(SHOWN + 3)]
    drawn = draw("<b>X", cited)
    assert "+3" in drawn and "<b>X" not in drawn and "&lt;b&gt;X" in drawn
    assert f"end {SHOWN}" not in drawn
