from pathlib import Path

import pytest
import torch

from hieramp_lit.callbacks import GenerationProgress, ShardWriter
from hieramp_lit.data import GenerationPlan
from hieramp_lit.shards import ShardSet
from hieramp_lit.tasks import Generation
from tests.shards.making import NoiseGenerator, quiet_trainer


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"save_size": 0}, r"model\.save_size=0"),
        ({"image_format": "jpg"}, r"model\.image_format='jpg'.*png, webp"),
        ({"output": ""}, r"model\.output is empty"),
    ],
)
def test_impossible_values_die_early_and_name_the_key(values: dict, key: str) -> None:
    with pytest.raises(ValueError, match=key):
        Generation(NoiseGenerator(), **{"output": "set", **values})


def test_brings_its_writer_along() -> None:
    kinds = {type(callback) for callback in Generation(NoiseGenerator(), "set").configure_callbacks()}
    assert kinds == {ShardWriter, GenerationProgress}


@pytest.mark.parametrize("save_saliency", [False, True])
def test_a_step_passes_row_index_and_seed_on(save_saliency: bool) -> None:
    generator = NoiseGenerator()
    task = Generation(generator, "set", save_saliency=save_saliency)
    batches = list(GenerationPlan("digits", images_per_class=3, seed=9, batch_size=7).predict_dataloader())
    answers = [task.predict_step(batch, number) for number, batch in enumerate(batches)]
    assert generator.made == [(row, index, 9) for row in range(10) for index in range(3)]
    assert all((answer.saliency is not None) == save_saliency for answer in answers)


def test_networks_of_the_generator_follow_the_device() -> None:
    class Network(torch.nn.Module, NoiseGenerator):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            NoiseGenerator.__init__(self)
            self.layer = torch.nn.Linear(2, 2)

    task = Generation(Network(), "set")
    assert {name for name, _ in task.named_parameters()} == {"generator.layer.weight", "generator.layer.bias"}


def test_two_ranks_share_the_set(tmp_path: Path) -> None:
    """Both ranks' shards together are the set; here one after the other, with the plan's own split."""

    class OneOfTwo(GenerationPlan):
        rank = 0

        def predict_dataloader(self):
            from hieramp_lit.data.plan import RemainingShards

            return RemainingShards(self.plan, self.batch_size, self.complete, self.rank, 2)

    whole = tmp_path / "whole"
    quiet_trainer().predict(Generation(NoiseGenerator(), str(whole)), GenerationPlan("digits", 2, 6, batch_size=4))
    first = OneOfTwo("digits", 2, 6, batch_size=4)
    quiet_trainer().predict(Generation(NoiseGenerator(), str(tmp_path / "set")), first)
    assert {path.stem for path in (tmp_path / "set").glob("*.tar")} == {"train-000000", "train-000002"}
    quiet_trainer().predict(
        Generation(NoiseGenerator(), str(tmp_path / "set")), GenerationPlan("digits", 2, 6, batch_size=4)
    )
    assert ShardSet.open(tmp_path / "set").manifest.hash == ShardSet.open(whole).manifest.hash
