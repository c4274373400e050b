"""What a decision is made of: weights of the signs, evidence, options, the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from accord.decode.guided import Citation
from accord.decode.ranking import Float64
from accord.errors import ConfigError

WARNING = (
    "This supports a decision and does not replace one: it knows only what the graph states, "
    "and the graph may be wrong or out of date."
)
FEATURES = ("stated", "rules", "lift", "model", "likelihood")
SHOWN = 3
"""Pieces of evidence that are shown for and against an option."""


@dataclass(frozen=True)
class Calibration:
    """What each sign adds to an option's log-odds, and when there is too little to say.

    Without a fit on questions whose answers are known the probabilities are no more than an order.
    """

    stated: float = 8.0
    """That the graph states the relation asked for."""
    rules: float = 1.0
    """Of the log-odds that the best paths give, or of stated rules."""
    lift: float = 0.5
    """Of how much likelier all paths make it, on average, in logs."""
    model: float = 0.0
    """Of the cosine of the model's embeddings of query and option."""
    likelihood: float = 0.0
    """Of the model's log-probability of the option after the question, a byte."""
    threshold: float = 0.5
    """Nothing is said where the best option's probability is below it."""
    fitted: bool = False
    """Whether the weights come from questions whose answers are known."""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold is {self.threshold}", "use 0 (always decide) to 1")

    @property
    def weights(self) -> Float64:
        """(5,) in the order of `FEATURES`."""
        return np.array([getattr(self, name) for name in FEATURES], dtype=np.float64)

    @property
    def needs_model(self) -> bool:
        """Whether a model is asked at all."""
        return bool(self.model or self.likelihood)


@dataclass(frozen=True)
class Evidence:
    """A path of the graph that speaks for or against an option."""

    text: str
    """The path in words, and what it is worth."""
    weight: float
    """Log-odds; below 0 it speaks against the option."""
    citations: tuple[Citation, ...]


@dataclass(frozen=True)
class Weighed:
    """An option and what was found about it."""

    text: str
    id: str
    """Entity id; empty where the option names no entity."""
    probability: float
    evidence: tuple[Evidence, ...]

    @property
    def supporting(self) -> tuple[Evidence, ...]:
        """What speaks for it, the strongest first."""
        return tuple(sorted((e for e in self.evidence if e.weight > 0), key=lambda e: -e.weight))

    @property
    def opposing(self) -> tuple[Evidence, ...]:
        """What speaks against it, the strongest first."""
        return tuple(sorted((e for e in self.evidence if e.weight < 0), key=lambda e: e.weight))


@dataclass(frozen=True)
class Decision:
    """What `accord decide` says."""

    question: str
    read_as: str
    """The relation that was asked for, or the rules that were given."""
    options: tuple[Weighed, ...]
    """The most probable first."""
    abstained: bool
    reason: str
    calibrated: bool

    @property
    def citations(self) -> tuple[Citation, ...]:
        """All statements of the evidence shown, each once."""
        shown = [e for o in self.options for e in (*o.supporting[:SHOWN], *o.opposing[:SHOWN])]
        return tuple(dict.fromkeys(c for e in shown for c in e.citations))

    def to_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "question": self.question,
            "read_as": self.read_as,
            "options": [
                {
                    "text": o.text,
                    "id": o.id,
                    "probability": o.probability,
                    "for": [asdict(e) for e in o.supporting[:SHOWN]],
                    "against": [asdict(e) for e in o.opposing[:SHOWN]],
                }
                for o in self.options
            ],
            "abstained": self.abstained,
            "reason": self.reason,
            "calibrated": self.calibrated,
            "citations": [asdict(citation) for citation in self.citations],
            "warning": WARNING,
        }

    def to_text(self) -> str:
        """The decision for people."""
        said = f"not enough knowledge: {self.reason}" if self.abstained else self.options[0].text
        lines = [said, "", f"read as: {self.read_as}"] if self.read_as else [said, ""]
        for option in self.options:
            unknown = "" if option.id else "  (no entity of the graph)"
            lines.append(f"  {option.probability:.2f}  {option.text}{unknown}")
            lines += [f"        for: {e.text}" for e in option.supporting[:SHOWN]]
            lines += [f"        against: {e.text}" for e in option.opposing[:SHOWN]]
        if not self.calibrated:
            lines.append("probabilities are not calibrated on questions with known answers")
        return "\n".join([*lines, WARNING])


@dataclass(frozen=True)
class Asked:
    """A question as it is weighed."""

    topics: tuple[int, ...]
    """Entity idx."""
    number: int
    """Relation number that is asked for; -1 where stated rules decide."""
    text: str = ""
    """The question in plain words, as `read_as`."""
    question: str = ""
    """As the user asked it."""


WRITTEN_BY = "`accord eval decisions --fit --out FILE` writes such a file"


def calibration_from(values: Mapping[str, Any]) -> Calibration:
    """A calibration from what a calibration file holds.

    Raises:
        ConfigError: A key or value that does not belong there.
    """
    known = {*FEATURES, "threshold"}
    if not known <= set(values):
        missing = ", ".join(sorted(known - set(values)))
        raise ConfigError(f"a calibration without {missing}", WRITTEN_BY)
    try:
        weights = {name: float(values[name]) for name in sorted(known)}
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a calibration: {error}", WRITTEN_BY) from error
    return Calibration(**weights, fitted=True)
