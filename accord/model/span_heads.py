"""Trained layers over the states of mentions: relations of pairs, and links to entities."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

TEMPERATURE = 10.0
NIL_START = -2.0


def relation_parameters(
    hidden: int, width: int, relations: int, kinds: int, seed: int
) -> nn.ParameterDict:
    """First weights of the head that reads relations.

    Args:
        hidden: Width of a mention's features.
        width: Width of the layer between.
        relations: R, how many relations.
        kinds: How many types of mentions, the unknown one among them.
        seed: Of the weights.
    """
    draw = torch.Generator().manual_seed(seed)
    scale = hidden**-0.5
    return nn.ParameterDict(
        {
            "head": torch.randn(width, hidden, generator=draw) * scale,
            "tail": torch.randn(width, hidden, generator=draw) * scale,
            "both": torch.randn(width, hidden, generator=draw) * scale,
            "head_kind": torch.zeros(kinds, width),
            "tail_kind": torch.zeros(kinds, width),
            "bias": torch.zeros(width),
            "out": torch.randn(relations + 1, width, generator=draw) * width**-0.5,
            "out_bias": torch.zeros(relations + 1),
        }
    )


def relation_logits(
    parameters: nn.ParameterDict,
    things: torch.Tensor,
    kinds: torch.Tensor,
    pairs: torch.Tensor,
) -> torch.Tensor:
    """What the head says of ordered pairs.

    Args:
        parameters: Of `relation_parameters`.
        things: (T, F) features of things.
        kinds: (T,) int64 type of each.
        pairs: (P, 2) int64 head and tail.

    Returns:
        (P, R + 1) float32; column 0 is the threshold: a relation above it holds.
    """
    known = pair_features(parameters, things, kinds, pairs)
    out: torch.Tensor = known @ parameters["out"].T + parameters["out_bias"]
    return out


def pair_features(
    parameters: nn.ParameterDict,
    things: torch.Tensor,
    kinds: torch.Tensor,
    pairs: torch.Tensor,
) -> torch.Tensor:
    """(P, width) what the head knows of pairs before it tells their relations.

    Arguments as for `relation_logits`.
    """
    first, second = things[pairs[:, 0]], things[pairs[:, 1]]  # (P, F)
    inner = (
        first @ parameters["head"].T
        + second @ parameters["tail"].T
        + (first * second) @ parameters["both"].T
        + parameters["head_kind"][kinds[pairs[:, 0]]]
        + parameters["tail_kind"][kinds[pairs[:, 1]]]
        + parameters["bias"]
    )
    return functional.gelu(inner)


def link_parameters(hidden: int, width: int, seed: int, memory: int = 0) -> nn.ParameterDict:
    """First weights of the head that links: it begins near the name prior.

    Args:
        hidden: Width of a mention's features.
        width: Width of entity embeddings.
        seed: Of the weights.
        memory: Width of the entity memory's vectors; 0 for none. Its gate begins at zero.
    """
    draw = torch.Generator().manual_seed(seed)
    found = {
        "map": torch.randn(width, hidden, generator=draw) * hidden**-0.5,
        "log_scale": torch.tensor(math.log(TEMPERATURE)),
        "prior": torch.tensor(1.0),
        "nil": torch.tensor(NIL_START),
    }
    if memory:
        found["memory_map"] = torch.randn(memory, hidden, generator=draw) * hidden**-0.5
        found["memory_gate"] = torch.tensor(0.0)
    return nn.ParameterDict(found)


def link_logits(
    parameters: nn.ParameterDict,
    mentions: torch.Tensor,
    entities: torch.Tensor,
    candidates: torch.Tensor,
    log_prior: torch.Tensor,
    memory: torch.Tensor | None = None,
) -> torch.Tensor:
    """Scores of each mention's candidates and of NIL.

    Args:
        parameters: Of `link_parameters`.
        mentions: (M, F) features.
        entities: (E', P) unit vectors.
        candidates: (M, C) int64 rows of `entities`; -1 for none.
        log_prior: (M, C) logarithm of the name prior.
        memory: (E', W) the entity memory's vectors, zeros where it has none; None: it is not asked.

    Returns:
        (M, C + 1) float32 logits; column 0 is NIL; -inf where there is no candidate.
    """
    query = functional.normalize(mentions @ parameters["map"].T, dim=-1)  # (M, P)
    vectors = entities[candidates.clamp_min(0)]  # (M, C, P)
    near = (vectors * query[:, None]).sum(-1) * parameters["log_scale"].exp()
    if memory is not None and "memory_gate" in parameters:
        asked = functional.normalize(mentions @ parameters["memory_map"].T, dim=-1)  # (M, W)
        rows = functional.normalize(memory, dim=-1)[candidates.clamp_min(0)]  # (M, C, W)
        near = near + TEMPERATURE * parameters["memory_gate"] * (rows * asked[:, None]).sum(-1)
    scores = near + parameters["prior"] * log_prior
    scores = scores.masked_fill(candidates < 0, -torch.inf)
    nil = parameters["nil"].expand(len(scores), 1)
    return torch.cat([nil, scores], dim=1)


def span_features(states: torch.Tensor, groups: torch.Tensor, count: int) -> torch.Tensor:
    """Features of things: the mean over their mentions of first and last state.

    Args:
        states: (2 S, D) states at the first and last token of each of S mentions in turn.
        groups: (S,) int64 the thing of each mention.
        count: T, how many things.

    Returns:
        (T, 2 D) float32; each mention is normalised to mean 0 and variance 1 first, since hidden
        states share one large direction.
    """
    pairs = states.float().reshape(len(groups), -1)  # (S, 2 D)
    flat = functional.layer_norm(pairs, pairs.shape[-1:])
    sums = flat.new_zeros(count, flat.shape[-1]).index_add(0, groups, flat)
    numbers = torch.bincount(groups, minlength=count).clamp_min(1)
    return sums / numbers[:, None]


def tag_parameters(hidden: int, width: int, kinds: int, seed: int) -> nn.ParameterDict:
    """First weights of the head that tags words.

    Args:
        hidden: Width of a word's features.
        width: Width of the layer between.
        kinds: K, how many types of mentions.
        seed: Of the weights.
    """
    return label_parameters(hidden, width, 1 + 2 * kinds, seed)


def tag_logits(parameters: nn.ParameterDict, words: torch.Tensor) -> torch.Tensor:
    """What the head says of words.

    Args:
        parameters: Of `tag_parameters`.
        words: (W, F) features.

    Returns:
        (W, 1 + 2 K) float32: outside, then begin and inside of each type.
    """
    return label_logits(parameters, words)


def label_parameters(hidden: int, width: int, labels: int, seed: int) -> nn.ParameterDict:
    """First weights of a head that gives every item one of some labels.

    Args:
        hidden: Width of an item's features.
        width: Width of the layer between.
        labels: K, how many labels.
        seed: Of the weights.
    """
    draw = torch.Generator().manual_seed(seed)
    return nn.ParameterDict(
        {
            "inner": torch.randn(width, hidden, generator=draw) * hidden**-0.5,
            "bias": torch.zeros(width),
            "out": torch.randn(labels, width, generator=draw) * width**-0.5,
            "out_bias": torch.zeros(labels),
        }
    )


def label_logits(parameters: nn.ParameterDict, items: torch.Tensor) -> torch.Tensor:
    """(N, F) features of items -> (N, K) float32 logits of their labels."""
    inner = functional.gelu(items @ parameters["inner"].T + parameters["bias"])
    out: torch.Tensor = inner @ parameters["out"].T + parameters["out_bias"]
    return out


def text_features(states: torch.Tensor, count: int) -> torch.Tensor:
    """Features of texts: their states one after the other.

    Args:
        states: (N P, D) states at P places of each text.
        count: N.

    Returns:
        (N, P D) float32, each text's normalised to mean 0 and variance 1, as mentions are.
    """
    flat = states.float().reshape(count, -1)
    return functional.layer_norm(flat, flat.shape[-1:])
