"""Fusion: nothing at zero, nothing where nothing is mentioned, and the same however it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.errors import ConfigError, GraphError, ModelError
from accord.graph.builder import GraphBuilder
from accord.graph.graph import KnowledgeGraph
from accord.model import load
from accord.model.config import FusionConfig
from accord.model.fusion import Fusion, add_fusion, fused_layers, knowing
from accord.model.gated import GatedAttention, token_positions
from accord.model.knowledge_model import KnowledgeModel
from accord.model.saving import trainable
from accord.text.examples import Sequence
from tests.conftest import build_tiny_graph
from tests.model.families import build_family
from tests.model.fused import (
    MENTIONING,
    SILENT,
    fused_model,
    ids_of,
    tiny_fusion_config,
    tiny_memory,
)

FAMILIES = ("llama", "gpt2", "qwen3")
family = pytest.mark.parametrize("family", FAMILIES)


def fusion_of(model: KnowledgeModel) -> Fusion:
    assert model.fusion is not None
    return model.fusion


def padded(
    model: KnowledgeModel, texts: tuple[str, ...], left: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [ids_of(model, text) for text in texts]
    width = max(map(len, rows))
    ids = torch.zeros((len(rows), width), dtype=torch.int64)
    mask = torch.zeros((len(rows), width), dtype=torch.bool)
    for i, row in enumerate(rows):
        span = slice(width - len(row), width) if left else slice(0, len(row))
        ids[i, span] = torch.tensor(row)
        mask[i, span] = True
    return ids, mask


@torch.no_grad()
def states(model: KnowledgeModel, *texts: str, left: bool = False) -> list[torch.Tensor]:
    """(L, D) of each text, read together with what its tokens see."""
    ids, mask = padded(model, texts, left)
    with knowing(model.lm, [ids_of(model, text) for text in texts]):
        hidden = load.run_all(model.lm, ids, mask)
    return [hidden[i][mask[i]] for i in range(len(texts))]


@torch.no_grad()
def base_states(model: KnowledgeModel, *texts: str, left: bool = False) -> list[torch.Tensor]:
    """The same without knowledge."""
    ids, mask = padded(model, texts, left)
    hidden = load.run_all(model.lm, ids, mask)
    return [hidden[i][mask[i]] for i in range(len(texts))]


@family
@pytest.mark.parametrize("left", [False, True])
def test_a_gate_at_zero_changes_nothing(family: str, left: bool) -> None:
    model = fused_model(family, gate=None)
    for found, base in zip(
        states(model, *MENTIONING, left=left),
        base_states(model, *MENTIONING, left=left),
        strict=True,
    ):
        assert torch.equal(found, base)


@family
def test_an_open_gate_changes_what_mentions_and_only_behind_the_mention(family: str) -> None:
    model = fused_model(family)
    (found, _), (base, _) = states(model, *MENTIONING[:2]), base_states(model, *MENTIONING[:2])
    first = min(s.start for s in fusion_of(model).slots([ids_of(model, MENTIONING[0])])[0])
    assert torch.equal(found[:first], base[:first])
    assert (found[first:] - base[first:]).abs().max(-1).values.min() > 1e-3


WORDS = st.lists(st.sampled_from(["of", "note", "a", "yes", "cat", "."]), min_size=1, max_size=6)


@settings(max_examples=15)
@given(WORDS, st.sampled_from(["llama", "gpt2"]), st.floats(-3, 3), st.booleans())
def test_a_text_that_mentions_nothing_passes_bit_for_bit(
    words: list[str], family: str, gate: float, left: bool
) -> None:
    model = MODELS.setdefault(family, fused_model(family))
    for block in fusion_of(model).blocks.values():
        assert isinstance(block, GatedAttention)
        block.gate.data.fill_(gate)
    text = " ".join(words)
    pair = (text, MENTIONING[0])
    assert torch.equal(states(model, text)[0], base_states(model, text)[0])
    # Also beside a text that mentions entities.
    assert torch.equal(states(model, *pair, left=left)[0], base_states(model, *pair, left=left)[0])


MODELS: dict[str, KnowledgeModel] = {}


@family
@pytest.mark.parametrize("left", [False, True])
def test_batch_mates_and_padding_do_not_matter(family: str, left: bool) -> None:
    model = fused_model(family)
    texts = (*MENTIONING, SILENT, "Japan")
    together = states(model, *texts, left=left)
    for text, found in zip(texts, together, strict=True):
        torch.testing.assert_close(found, states(model, text)[0], atol=3e-5, rtol=1e-4)


@family
@pytest.mark.parametrize("adapter", ["lora", "none"])
def test_gradient_reaches_gates_first_then_all_maps(family: str, adapter: Any) -> None:
    model = fused_model(family, gate=None, adapter=adapter)
    blocks = [b for b in fusion_of(model).blocks.values() if isinstance(b, GatedAttention)]

    def gradients() -> dict[str, float]:
        sequences: list[Sequence] = [(ids_of(model, text),) for text in MENTIONING]
        hidden = model.reader.last_hidden(sequences)
        weight = torch.linspace(-1, 1, hidden.shape[-1])
        model.zero_grad()
        (hidden.float() * weight).sum().backward()  # type: ignore[no-untyped-call]
        named = fusion_of(model).named_parameters()
        return {k: 0.0 if p.grad is None else float(p.grad.abs().max()) for k, p in named}

    first = gradients()
    assert all(value > 0 for name, value in first.items() if name.endswith("gate"))
    assert all(value == 0 for name, value in first.items() if name.endswith("out.weight"))
    for block in blocks:
        block.gate.data.fill_(0.5)
    assert all(value > 0 for value in gradients().values()), gradients()


@family
def test_generation_with_a_cache_is_generation_without(family: str) -> None:
    model = fused_model(family, fusion={"reach": 4})
    prompts = [*MENTIONING, SILENT, "Osaka"]
    written = model.generate(prompts, 8, stop="")
    assert written == [uncached(model, prompt, 8) for prompt in prompts]
    plain = KnowledgeModel(
        build_family(family)[0], model.tokenizer, model.config, model.text, model.device
    )
    base = plain.generate(prompts, 8, stop="")
    assert written[3] == base[3]
    assert written != base


@torch.no_grad()
def uncached(model: KnowledgeModel, prompt: str, count: int) -> str:
    """Greedy writing, all read anew for every token, the prompt's mentions in view."""
    given = ids_of(model, prompt)
    fusion, new = fusion_of(model), list[int]()
    slots = fusion.over([given], [len(given) - 1])
    head = load.output_weights(model.lm)
    for _ in range(count):
        with fusion.reading(slots):
            hidden = load.run_all(model.lm, torch.tensor([[*given, *new]]), None)
        new.append(int(head(hidden[0, -1]).argmax()))
        if new[-1] == model.tokenizer.eos_token_id:
            break
    return str(model.tokenizer.decode(new, skip_special_tokens=True))


def test_scores_of_continuations_see_the_prompt_also_where_its_beginning_is_shared() -> None:
    model = fused_model("llama")
    start = "In the north of Sweden and of Norway there is "
    prompts = [start + end for end in ("Osaka", "Osaka", "nothing", "a Narcissus")]
    after = [" of it", " and", " of it", " more"]
    together = model.score_continuations(prompts, after)
    alone = [model.score_continuations([p], [a])[0] for p, a in zip(prompts, after, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-4)
    model.generate(prompts, 4)
    assert fusion_of(model).same_start([ids_of(model, p) for p in prompts], 5)
    fusion_of(model).detach()
    assert np.abs(model.score_continuations(prompts, after) - together).max() > 1e-3


@pytest.mark.parametrize("beams", [1, 2])
def test_transformers_own_generate_reads_with_knowledge(beams: int) -> None:
    model = fused_model("llama", adapter="none")
    prompts = (MENTIONING[0], MENTIONING[1])
    ids, mask = padded(model, prompts, left=True)
    lm: Any = model.lm
    known = fusion_of(model).over(
        [ids_of(model, p) for p in prompts], [len(ids_of(model, p)) - 1 for p in prompts]
    )
    settings = {"max_new_tokens": 5, "num_beams": beams, "do_sample": False, "pad_token_id": 0}
    with fusion_of(model).reading(known):
        cached = lm.generate(input_ids=ids, attention_mask=mask.long(), **settings)
        plain = lm.generate(input_ids=ids, attention_mask=mask.long(), use_cache=False, **settings)
    assert cached.tolist() == plain.tolist()
    base = lm.generate(input_ids=ids, attention_mask=mask.long(), **settings)
    assert cached.tolist() != base.tolist()


@pytest.mark.parametrize("frozen", [0, 2])
def test_lora_and_frozen_layers_read_alike(frozen: int, tiny_graph: KnowledgeGraph) -> None:
    layers = {"layers": (2, 3), "neighbours": 0}
    model = fused_model("llama", fusion=layers, freeze_layers=frozen)
    assert {k.split(".")[1] for k in trainable(model)} > {"fusion"}
    sequences = [model.texts(tiny_graph).tail(e) for e in range(8)]
    ends = np.array([sum(map(len, s)) - 1 for s in sequences])
    # The last layer is fused: nothing may stand in for it.
    found = model.reader.states_at(sequences, np.arange(8), ends)
    whole = model.reader.last_hidden(sequences)[torch.arange(8), torch.from_numpy(ends)]
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=1e-4)
    with_knowledge = model.embed_entities(tiny_graph)
    fusion_of(model).detach()
    assert np.abs(model.embed_entities(tiny_graph) - with_knowledge)[0].max() > 1e-3


def test_a_text_at_the_cut_of_a_frozen_layer_is_refused() -> None:
    assert fused_layers(FusionConfig(layers=(-1, 2, -2)), 4, 2) == [2, 3]
    with pytest.raises(ConfigError, match=r"layer 1, which model\.freeze_layers=2"):
        fused_layers(FusionConfig(layers=(1, 3)), 4, 2)
    with pytest.raises(ConfigError, match="names layer 4, the model has 4"):
        fused_layers(FusionConfig(layers=(4,)), 4, 0)
    with pytest.raises(ConfigError, match="layer 2, which"):
        fused_model("llama", freeze_layers=3, fusion={"layers": (-2,)})
    for wrong in ({"layers": ()}, {"heads": 3}, {"reach": 0}, {"neighbours": -1}):
        with pytest.raises(ConfigError, match=r"model\.fusion"):
            tiny_fusion_config(**wrong)


def descendant(more: bool) -> KnowledgeGraph:
    """The tiny graph after a patch that adds a city and a triple of Norway's."""
    from accord.graph.graph import Lineage

    first = build_tiny_graph()
    builder = GraphBuilder("tiny")
    for i in range(8):
        builder.entity(first.entity_ids[i], first.entity_names[i], "", first.aliases_of(i))
    for head, relation, tail in first.triples_of("train").tolist():
        ids = first.entity_ids
        builder.triple(ids[head], first.relation_ids[relation], ids[tail])
    builder.triple("norway", "has_city", "bergen")
    line = Lineage(first.hash, (first.hash,), ("patch",)) if more else Lineage()
    import dataclasses

    return dataclasses.replace(builder.build(), lineage=line)


def test_on_a_descendant_old_rows_serve_and_what_is_old_or_missing_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = fused_model("llama", fusion={"neighbours": 0})
    before = states(model, "Osaka it is", "Bergen it is")
    model.attach(descendant(True))
    after = states(model, "Osaka it is", "Bergen it is")
    said = capsys.readouterr().err
    assert "1 entities have no vector, such as bergen" in said
    assert "1 entities have a vector older than the graph, such as norway" in said
    torch.testing.assert_close(after[0], before[0])
    # Mentioned, but without a vector: as if it were not.
    assert torch.equal(after[1], base_states(model, "Osaka it is", "Bergen it is")[1])
    with pytest.raises(GraphError, match="does not descend"):
        model.attach(descendant(False))


def test_texts_of_an_unrelated_graph_are_read_without_fusion(
    capsys: pytest.CaptureFixture[str], tiny_graph: KnowledgeGraph
) -> None:
    model = fused_model("llama", fusion={"neighbours": 0})
    fused = model.embed_entities(tiny_graph)
    other = descendant(False)
    model.embed_entities(other)
    assert "reading without fusion" in capsys.readouterr().err
    assert fusion_of(model).graph_hash is None
    np.testing.assert_array_equal(model.embed_entities(tiny_graph), fused)


def test_wrong_widths_batches_and_tokenizers_are_named() -> None:
    model = fused_model("llama")
    fusion = fusion_of(model)
    lm, tokenizer = build_family("llama")
    other = add_fusion(lm, tiny_fusion_config(), 7)
    with pytest.raises(ModelError, match="width 6, the fusion reads 7"):
        other.attach(build_tiny_graph(), tiny_memory().bind(build_tiny_graph()), tokenizer)

    class Slow:
        is_fast = False

    with pytest.raises(ModelError, match="cannot say"):
        fusion.attach(build_tiny_graph(), tiny_memory().bind(build_tiny_graph()), Slow())
    reading = fusion.over([ids_of(model, t) for t in MENTIONING])
    with fusion.reading(reading), pytest.raises(ModelError, match="batch of 2 texts"):
        load.run_all(model.lm, torch.ones((2, 4), dtype=torch.int64), None)
    plain = KnowledgeModel(
        build_family("llama")[0], model.tokenizer, model.config, model.text, model.device
    )
    with pytest.raises(ModelError, match="no fusion"):
        plain.attach(build_tiny_graph())


def test_attention_is_the_softmax_over_what_is_seen() -> None:
    """Against the formula, slot by slot."""
    model = fused_model("llama", adapter="none")
    fusion = fusion_of(model)
    block = fusion.blocks["1"]
    assert isinstance(block, GatedAttention)
    reading = fusion.over([ids_of(model, MENTIONING[0])])
    assert reading is not None
    length = len(ids_of(model, MENTIONING[0]))
    reading.positions = torch.arange(length)[None]
    hidden = torch.randn((1, length, 16), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        keys, values = block.project(reading.rows)
        found = block(hidden, reading, (keys, values))
        query = block.query(block.norm(hidden[0]))
        for at in range(length):
            slots = [
                0,
                *(
                    j
                    for j in range(1, reading.index.shape[1])
                    if int(reading.starts[0, j]) <= at < int(reading.stops[0, j])
                ),
            ]
            mixed = []
            for head in (slice(0, 4), slice(4, 8)):
                scores = torch.stack(
                    [
                        query[at, head]
                        @ (keys[reading.index[0, j]] + block.kind(reading.kinds[0, j]))[head]
                        / 2
                        + reading.bias[0, j]
                        for j in slots
                    ]
                )
                rows = torch.stack([values[reading.index[0, j]][head] for j in slots])
                mixed.append(torch.softmax(scores, 0) @ rows)
            size = hidden[0, at].abs().mean()
            added = torch.tanh(block.gate) * size * block.out(torch.cat(mixed))
            expected = hidden[0, at] + (added if len(slots) > 1 else 0)
            torch.testing.assert_close(found[0, at], expected, atol=1e-5, rtol=1e-4)


def test_positions_leave_padding_out() -> None:
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    ids = torch.zeros((2, 2), dtype=torch.int64)
    assert token_positions(ids, {"attention_mask": mask}).tolist() == [[0, 1], [2, 3]]
    assert token_positions(ids, {"position_ids": torch.tensor([[5, 6]])}).tolist() == [[5, 6]] * 2
    assert token_positions(ids, {}).tolist() == [[0, 1]] * 2
