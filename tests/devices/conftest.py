from pathlib import Path

import pytest

from tests.devices.accidents import hieramp_on

ROOT = Path(__file__).parents[2]
STEPS = 12


@pytest.fixture(scope="session")
def commands(tiny_tokenizer: Path, tiny_var: Path) -> dict[str, list[str]]:
    """A fit, a generation and an encoding on tiny networks; the last two end with their output."""
    networks = ["--model.tokenizer.checkpoint", str(tiny_tokenizer), "--model.checkpoint", str(tiny_var)]

    def command(name: str, stage: str) -> list[str]:
        configs = ["--config", f"{ROOT}/configs/{stage}/digits.yaml", "--config", f"{ROOT}/tests/tiny/{stage}.yaml"]
        return [name, *configs, *networks[: 2 if name == "tokenize" else 4]]

    steps = ["--trainer.max_steps", str(STEPS), "--trainer.val_check_interval", str(STEPS)]
    steps += ["--model.global_batch", "4", "--data.batch_size", "4"]
    plan = ["--data.images_per_class", "4", "--data.shard_size", "10", "--trainer.logger", "false"]
    return {
        "fit": [*command("fit", "token_tuning"), *steps, "--model.export", "weights.safetensors"],
        "tokenize": [*command("tokenize", "tokenize"), "--data.shard_size", "96", "--model.output", "tokens"],
        "predict": [*command("predict", "generate"), *plan, "--model.output", "set"],
    }


@pytest.fixture(scope="session")
def whole(commands: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of uninterrupted runs."""
    folder = tmp_path_factory.mktemp("whole")
    for command in commands.values():
        ranks = hieramp_on(folder, *command)
        assert ranks.join() == [0], ranks.said()
    return folder
