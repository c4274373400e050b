"""Writes `pykeen_export/`: vectors that PyKEEN trained a little, as users export them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).with_suffix("")
CASES = {"transe": False, "distmult": True, "complex": True, "rotate": False}
"""Model -> whether it has inverse triples."""


def labels() -> Any:
    from tests.conftest import TRIPLES

    return np.array([row[:3] for row in TRIPLES if row[3] == "train"])


def export(name: str, inverse: bool) -> dict[str, Any]:
    import torch
    from pykeen.pipeline import pipeline
    from pykeen.triples import TriplesFactory

    factory = TriplesFactory.from_labeled_triples(labels(), create_inverse_triples=inverse)
    model: Any = pipeline(
        training=factory,
        testing=factory,
        model=name,
        model_kwargs={"embedding_dim": 3},
        training_kwargs={"num_epochs": 3, "use_tqdm": False},
        random_seed=1,
        device="cpu",
    ).model
    out = FOLDER / name
    factory.to_path_binary(out)
    for spare in ("base.pth", "numeric_triples.tsv.gz"):
        (out / spare).unlink()
    np.savez(
        out / "vectors.npz",
        entities=model.entity_representations[0]().detach().cpu().numpy(),
        relations=model.relation_representations[0]().detach().cpu().numpy(),
    )
    rows = torch.from_numpy(np.asarray(factory.mapped_triples))
    return {
        "triples": labels().tolist(),
        "entities": sorted(factory.entity_to_id, key=factory.entity_to_id.__getitem__),
        "tail": model.predict_t(rows[:, :2]).tolist(),
        "head": model.predict_h(rows[:, 1:]).tolist(),
        "mapped": rows.tolist(),
    }


if __name__ == "__main__":
    found = {name: export(name, inverse) for name, inverse in CASES.items()}
    (FOLDER / "scores.json").write_text(json.dumps(found) + "\n")
