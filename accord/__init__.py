"""Accord keeps a language model and a knowledge graph in agreement.

The public names below are imported when they are first used, so that `import accord` and
`accord --help` import neither torch nor NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accord.api import load_graph as load_graph
    from accord.api import load_model as load_model
    from accord.api import train_rounds as train_rounds
    from accord.api import train_run as train_run
    from accord.applications import ask as ask
    from accord.applications import chat as chat
    from accord.applications import decide as decide
    from accord.applications import write as write
    from accord.config import load_config as load_config
    from accord.demo import run_demo as run_demo
    from accord.errors import AccordError as AccordError
    from accord.evaluate.compare import compare as compare
    from accord.evaluate.graph_building import build_graph as build_graph
    from accord.graph.builder import GraphBuilder as GraphBuilder
    from accord.graph.graph import KnowledgeGraph as KnowledgeGraph
    from accord.model.knowledge_model import KnowledgeModel as KnowledgeModel
    from accord.refine.patch import apply_patch as apply_patch
    from accord.refine.patch import patch_log as patch_log
    from accord.refine.queue import Queue as Queue
    from accord.refine.queue import rollback_patch as rollback_patch
    from accord.synthesis.synthesize import synthesize as synthesize
    from accord.train.plan import plan_run as plan_run

__version__ = "0.1.0"

PUBLIC = {
    "AccordError": "accord.errors",
    "GraphBuilder": "accord.graph.builder",
    "KnowledgeGraph": "accord.graph.graph",
    "KnowledgeModel": "accord.model.knowledge_model",
    "Queue": "accord.refine.queue",
    "apply_patch": "accord.refine.patch",
    "ask": "accord.applications",
    "build_graph": "accord.evaluate.graph_building",
    "chat": "accord.applications",
    "compare": "accord.evaluate.compare",
    "decide": "accord.applications",
    "load_config": "accord.config",
    "load_graph": "accord.api",
    "load_model": "accord.api",
    "patch_log": "accord.refine.patch",
    "plan_run": "accord.train.plan",
    "rollback_patch": "accord.refine.queue",
    "run_demo": "accord.demo",
    "synthesize": "accord.synthesis.synthesize",
    "train_rounds": "accord.api",
    "train_run": "accord.api",
    "write": "accord.applications",
}
"""Public name -> the module that defines it."""


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'accord' has no attribute {name!r}")
    return getattr(importlib.import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*PUBLIC, "__version__"])
