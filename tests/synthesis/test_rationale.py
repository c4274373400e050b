"""Writing rationales: limits, counts, cache, local model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from accord.errors import ConfigError
from accord.graph.builder import GraphBuilder
from accord.synthesis import rationale_check as rc
from accord.synthesis.local_writer import LocalWriter
from accord.synthesis.rationale import (
    TOO_LONG,
    RationaleConfig,
    Tally,
    write_rationales,
)
from accord.synthesis.rationale_cache import FILE, RationaleCache
from accord.synthesis.writers import Draft, Task
from accord.text.questions import Hop, Question
from tests.synthesis.rationale_graphs import BOLIVIA, CHILE, asked, build_map, hop

MAP = build_map()


class Recording:
    """A writer that says the facts and counts how often it is asked; it may stop or fail."""

    name, block = "recorder", 2

    def __init__(self, settings: str = "a", stop_after: int = 99) -> None:
        self.settings, self.stop_after, self.asked = settings, stop_after, 0

    def write(self, tasks: Sequence[Task]) -> Iterator[Draft]:
        for task in tasks:
            if self.asked == self.stop_after:
                raise KeyboardInterrupt
            self.asked += 1
            yield Draft(" ".join(task.statements))


def one(question: Question, **settings: Any) -> Any:
    (written,) = write_rationales(MAP, [question], RationaleConfig(**settings))
    return written


def test_the_template_groups_what_shares_an_end() -> None:
    both = asked(MAP, CHILE, BOLIVIA)
    assert one(both).text == (
        "Peru shares a border with Chile and Bolivia. Chile has the capital Santiago. Bolivia has "
        "the capital Washington, D.C."
    )
    shared = asked(MAP, (hop("it", "sibling", "lim"),), (hop("it", "sibling", "scl"),))
    assert one(shared).text == "A sibling of It is Lima and Santiago."
    number = asked(MAP, (*CHILE, hop("scl", "population", "6160000")), answers=("6160000",))
    assert one(number).text.endswith("The population of Santiago is 6160000.")


def test_many_answers_stay_within_the_limit_and_whole() -> None:
    builder = GraphBuilder("star")
    builder.relation("borders", "borders", "borders")
    builder.relation("uses", "uses the currency", "is the currency of")
    for i in range(40):
        builder.triple("hub", "borders", f"land {i}")
        builder.triple(f"land {i}", "uses", "coin" if i % 2 else f"coin {i}")
    graph = builder.build()
    paths = tuple((Hop("hub", "borders", f"land {i}"),) for i in range(40))
    question = Question("1", "?", tuple(p[0].tail for p in paths), (), (), paths)
    (six,) = write_rationales(graph, [replace(question, paths=paths[:6])])
    assert len(six.text.split()) <= 20 and six.left_out == 0
    (many,) = write_rationales(graph, [question], RationaleConfig(max_words=30))
    assert many.question is not None
    assert len(many.text.split()) <= 30 and many.left_out == 40 - len(many.question.paths) > 0
    # Of two ways to an answer the second is left out before another answer is.
    ways = tuple((*p, Hop(p[0].tail, "uses", "coin")) for p in paths[1:20:2])
    other = (*paths[2], Hop("land 2", "uses", "coin 2"))
    double = Question("1", "?", ("coin", "coin 2"), (), (), (*ways, other))
    (short,) = write_rationales(graph, [double], RationaleConfig(max_words=22))
    assert short.question is not None
    assert {p[-1].tail for p in short.question.paths} == {"coin", "coin 2"}


def test_what_cannot_be_said_is_counted_with_its_reason() -> None:
    tally = Tally()
    nowhere = asked(MAP, CHILE, answers=("Lima",))
    unknown = asked(MAP, (hop("pe", "borders", "mars"),), answers=("mars",))
    questions = [asked(MAP, CHILE), Question("2", "?", ("x",)), nowhere, nowhere, unknown]
    for written in write_rationales(MAP, questions):
        tally.add(written)
    found = tally.to_dict()
    assert (found["written"], found["rejected"]) == (1, 4)
    assert found["reasons"] == {rc.UNREACHED: 2, rc.NO_PATH: 1, rc.NOT_IN_GRAPH: 1}
    assert len(found["examples"][rc.UNREACHED]) == 2
    json.dumps(found)
    assert one(nowhere, partial=True).question is not None


def test_repetition_is_no_rationale() -> None:
    class Parrot(Recording):
        def write(self, tasks: Sequence[Task]) -> Iterator[Draft]:
            yield from (Draft(" ".join(task.statements * 9)) for task in tasks)

    config = RationaleConfig(cache=None)
    (written,) = write_rationales(MAP, [asked(MAP, CHILE)], config, Parrot())
    assert (written.question, written.reason) == (None, TOO_LONG)


def test_an_empty_draft_is_rejected() -> None:
    class Mute(Recording):
        def write(self, tasks: Sequence[Task]) -> Iterator[Draft]:
            yield from (Draft(" \n") for _ in tasks)

    config = RationaleConfig(cache=None)
    (written,) = write_rationales(MAP, [asked(MAP, CHILE)], config, Mute())
    assert (written.question, written.reason) == (None, rc.EMPTY)


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    questions = [replace(asked(MAP, CHILE), question=f"Which {i}?") for i in range(5)]
    config = RationaleConfig(cache=str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        list(write_rationales(MAP, questions, config, Recording(stop_after=3)))
    again = Recording()
    whole = list(write_rationales(MAP, questions, config, again))
    assert again.asked == 2
    assert [w.question for w in whole] == [
        w.question for w in write_rationales(MAP, questions, RationaleConfig(cache=None), again)
    ]
    changed = Recording(settings="b")
    list(write_rationales(MAP, questions, config, changed))
    assert changed.asked == 5


def test_the_cache_outlives_a_cut_line(tmp_path: Path) -> None:
    with RationaleCache.open(tmp_path) as cache:
        cache.add("a", "Ä\nb")
        cache.add("b", "lone \ud800")
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes() + b'[]\n\xff\n{"key": "c", "te')
    with RationaleCache.open(tmp_path) as cache:
        assert ("a" in cache, "c" in cache, len(cache)) == (True, False, 2)
        cache.add("d", "after the cut")
    with RationaleCache.open(tmp_path) as cache:
        assert (cache["a"], cache["d"], len(cache)) == ("Ä\nb", "after the cut", 3)


def test_templates_are_not_kept_and_questions_come_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCORD_CACHE", str(tmp_path))
    endless = iter(lambda: asked(MAP, CHILE), None)
    assert len(list(islice(write_rationales(MAP, endless), 300))) == 300
    assert list(tmp_path.iterdir()) == []


def test_a_local_model_writes_and_is_checked(tiny_llama: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = tiny_llama

    class Tiny:
        def generate(
            self, prompts: list[str], max_new_tokens: int = 32, stop: str = ""
        ) -> list[str]:
            replies = []
            for prompt in prompts:
                ids = tokenizer(prompt, return_tensors="pt")["input_ids"][:, -200:]
                out = model.generate(input_ids=ids, max_new_tokens=min(8, max_new_tokens))
                replies.append(tokenizer.decode(out[0, ids.shape[1] :]).split(stop)[0])
            return replies

    config = RationaleConfig(cache=str(tmp_path))
    writer = LocalWriter(Tiny(), "tiny")
    (written,) = write_rationales(MAP, [asked(MAP, CHILE)], config, writer)
    assert written.question is None and written.reason
    assert (tmp_path / FILE).read_text().count("\n") == 1


def test_settings_out_of_range() -> None:
    for wrong in ({"max_words": 0}, {"attempts": 0}, {"parallel": 0}, {"timeout": 0.0}):
        with pytest.raises(ConfigError):
            RationaleConfig(**wrong)
    with pytest.raises(ConfigError, match="local writer"):
        list(write_rationales(MAP, [], RationaleConfig(writer="local")))


def test_an_answer_of_two_chains_is_said_by_both_or_not_at_all() -> None:
    builder = GraphBuilder("operas")
    ends = [f"opera{i}" for i in range(3)]
    for opera in ends:
        builder.triple(opera, "by", "verdi")
        builder.triple(opera, "premiered_in", "milan")
    hops = [
        (Hop(opera, relation, place, True),)
        for opera in ends
        for relation, place in (("by", "verdi"), ("premiered_in", "milan"))
    ]
    question = Question("1", "?", tuple(ends), ("verdi", "milan"), tuple(ends), tuple(hops))
    graph = builder.build()
    for words in range(4, 40):
        config = RationaleConfig(max_words=words, cache=None)
        (written,) = write_rationales(graph, [question], config)
        assert written.question is not None
        said = written.question.paths
        assert len(said) == 1 or len(said) % 2 == 0
