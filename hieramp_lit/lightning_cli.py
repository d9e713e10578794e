"""Fit, validate, test, predict and tokenize from YAML: LightningCLI with the traps for a research project closed."""

import logging
import os
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import lightning.pytorch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import ArgsType, LightningCLI
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_info

# Imported for their names: YAML may then say `class_path: ClassTokenTuning` without the module.
import hieramp_lit.callbacks
import hieramp_lit.data
import hieramp_lit.generate
import hieramp_lit.tasks
import hieramp_lit.trainer  # noqa: F401
from hieramp_lit import __version__
from hieramp_lit.allocator import keep_freed_memory
from hieramp_lit.callbacks.batch_progress import BatchProgress
from hieramp_lit.callbacks.run_config import RunConfigCallback
from hieramp_lit.callbacks.run_logger import RunLogger
from hieramp_lit.callbacks.training_progress import TrainingProgress
from hieramp_lit.checkpoints import check_resumable
from hieramp_lit.cli import LIGHTNING_COMMANDS, raised_by
from hieramp_lit.commands.run_closing import close_run
from hieramp_lit.jobs import end_with_parent
from hieramp_lit.tasks.tokenization import Tokenization
from hieramp_lit.tracking import has_key
from hieramp_lit.trainer import CleanStop, FiniteLoss, MemoryAdvice, WholeCheckpointIO

_log = logging.getLogger(__name__)


class HierampTrainer(Trainer):
    """Lightning's Trainer: devices, precision, epochs, loggers; and how to run the task."""

    def tokenize(self, model: LightningModule, datamodule: LightningDataModule) -> None:
        """Encode a data set once; the task's writer stores the tokens.

        Args:
            model: A `Tokenization`.
            datamodule: A `TokenizationPlan`.

        Raises:
            ValueError: If the task is another.
        """
        if not isinstance(model, Tokenization):
            raise ValueError(
                f"`hieramp tokenize` runs the task Tokenization, model.class_path is {type(model).__name__}. Give a "
                "configuration of configs/tokenize, or another command: `hieramp --help` lists them."
            )
        self.predict(model, datamodule=datamodule, return_predictions=False)


class HierampCLI(LightningCLI):
    """`fit`, `validate`, `test`, `predict` and `tokenize` on our tasks and data modules."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Leave out what must not be chosen: predictions are never kept in memory, the writers store them."""
        commands = LightningCLI.subcommands()
        predict = commands["predict"] | {"return_predictions", "weights_only"}
        return {**commands, "predict": predict, "tokenize": {"model", "datamodule"}}

    def predict(self, model: LightningModule, **kwargs: Any) -> None:
        """Generate without keeping the images: the shard writer has already stored them."""
        self.trainer.predict(model, **kwargs, return_predictions=False)

    def fit(self, model: LightningModule, **kwargs: Any) -> None:
        """Train; with ``--ckpt_path last`` from where the experiment's newest run left off, if there is one."""
        if kwargs.get("ckpt_path") == "last":
            loggers = [logger for logger in self.trainer.loggers if isinstance(logger, RunLogger)]
            if not loggers:
                raise ValueError(
                    "--ckpt_path last looks into the folder of a RunLogger; there is none in trainer.logger."
                )
            kwargs["ckpt_path"] = _last(loggers[0])
        self.trainer.fit(model, **kwargs)

    def before_instantiate_classes(self) -> None:
        """Record W&B runs on disk where no key is known, instead of asking for one or failing without a terminal."""
        loggers = self._get(self.config, "trainer").logger
        for logger in loggers if isinstance(loggers, list) else [loggers]:
            named = getattr(logger, "class_path", "").rpartition(".")[2] == WandbLogger.__name__
            if named and "WANDB_MODE" not in os.environ and not has_key():
                _log.warning("No W&B key found: this run is recorded offline; upload it later with `wandb sync`.")
                os.environ["WANDB_MODE"] = "offline"

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Leave it to `CleanStop` to put a SLURM job back into the queue: Lightning goes on with the run meanwhile.

        Raises:
            ValueError: If Lightning would begin with a checkpoint that it once left in the working folder.
        """
        if SLURMEnvironment.detect() and not TorchElasticEnvironment.detect():
            trainer = self._get(self.config_init, "trainer")
            given = trainer.plugins or []
            plugins = list(given) if isinstance(given, list) else [given]
            if not any(isinstance(plugin, ClusterEnvironment) for plugin in plugins):
                kwargs["plugins"] = [*plugins, SLURMEnvironment(auto_requeue=False)]
            self._refuse_checkpoints_of_lightning(trainer.default_root_dir)
        return super().instantiate_trainer(**kwargs)

    def _refuse_checkpoints_of_lightning(self, root: str | Path | None) -> None:
        """In a SLURM job Lightning restores ``hpc_ckpt_N.ckpt`` unasked, with any command that is given no other."""
        left = sorted(Path.cwd().joinpath(root or "").glob("hpc_ckpt_*.ckpt"))
        if left and self._get(self.config_init, "ckpt_path") in {None, "last"}:
            raise ValueError(
                f"{left[-1]}: in a SLURM job Lightning would silently begin with this checkpoint, which it saved "
                "in the middle of a step. Move it away or delete it, or name what to resume from with --ckpt_path FILE."
            )

    def instantiate_classes(self) -> None:
        """Build model, data and trainer, on a CPU with memory to keep; what a constructor raises arrives as it was.

        jsonargparse wraps it into the list of types that it tried and a dump of the configuration.
        """
        try:
            super().instantiate_classes()
            keep_freed_memory(self.trainer.strategy.root_device)
            if type(self.trainer.strategy.checkpoint_io) is TorchCheckpointIO:
                self.trainer.strategy.checkpoint_io = WholeCheckpointIO()
        except ValueError as wrapped:
            error: BaseException = wrapped
            while error.__cause__ is not None and raised_by(error) == "jsonargparse":
                error = error.__cause__
            raise error from error.__cause__

    def _parse_ckpt_path(self) -> None:
        """Never merge hyper-parameters of a checkpoint into the configuration: what the user typed wins.

        Lightning's method overwrites flags and YAML with what the checkpoint stored, class included, in silence; a
        sweep over β through one checkpoint would be a constant. There is no public switch for it. Here ``--ckpt_path``
        resumes a fit and gives validate and test their weights, and predict refuses it.
        """
        command = self.config.get("subcommand")
        given = None if command is None else self.config[command].get("ckpt_path")
        if command == "predict" and given is not None:
            self.parser.error(
                f"`predict` does not take --ckpt_path (got {given!r}): weights are an argument "
                "of the model. Say --model.checkpoint FILE, in YAML `model.init_args.checkpoint: FILE`."
            )
        if given is not None and Path(given).is_file():  # or it is a word of Lightning's, such as "last"
            check_resumable(Path(given))


def run(args: ArgsType) -> None:
    """Build everything that the configuration names and run the command.

    Args:
        args: Arguments from the command's name on, or None for ``sys.argv``.

    Raises:
        ValueError: If Lightning finds that the parts of the configuration do not fit each other.
    """
    if "LOCAL_RANK" in os.environ:
        end_with_parent(signal.SIGKILL)  # a rank whose launcher was killed would wait for the others for ever
    commands = {command: _parser_texts(command, summary) for command, summary in LIGHTNING_COMMANDS.items()}
    start = time.monotonic()
    with without_misleading_noise():
        cli = _cli(args, {"prog": "hieramp", "version": __version__, **commands}, run=True)
    command = str(cli.subcommand)
    given = getattr(cli.config[command].model, "init_args", {})
    close_run(command, cli.model, cli.datamodule, cli.trainer, given, time.monotonic() - start)


def build(args: Sequence[str], command: str, summary: str) -> HierampCLI:
    """Build everything that the configuration names, for a command that runs it by itself.

    Call it, and run it, under `without_misleading_noise`.

    Args:
        args: Arguments after the command's name, as for ``hieramp fit``.
        command: Its name, for messages.
        summary: What it does, likewise.

    Returns:
        With `model`, `datamodule` and `trainer`.

    Raises:
        ValueError: As `run`.
    """
    return _cli(list(args), {"prog": f"hieramp {command}", **_parser_texts(command, summary)}, run=False)


class ParsedCLI(HierampCLI):
    """Reads a configuration and builds nothing of it, so that what is wrong with a part does not hide the rest."""

    def _set_seed(self) -> None:
        """Seed nothing: nothing is drawn, and the process and those it starts keep their random state."""

    def instantiate_classes(self) -> None:
        """Build nothing."""


def parse(args: Sequence[str], command: str, summary: str) -> HierampCLI:
    """Read the configuration that `build` would build; arguments as there.

    Returns:
        With `config`, the whole configuration with its defaults, and `parser`.
    """
    texts = {"prog": f"hieramp {command}", **_parser_texts(command, summary)}
    return _cli(list(args), texts, run=False, cli_class=ParsedCLI)


def _parser_texts(command: str, summary: str) -> dict[str, Any]:
    return {
        "description": summary,
        "dump_header": [f"hieramp_lit=={__version__}", f"lightning=={lightning.__version__}"],
        "usage": f"hieramp {command} --config FILE.yaml [--model.KEY VALUE] [--data.KEY VALUE] …",
        "epilog": "`--model.help CLASS` and `--data.help CLASS` explain the arguments of one class."
        " `hieramp --help` lists all commands.",
    }


def _cli(
    args: ArgsType, parser_kwargs: dict[str, Any], run: bool, cli_class: type[HierampCLI] = HierampCLI
) -> HierampCLI:
    try:
        return cli_class(
            LightningModule,
            LightningDataModule,
            trainer_class=HierampTrainer,
            subclass_mode_model=True,
            subclass_mode_data=True,
            # Optimizers are arguments of the tasks; Lightning's global --optimizer would replace them in silence.
            auto_configure_optimizers=False,
            seed_everything_default=0,
            trainer_defaults={
                # Our data modules share out their work themselves; a sampler on top would drop most of it.
                "use_distributed_sampler": False,
                "logger": {"class_path": "hieramp_lit.callbacks.RunLogger"},
                # beside those of the configuration
                "callbacks": [CleanStop(), FiniteLoss(), MemoryAdvice(), TrainingProgress(), BatchProgress()],
            },
            save_config_callback=RunConfigCallback,
            save_config_kwargs={"save_to_log_dir": False},
            parser_kwargs=parser_kwargs,
            args=args,
            run=run,
        )
    except MisconfigurationException as error:
        raise ValueError(f"Lightning refuses this configuration: {error}") from error


@contextmanager
def without_misleading_noise() -> Iterator[None]:
    """Hide, for one command, the messages of Lightning that mislead our users; everything else stays."""

    def is_no_advertisement(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("💡 Tip:")

    log = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    log.addFilter(is_no_advertisement)
    try:
        with warnings.catch_warnings():
            # Digits, shards and plans live in memory, where worker processes only cost time.
            warnings.filterwarnings("ignore", message="The '.*_dataloader' does not have many workers")
            # `main(args)` hands arguments over on purpose; sys.argv then belongs to the calling program.
            warnings.filterwarnings("ignore", message="LightningCLI's args parameter is intended to run from within")
            # An epoch of a distilled set is a step or a few; what matters is logged at its end.
            warnings.filterwarnings(
                "ignore", message=r"The number of training batches \(\d+\) is smaller than the logging"
            )
            # Epochs are logged from metrics that have counted over all ranks by then.
            warnings.filterwarnings("ignore", message="It is recommended to use `self.log.*sync_dist=True")
            # The frozen tokenizer and teacher are in eval mode on purpose.
            warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode at the start of training")
            # Lightning 2.6 asks torch in a way that torch 2.15 deprecates; nothing a user could change.
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
            yield
    finally:
        log.removeFilter(is_no_advertisement)


def _last(logger: RunLogger) -> str | None:
    """What ``--ckpt_path last`` stands for; says so."""
    found = logger.last_checkpoint()
    if found is None:
        others = logger.last_checkpoint(of_any_job=True)
        hint = f" Runs of other jobs are left alone; the newest goes on with --ckpt_path {others}" if others else ""
        rank_zero_info(f"There is no run to go on from: starting anew.{hint}")
        return None
    if found.is_file():  # or the folder of a sharded network
        check_resumable(found)
    rank_zero_info(f"Going on from {found}.")
    return str(found)
