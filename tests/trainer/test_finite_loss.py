"""Which step a loss that is not finite belongs to."""

import pytest

from hieramp_lit.jobs import NonFiniteError
from hieramp_lit.trainer import FiniteLoss
from tests.tasks.tuning import NoiseDataModule, trainer, tuning, write_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize(("batch", "step"), [(0, 1), (1, 1), (2, 2), (3, 2)])
def test_all_batches_of_an_accumulation_name_its_step(tmp_path, batch, step):
    task = tuning(write_tokenizer(tmp_path / "tokenizer.safetensors"))
    whole = task.training_step

    def poisoned(content, batch_idx):
        return whole(content, batch_idx) * (float("nan") if batch_idx == batch else 1)

    task.training_step = poisoned
    run = trainer(FiniteLoss(), max_epochs=1, accumulate_grad_batches=2)
    with pytest.raises(NonFiniteError, match=rf"nan at step {step} \(epoch 0, batch {batch}\)"):
        run.fit(task, NoiseDataModule(4))
