"""Entity recognition: learning, types that were not looked for, gradients, scores by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from accord.errors import ConfigError
from accord.evaluate.ner import NerResult, lookup, marked, train_names
from accord.objectives.spans import Spans, SpansConfig
from accord.text.corpora import with_types
from accord.text.examples import LabelledSpan, MentionExample, RelationExample
from accord.train.recipe import Recipe
from accord.train.setup import build_objectives
from tests.conftest import build_tiny_graph
from tests.objectives.test_relations_and_linking import kelm_recipe, read_outputs
from tests.train.tiny import one_step, tiny_model


def text_of(text: str, *names: tuple[str, str], kinds: tuple[str, ...] = ()) -> RelationExample:
    """A text whose mentions are given by name and type."""
    spans = tuple(LabelledSpan(text.index(n), text.index(n) + len(n), k) for n, k in names)
    return RelationExample(MentionExample(text, spans, "train", kinds), (), (), ())


PLACES = text_of("Osaka is in Japan.", ("Osaka", "LOC"), ("Japan", "LOC"), kinds=("LOC",))
PEOPLE = text_of("Ann Lee saw Osaka.", ("Ann Lee", "PER"), kinds=("PER",))


def spans_recipe() -> Recipe:
    """The spans objective alone, tiny."""
    tiny = kelm_recipe(spans=SpansConfig(weight=1.0, rows=4, width=16))
    relations, linking = replace(tiny.relations, weight=0.0), replace(tiny.linking, weight=0.0)
    return replace(tiny, relations=relations, linking=linking)


def test_every_parameter_learns_and_types_not_looked_for_do_not_count() -> None:
    recipe = spans_recipe()
    model = tiny_model(recipe)
    ((spans, _),) = build_objectives(recipe, model, build_tiny_graph(), examples=[PLACES, PEOPLE])
    assert isinstance(spans, Spans) and spans.kinds == ("LOC", "PER")
    batch = spans.batch(0)
    first = int(spans.examples[0].text.places.shape[0])
    rows = {True: batch.allowed[:first], False: batch.allowed[first:]}
    assert {tuple(map(bool, row)) for part in rows.values() for row in part.tolist()} == {
        (True, True, True, False, False),
        (True, False, False, True, True),
    }
    _, gradients = one_step(recipe, model, [(spans, 1.0)])
    assert all(float(gradients[f"spans.{k}"].abs().max()) > 0 for k in ("inner", "out"))
    outputs = read_outputs(model, spans.requests(batch))
    optimizer = torch.optim.Adam(list(spans.parameters.values()), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss = spans.loss(outputs, batch)
        loss.value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(loss.value.detach()) < 0.1 and loss.parts["right"] == 1.0


def test_a_file_is_searched_for_all_types_only_where_all_mentions_have_one() -> None:
    bare = [replace(e, mentions=replace(e.mentions, kinds=())) for e in (PLACES, PEOPLE)]
    assert [e.mentions.kinds for e in with_types(bare)] == [("LOC", "PER")] * 2
    untyped = text_of("Oslo", ("Oslo", ""))
    assert with_types([*bare, untyped])[0].mentions.kinds == ()
    assert with_types([PLACES, untyped])[1].mentions.kinds == ()


def test_nothing_to_learn_from_says_so() -> None:
    recipe = spans_recipe()
    bare = text_of("Osaka", ("Osaka", "LOC"))
    with pytest.raises(ConfigError, match="no text whose mentions are all marked") as error:
        build_objectives(recipe, tiny_model(recipe), build_tiny_graph(), examples=[bare])
    assert "--data" in error.value.hint
    with pytest.raises(ConfigError, match="spans: rows=0"):
        SpansConfig(rows=0)


def test_f1_is_exact_in_both_ends_and_type() -> None:
    example = PLACES.mentions
    found = frozenset({(0, "LOC", 5), (12, "PER", 17), (0, "LOC", 8)})
    names = train_names([example])
    baseline = (lookup(replace(example, text="Japan and Osaka"), names),)
    assert baseline[0] == {(0, "LOC", 5), (10, "LOC", 15)}
    result = NerResult("d", "test", (example,), (found,), (marked(example),)).to_dict()
    assert result["n"] == 2 and result["recall"] == 0.5
    assert result["precision"] == pytest.approx(1 / 3)
    assert result["micro_f1"] == pytest.approx(2 / 5)
    assert result["baseline"]["names of train"]["micro_f1"] == 1.0
    assert result["per_type"]["LOC"]["f1"] == pytest.approx(0.5)
