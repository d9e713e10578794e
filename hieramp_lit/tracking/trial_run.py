"""The W&B run of a trial, owned by the one process that starts the trial's stages."""

import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import wandb

from hieramp_lit.jobs import RunStoppedError, job_id
from hieramp_lit.tracking.artifacts import result_artifact, set_artifact, weights_artifact
from hieramp_lit.tracking.configuration import Mode, Tracking
from hieramp_lit.tracking.curves import EPOCH, curve_rows
from hieramp_lit.tracking.server import why_silent

_log = logging.getLogger(__name__)

_SWEEP = "WANDB_SWEEP_ID"
_FOLDER = "WANDB_DIR"
_RETRIES = 15
"""Of a request; pauses grow to `patience` seconds, so that an outage of ten minutes loses nothing."""
_OFFLINE = "W&B's server cannot be used (%s): this run is recorded offline; upload it later with `wandb sync`."
_MOST_OF_AN_ERROR = 2000  # characters


class TrialRun:
    """Owns exactly one W&B run, from entering to leaving.

    Under a sweep's agent it is the agent's run. A server that does not answer costs `patience` seconds at the start,
    and the run is then recorded offline; one that falls silent later costs an hour at the end at most. In either case
    all is on disk, and `wandb sync` uploads it. W&B's own process may die, too: what it does not
    take is warned of, for no recording is worth a trial, and `complete` tells so.

    Args:
        tracking: Where to record; None records nothing.
        name: The run's name.
        configuration: The trial's configuration, flat, with dotted keys. Parameters of a sweep are in the run already
            and stay as they are there.
        folder: Where W&B keeps its files, in a folder ``wandb``; the environment variable ``WANDB_DIR`` overrides it.
        patience: Seconds to wait for an answer of the server.
    """

    def __init__(
        self,
        tracking: Tracking | None,
        name: str,
        configuration: Mapping[str, Any],
        folder: Path,
        patience: float = 60.0,
    ) -> None:
        self._tracking = tracking
        self._name = name
        self._configuration = dict(configuration)
        self._folder = Path(os.environ.get(_FOLDER) or folder)
        self._patience = patience
        self._run: wandb.Run | None = None
        self._offline = False
        self._warned: set[str] = set()
        self.complete = False
        """Whether there is a run, and W&B took all that it was told."""

    def __enter__(self) -> Self:
        """Start the run.

        Raises:
            RuntimeError: If this process has a W&B run already.
            ValueError: If the mode is impossible here, or W&B refuses the key or a name.
        """
        if self._tracking is None:
            return self
        mode = self._tracking.resolve_mode()
        if mode == "disabled":
            return self
        if wandb.run is not None:
            raise RuntimeError(
                f"This process has the W&B run {wandb.run.id} already, and a trial owns its run: finish that one first."
            )
        if mode == "offline" and self._tracking.mode is None and "WANDB_MODE" not in os.environ:
            _log.warning("No W&B key found: this run is recorded offline; upload it later with `wandb sync`.")
        silent = why_silent(self._patience) if mode == "online" else None
        if silent is not None:
            _log.warning(_OFFLINE, silent)
            mode = "offline"
        try:
            self._start(self._tracking, mode)
        except (wandb.errors.AuthenticationError, wandb.errors.UsageError) as error:
            raise ValueError(f"W&B refuses the run: {error}. Check the key, wandb.project and wandb.entity.") from error
        except wandb.Error as error:
            if mode == "offline":
                raise
            _log.warning(_OFFLINE, error)
            self._start(self._tracking, "offline")
        self.complete = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish the run: with exit code 1 after an exception, whose text is then the summary's ``error``.

        A sweep's run that SLURM or its user takes the machine from (SIGUSR1, or SIGTERM in a SLURM job) is marked as
        preempted, so that the sweep's server hands its parameters out again.
        """
        run, self._run = self._run, None
        if run is None:
            return
        failed = error is not None and not (isinstance(error, SystemExit) and error.code in {None, 0})
        with self._excused("the end of the run"):  # which must not hide the trial's own error
            if failed:
                run.summary["error"] = f"{type(error).__name__}: {error}"[:_MOST_OF_AN_ERROR]
            if _is_preempted(error):
                run.mark_preempting()
            run.finish(exit_code=int(failed))
            wandb.teardown()  # W&B's service writes the end of the file only now

    @property
    def files(self) -> Path:
        """Folder of all of W&B's files."""
        return self._folder / "wandb"

    def log_summary(self, numbers: Mapping[str, float]) -> None:
        """Set the run's final numbers, by which a sweep compares its trials.

        Args:
            numbers: Each by its name, e.g. ``student/top1_last``.
        """
        if self._run is not None:
            with self._excused("the summary"):
                self._run.summary.update(dict(numbers))

    def log_curves(self, metrics: Mapping[int, Path]) -> None:
        """Draw the students' curves over epochs: each seed's, their mean and sample standard deviation.

        Args:
            metrics: Student seed and the ``metrics.csv`` of its run.

        Raises:
            ValueError: If a file cannot be read.
        """
        if self._run is None:
            return
        rows = curve_rows(metrics)
        with self._excused("the curves"):
            self._run.define_metric(EPOCH, hidden=True)
            self._run.define_metric("curves/*", step_metric=EPOCH, summary="none")
            for row in rows:
                self._run.log(row)

    def log_image(self, key: str, path: Path) -> None:
        """Show a picture.

        Args:
            key: Its name in the run.
            path: PNG, WebP or JPEG.

        Raises:
            OSError: If the file cannot be read.
        """
        if self._run is not None:
            image = wandb.Image(str(path))
            with self._excused(key):
                self._run.log({key: image})

    def log_table(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Show a table.

        Args:
            key: Its name in the run.
            columns: Titles.
            rows: Cells, as many as columns: numbers, texts, None.
        """
        if self._run is not None:
            cells = [list(row) for row in rows]
            with self._excused(key):
                self._run.log({key: wandb.Table(columns=list(columns), data=cells, allow_mixed_types=True)})

    def record_artifacts(self, checkpoint: Path | None, shard_set: Path, result: Path) -> None:
        """Record what was made from what: the weights that the trial used, the set and the result that it made.

        W&B keeps paths, sizes and checksums; the files stay where they are. Names hold hashes of the content, so that
        trials over the same weights or set meet in the same artifact. Each names in its metadata (``made_from``) what
        it was made from; the graph of W&B's pages, which the server draws from what a run used, has weights and set
        as the run's inputs where it is online. Weights of the Hub are no artifact: the set's metadata
        holds their SHA-256.

        Args:
            checkpoint: The generator's weights; None where it has none.
            shard_set: Folder of the set.
            result: The trial's ``result.json``.

        Raises:
            OSError: If a file is not there.
            ShardError: If `shard_set` is no finished set.
        """
        if self._run is None:
            return
        weights = None if checkpoint is None else weights_artifact(checkpoint)
        images = set_artifact(shard_set, weights)
        judged = result_artifact(result, images)
        with self._excused("all artifacts"):
            for artifact in filter(None, (weights, images)):
                self._run.log_artifact(artifact)
                if not self._offline:
                    artifact.wait(timeout=int(self._patience))
                    self._run.use_artifact(artifact)
            self._run.log_artifact(judged)

    @contextmanager
    def _excused(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as lost:  # what W&B raises when its service ends has no class of its own
            self.complete = False
            why = f"{type(lost).__name__}: {lost}"
            if why not in self._warned:  # a service that died says the same to all that follows
                self._warned.add(why)
                _log.warning("W&B did not take %s (%s). What was recorded: %s", what, why, self.files)

    def _start(self, tracking: Tracking, mode: Mode) -> None:
        agent = bool(os.environ.get(_SWEEP))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._offline = mode == "offline"
        self._run = wandb.init(
            # The agent's project holds the sweep; W&B would warn of another.
            project=None if agent else tracking.project,
            entity=None if agent else tracking.entity,
            group=tracking.group,
            tags=list(tracking.tags),
            name=self._name,
            job_type="trial",
            config=self._configuration,
            mode="offline" if self._offline else "online",
            dir=str(self._folder),
            settings=_settings(self._patience),
        )


def _settings(patience: float) -> wandb.Settings:
    """Bound how long W&B waits for its server: by default for hours (`wandb.sdk.wandb_settings`)."""
    return wandb.Settings(
        init_timeout=patience,
        login_timeout=patience,
        x_graphql_timeout_seconds=patience,
        x_graphql_retry_max=_RETRIES,
        x_graphql_retry_wait_max_seconds=patience,
        x_file_stream_timeout_seconds=patience,
        x_file_stream_retry_max=_RETRIES,
        x_file_stream_retry_wait_max_seconds=patience,
        x_file_transfer_timeout_seconds=patience,
        x_file_transfer_retry_max=_RETRIES,
        x_file_transfer_retry_wait_max_seconds=patience,
        console="off",  # stages write logs of their own
        save_code=False,
    )


def _is_preempted(error: BaseException | None) -> bool:
    if not isinstance(error, RunStoppedError) or not os.environ.get(_SWEEP):
        return False
    return error.signum == signal.SIGUSR1 or (error.signum == signal.SIGTERM and job_id() is not None)
