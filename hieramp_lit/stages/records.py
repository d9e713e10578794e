"""What is remembered of stages between commands: one small file each."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hieramp_lit import __version__
from hieramp_lit.files import write_json
from hieramp_lit.jobs import Cost
from hieramp_lit.stages.stage import Stage, slug


class StageRecords:
    """The records below a root, ``stages/NAME.json``.

    Args:
        root: Folder of all stages.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def earlier(self, stage: Stage) -> dict[str, Any]:
        """All that is remembered of a stage; empty for nothing."""
        record = self._record(stage)
        return json.loads(record.read_text()) if record.is_file() else {}

    def seconds(self, stage: Stage) -> float | None:
        """Seconds that a stage took which is done; None if it is not."""
        earlier = self.earlier(stage)
        done = earlier.get("digest") == stage.digest() and earlier.get("seconds") is not None
        there = stage.folder.is_dir() and all(path.exists() for path in stage.outputs)
        return float(earlier["seconds"]) if done and there else None

    def version(self, stage: Stage) -> str | None:
        """The version of this package that made a stage, or made it last; None where the record is older than that."""
        return self.earlier(stage).get("version")

    def cost(self, stage: Stage) -> Cost:
        """What a stage took of its machine; unknown where the record is older than that."""
        return Cost.of(self.earlier(stage).get("cost"))

    def estimate(self, stage: Stage) -> float | None:
        """Seconds that the last stage of the same kind took, whose name differs in the last word; None without one."""
        kind = slug(stage.name.rpartition(" ")[0])
        others: list[tuple[float, float]] = []
        for path in self._record(stage).parent.glob(f"{kind}-*.json") if kind else ():
            if path.stem.rpartition("-")[0] != kind:  # a kind whose name goes on
                continue
            with suppress(OSError, ValueError):  # deleted or damaged: it says nothing, and no stage needs it
                seconds = json.loads(path.read_text()).get("seconds")
                if seconds is not None:
                    others.append((path.stat().st_mtime, float(seconds)))
        return max(others)[1] if others else None

    def write(self, stage: Stage, seconds: float | None, attempts: float, cost: Cost) -> None:
        """Remember a stage.

        Args:
            stage: The stage.
            seconds: That it took; None while it is not done.
            attempts: Seconds of attempts that came to no end.
            cost: Of all attempts.
        """
        entry = {
            "digest": stage.digest(), "command": stage.command_line, "version": __version__, "seconds": seconds,
            "cost": cost.plain(),
        }  # fmt: skip
        write_json(self._record(stage), entry if seconds is not None else {**entry, "attempts": attempts})

    def _record(self, stage: Stage) -> Path:
        return self._root / "stages" / f"{slug(stage.name)}.json"
