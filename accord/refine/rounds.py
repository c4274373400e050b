"""Rounds: train, scan the graph, have the finds reviewed, change the graph, train on from there.

Everything lies in one folder: `graph` (a copy of the graph; the given one is never changed), one
run folder a round, and `rounds.json`. Each phase leaves a file when it is done, and every phase may
be repeated without harm, so that rounds that were stopped at any moment go on.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from accord.errors import ConfigError
from accord.evaluate.records import write_record
from accord.evaluate.refinement import Planted
from accord.evaluate.report_rounds import KIND
from accord.graph.formats import write_graph
from accord.graph.load import load_graph
from accord.graph.patches import Patch, Statement
from accord.graph.store import GraphStore
from accord.graph.writing import new_folder
from accord.progress import clock, say
from accord.refine.changers import suggest
from accord.refine.entry import Decision, changes, item_id
from accord.refine.patch import apply_patch
from accord.refine.patch_files import read_patch, write_patch
from accord.refine.queue import Queue
from accord.refine.queue_files import export_queue, take_file
from accord.refine.telling import told_change
from accord.refine.truth_rates import rates
from accord.train.checkpoint import RunFolder
from accord.train.recipe import Recipe

GRAPH, ROUNDS = "graph", "rounds.json"
SCAN, REVIEW, PATCH, CHANGED = "scan.json", "review.csv", "patch.rdfp", "changed.json"
"""Files in a round's run folder: what was suggested, what people decide, what was done, and whom
it concerns."""
State = Literal["done", "review", "settled"]


class Trainer(Protocol):
    """Trains one round, or goes on with it; `accord.train_rounds` gives one."""

    def __call__(
        self, run: Path, graph: Path, start: Path | None, overrides: Sequence[str]
    ) -> Mapping[str, Any]:
        """Trains to the end and says what came out.

        Args:
            run: The round's run folder.
            graph: The graph folder.
            start: The last round's run; None in the first round.
            overrides: `key=value` over the settings of all rounds.
        """
        ...


@dataclass(frozen=True)
class RoundsResult:
    """Where rounds stand."""

    out: Path
    state: State
    """done: all rounds that were wanted. review: people are to decide. settled: nothing was
    found that is sure enough, so that another round would learn nothing new."""
    rounds: list[dict[str, Any]]
    """What each round did, as `rounds.json` has it."""

    @property
    def run(self) -> Path:
        """The last round's run."""
        return self.out / f"round-{len(self.rounds)}"

    @property
    def review(self) -> Path | None:
        """The file that waits for verdicts."""
        return self.run / REVIEW if self.state == "review" else None

    def to_dict(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "run": str(self.run),
            "steps": sum(entry["steps"] for entry in self.rounds),
            "seconds": sum(entry["seconds"] for entry in self.rounds),
            "metrics": self.rounds[-1]["metrics"],
            "graph": str(self.out / GRAPH),
            "state": self.state,
            "review": None if self.review is None else str(self.review),
            "rounds": self.rounds,
        }

    def to_text(self) -> str:
        """One line a round, and what comes next."""
        lines = [_line(entry) for entry in self.rounds]
        if self.review is not None:
            lines.append(
                f"fill in the column verdict of {self.review} (accept, reject, edit, skip), or use "
                f"`accord refine review {self.out / GRAPH}`; then give the same command again"
            )
        elif self.state == "settled":
            lines.append("nothing more was found that is sure enough: the rounds end here")
        return "\n".join(lines)


def _line(entry: Mapping[str, Any]) -> str:
    text = f"round {entry['round']}: {entry['steps']:,} steps in {clock(entry['seconds'])}"
    if "added" in entry:
        text += f", {entry['added']:,} added and {entry['removed']:,} removed"
    if "truth" in entry:
        text += ", error rate {error_rate:.3f}, missing rate {missing_rate:.3f}".format(
            **entry["truth"]
        )
    return text


def run_rounds(
    out: str | Path, graph: str | Path, count: int, settings: Recipe, train: Trainer
) -> RoundsResult:
    """Runs rounds, or goes on with them.

    Args:
        out: Folder for the graph's copy and the runs.
        graph: GRAPH of the command line; it stays as it is.
        count: Rounds at most.
        settings: Of all rounds; `rounds` says who changes the graph and how sure it must be.
        train: Trains one round.

    Returns:
        Where the rounds stand; called again they go on from there.

    Raises:
        ConfigError: `out` holds rounds with other settings, or fewer than one is asked for.
        AccordError: As of training, scanning and patching.
    """
    if count < 1:
        raise ConfigError(f"{count} rounds", "use 1 or more")
    folder = Path(out)
    record = _record(folder, settings, graph)
    rounds = _Rounds(folder, settings, train, record)
    _copy_graph(graph, folder / GRAPH)
    for number in range(1, count + 1):
        state = rounds.go(number)
        if state != "done":
            break
    return RoundsResult(folder, state, rounds.entries)


def _record(folder: Path, settings: Recipe, graph: str | Path) -> dict[str, Any]:
    """What earlier calls did, with what settings and on which graph; written if nothing is yet.

    Raises:
        ConfigError: They were made with other settings, or on another graph.
    """
    own, source = _plain(settings), load_graph(graph)
    if not (folder / ROUNDS).is_file():
        RunFolder(folder).check_free()
        if settings.rounds.truth is not None:
            Planted.load(settings.rounds.truth)  # before anything is written
        folder.mkdir(parents=True, exist_ok=True)
        begun = {"settings": own, "graph": source.hash, "rounds": []}
        RunFolder(folder).write_json(ROUNDS, begun)
        return begun
    known = RunFolder(folder).read_json(ROUNDS)
    if known["settings"] != own:
        raise ConfigError(
            f"{folder} holds rounds with other settings: {_difference(known['settings'], own)}",
            "give the settings that they were begun with, or choose another --out",
        )
    if not source.descends_from(known.get("graph", source.hash)):
        raise ConfigError(
            f"{folder} holds rounds of another graph ({known['graph'][:12]}); {graph} is "
            f"{source.hash[:12]}",
            "give the graph that they were begun with, or choose another --out",
        )
    return known


def _difference(then: Any, now: Any, name: str = "") -> str:
    """The first setting that is not as it was, with both values."""
    if isinstance(then, dict) and isinstance(now, dict):
        key = next(k for k in {**then, **now} if then.get(k) != now.get(k))
        return _difference(then.get(key), now.get(key), f"{name}.{key}" if name else key)
    return f"{name} was {json.dumps(then)} and is {json.dumps(now)}"


def _plain(settings: Recipe) -> dict[str, Any]:
    """Settings as JSON gives them back."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(settings), default=str))
    return found


def _copy_graph(source: str | Path, target: Path) -> None:
    """Makes the copy that rounds change, with the decisions that its queue holds."""
    if (target / "store").is_dir():
        return
    store = Path(source) / "store"
    if not store.is_dir():
        write_graph(load_graph(source), target)
        return
    load_graph(source)  # mends a snapshot that was left behind
    with GraphStore(store), new_folder(target) as folder:  # nobody writes while it is copied
        for name in ("store", "snapshot"):
            shutil.copytree(Path(source) / name, folder / name, dirs_exist_ok=True)


def _entities(statements: Sequence[Statement]) -> Iterator[str]:
    """The entities that statements are about."""
    for statement in statements:
        yield statement.subject
        if not statement.literal:
            yield statement.value


class _Rounds:
    """The rounds of one folder."""

    def __init__(
        self, folder: Path, settings: Recipe, train: Trainer, record: dict[str, Any]
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.config = settings.rounds
        self.train = train
        self.record = record
        self.entries: list[dict[str, Any]] = record["rounds"]
        self.truth = None if self.config.truth is None else Planted.load(self.config.truth)

    def go(self, number: int) -> State:
        """One round, from where it stands."""
        known: State | None = None
        if number <= len(self.entries):
            known = self.entries[number - 1]["state"]
        if known in ("done", "settled"):
            return known
        run = self.folder / f"round-{number}"
        say(f"round {number}: training")
        start = self.folder / f"round-{number - 1}" if number > 1 else None
        trained = self.train(run, self.folder / GRAPH, start, self._later(number))
        state, change = self._refine(run, number)
        entry = {"round": number, "state": state, "run": run.name, **trained, **change}
        self._tell(run, entry)
        self._note(number, entry)
        return state

    def _later(self, number: int) -> list[str]:
        """Settings of a round that starts from another one."""
        if number == 1:
            return []
        runs = [str((self.folder / f"round-{n}").resolve()) for n in range(1, number)]
        found = [f"loop.cache_from={json.dumps(runs)}"]
        if (Path(runs[-1]) / CHANGED).is_file():
            found.append(f"loop.changed={Path(runs[-1]) / CHANGED}")
        if self.config.later_steps is not None:
            found.append(f"loop.steps={self.config.later_steps}")
        return found

    def _refine(self, run: Path, number: int) -> tuple[State, dict[str, Any]]:
        """Changes the graph after a round, and says how it stands."""
        if self.config.refinement == "none":
            return "done", self._truth(number)
        if not (run / PATCH).is_file():
            if not (run / SCAN).is_file():
                self._scan(run, number)
            if not self._decided(run):
                return "review", {"scan": RunFolder(run).read_json(SCAN)["scan"]}
            self._write_patch(run, number)
        change = {"scan": RunFolder(run).read_json(SCAN)["scan"], **self._apply(run)}
        empty = not change["added"] and not change["removed"]
        return "settled" if empty else "done", {**change, **self._truth(number)}

    def _scan(self, run: Path, number: int) -> None:
        graph = load_graph(self.folder / GRAPH)
        say(f"round {number}: looking through {graph.name}")
        found = suggest(run, graph, self.config, self.settings.seed, number)
        with Queue(self.folder / GRAPH) as queue:
            queue.add(found.items, found.who, graph)
            # What was decided before is no question any more, though a scan may find it again.
            unsettled = {entry.id for entry in queue.entries()}
        ids = [key for item in found.items if (key := item_id(item)) in unsettled]
        scan = {"scan": found.scan, "items": ids, "decided": found.decided}
        RunFolder(run).write_json(SCAN, scan)

    def _decided(self, run: Path) -> bool:
        """Takes the decisions of whoever decides; whether there are any."""
        scan = RunFolder(run).read_json(SCAN)
        with Queue(self.folder / GRAPH, who=run.name) as queue:
            if scan["decided"]:
                queue.decide([Decision(identifier, "accept") for identifier in scan["items"]])
                return True
            if self.config.above is not None:
                queue.decide(queue.above(self.config.above))
                return True
            if (run / REVIEW).is_file():
                take_file(queue, run / REVIEW)
            states = {entry.id: entry.state for entry in queue.entries(None)}
            new = [identifier for identifier in scan["items"] if identifier in states]
            if not new or any(states[identifier] != "proposed" for identifier in new):
                return True
            if not (run / REVIEW).is_file():
                export_queue(queue, run / REVIEW, "proposed")
        say(f"{len(new):,} finds wait for verdicts in {run / REVIEW}")
        return False

    def _write_patch(self, run: Path, number: int) -> None:
        with Queue(self.folder / GRAPH) as queue:
            patch = queue.patch(f"round {number}")
        write_patch(patch, run / PATCH)

    def _apply(self, run: Path) -> dict[str, Any]:
        patch = read_patch(run / PATCH)
        if patch.add or patch.remove:
            done = apply_patch(self.folder / GRAPH, patch)
            say(f"{done.entry.added:,} added, {done.entry.removed:,} removed: {done.entry.id}")
            ids = sorted({*_entities(patch.add), *_entities(patch.remove)})
            RunFolder(run).write(CHANGED, json.dumps(ids, ensure_ascii=False))
        return {"added": len(patch.add), "removed": len(patch.remove)}

    def _truth(self, number: int) -> dict[str, Any]:
        if self.truth is None:
            return {}
        runs = [self.folder / f"round-{n}" for n in range(1, number + 1)]
        patches: list[Patch] = [read_patch(r / PATCH) for r in runs if (r / PATCH).is_file()]
        return {"truth": rates(load_graph(self.folder / GRAPH), self.truth, patches)}

    def _tell(self, run: Path, entry: Mapping[str, Any]) -> None:
        """Keeps what a round did, with every change and its reason, where the report finds it."""
        patch = read_patch(run / PATCH) if (run / PATCH).is_file() else Patch((), ())
        done = {*patch.add, *patch.remove}
        graph = load_graph(self.folder / GRAPH)
        with Queue(self.folder / GRAPH) as queue:
            accepted = queue.entries("accepted")
        own = (one for one in accepted if any(done & set(side) for side in changes(one.item)))
        found = {**entry, "changes": [told_change(graph, one) for one in own]}
        write_record(run, KIND, "after", found, "")

    def _note(self, number: int, entry: dict[str, Any]) -> None:
        self.entries[number - 1 :] = [entry]
        RunFolder(self.folder).write_json(ROUNDS, self.record)
