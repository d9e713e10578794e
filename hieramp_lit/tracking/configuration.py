"""The `wandb` section of a trial's configuration."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from hieramp_lit.tracking.key import has_key

Mode = Literal["online", "offline", "disabled"]


@dataclass(frozen=True)
class Tracking:
    """Where a trial is recorded in W&B.

    A sweep's agent has made the run already: project and entity are then the sweep's, whatever stands here.

    Args:
        project: W&B project.
        entity: User or team that owns the project; null for the one that the key belongs to.
        group: Name that trials of one experiment share.
        tags: Words to find the trial by.
        mode: `online`; `offline` (on disk, for `wandb sync`); `disabled` (nothing at all). Null takes the environment
            variable ``WANDB_MODE``; without it, `online` where a key is known and else `offline`.
        log_artifacts: Also record weights, shard set and result as W&B artifacts, by reference: W&B learns where the
            files lie and what is in them, and none is uploaded.

    Raises:
        ValueError: If `project` is empty or a mode is unknown; the message names the key.
    """

    project: str = "hieramp"
    entity: str | None = None
    group: str | None = None
    tags: Sequence[str] = ()
    mode: Mode | None = None
    log_artifacts: bool = False

    def __post_init__(self) -> None:
        if not self.project:
            raise ValueError("wandb.project is empty. Give the project's name, or set wandb: null to record nothing.")
        if isinstance(self.tags, str):
            raise ValueError(f"wandb.tags={self.tags!r}: expected a list of words, e.g. [{self.tags}].")
        if self.mode is not None and self.mode not in get_args(Mode):
            raise ValueError(f"wandb.mode={self.mode!r}: expected one of {list(get_args(Mode))}, or null.")

    def resolve_mode(self) -> Mode:
        """What `mode` comes to on this machine, see there.

        Raises:
            ValueError: If ``WANDB_MODE`` is unknown, or the run shall be online and no key is known: W&B would ask for
                it where nobody answers.
        """
        named = os.environ.get("WANDB_MODE")
        if self.mode is not None:
            mode = self.mode
        elif named is not None:
            mode = _from_environment(named)
        else:
            return "online" if has_key() else "offline"
        if mode == "online" and not has_key():
            source = "wandb.mode" if self.mode is not None else "WANDB_MODE"
            raise ValueError(
                f"{source} is online, and no W&B key is known: run `wandb login`, set WANDB_API_KEY, or say offline; "
                "`wandb sync` uploads the run later."
            )
        return mode


def _from_environment(named: str) -> Mode:
    if named in {"offline", "dryrun"}:
        return "offline"
    if named in {"online", "run"}:
        return "online"
    if named == "disabled":
        return "disabled"
    raise ValueError(f"WANDB_MODE={named!r} in the environment: expected one of {list(get_args(Mode))}.")
