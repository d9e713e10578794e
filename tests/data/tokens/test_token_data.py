import shutil
from pathlib import Path

import pytest
import torch

from hieramp_lit.data import TokenDataModule
from hieramp_lit.data.identity import identity_of
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.data.tokens.cache import TokenCache, TokenCacheError
from tests.data.tokens.token_caches import flip_a_byte, image_data, make_cache, write_images
from tests.tasks.tuning import write_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("tokens")
    tokenizer = write_tokenizer(root / "tokenizer.safetensors")
    make_cache(root / "cache", tokenizer, image_data(write_images(root / "images")), views=3)
    return str(root / "cache")


def test_epoch_e_takes_view_e_modulo_the_views(folder):
    samples = TokenDataModule(folder).train_samples()
    assert len(samples) == 22
    epochs = [samples[[SampleKey(epoch, i) for i in range(22)]] for epoch in range(7)]
    for epoch, batch in enumerate(epochs):
        for other in range(epoch):
            same = torch.equal(batch.tokens, epochs[other].tokens)
            assert same == ((epoch - other) % 3 == 0)
    assert epochs[0].label.tolist() == [0] * 9 + [1] * 13
    assert epochs[0].tokens.dtype == epochs[0].label.dtype == torch.int64
    assert epochs[0].tokens.shape == (22, 21)


def test_validation_has_one_view(folder):
    data = TokenDataModule(folder, batch_size=4)
    batches = list(data.val_dataloader())
    assert [len(batch.label) for batch in batches] == [4, 2]
    assert torch.cat([batch.label for batch in batches]).tolist() == [0, 0, 1, 1, 1, 1]
    assert torch.equal(data.val_samples()[[SampleKey(5, 1)]].tokens, data.test_samples()[[SampleKey(0, 1)]].tokens)


def test_batches_do_not_depend_on_workers(folder):
    def taken(num_workers):
        loader = TokenDataModule(folder, batch_size=4, num_workers=num_workers).train_dataloader()
        return torch.cat([torch.cat([batch.tokens, batch.label[:, None]], dim=1) for batch in loader])

    assert torch.equal(taken(0), taken(1))


def test_classes_are_those_of_the_images(folder):
    assert TokenDataModule(folder).classes.names == ["cat", "dog"]


def test_another_seed_than_that_of_the_crops_is_said(folder):
    TokenDataModule(folder, seed=0).setup("fit")
    TokenDataModule(folder, seed=1).setup("validate")
    with pytest.warns(UserWarning, match=r"data\.seed=1 .*seed 0.*Give data\.seed=0"):
        TokenDataModule(folder, seed=1).setup("fit")


def test_tokens_are_identified_as_the_images_they_are_of(folder):
    images = image_data(Path(folder).parent / "images")
    images.setup("fit")
    tokens = TokenDataModule(folder)
    for ours, theirs in (
        (tokens.train_samples(), images.train_samples()),
        (tokens.val_samples(), images.val_samples()),
    ):
        assert identity_of(ours) == identity_of(theirs)
    assert identity_of(tokens.train_samples()) != identity_of(tokens.val_samples())


class Ranks:
    """A trainer of several processes, as one of them sees it."""

    def __init__(self, local_rank, others_agree):
        self.local_rank, self.others_agree, self.told = local_rank, others_agree, []
        self.strategy = self

    def reduce_boolean_decision(self, decision, all):
        assert all
        self.told.append(decision)
        return decision and self.others_agree


def test_damage_is_looked_for_once_a_node_and_stops_every_process(folder, tmp_path):
    damaged = Path(shutil.copytree(folder, tmp_path / "cache"))
    flip_a_byte(damaged / "train-view02-000000.tokens.npy")
    for rank, agree, told, match in (
        (0, True, False, r"train-view02-000000\.tokens"),
        (1, False, True, "another process"),
    ):
        data = TokenDataModule(str(damaged))
        data.trainer = Ranks(rank, agree)
        with pytest.raises(TokenCacheError, match=match):
            data.setup("fit")
        assert data.trainer.told == [told]


def test_files_are_read_once(folder, monkeypatch):
    read = []
    monkeypatch.setattr(TokenCache, "verify", lambda cache, progress: read.append(cache))
    data = TokenDataModule(folder)
    data.setup("fit"), data.setup("validate")
    TokenDataModule(folder, check=False).setup("fit")
    assert read == [data.cache]


def test_what_cannot_be_is_refused_by_name(folder, tmp_path):
    with pytest.raises(ValueError, match=r"data\.batch_size=0"):
        TokenDataModule(folder, batch_size=0)
    with pytest.raises(TokenCacheError, match=r"data\.path"):
        TokenDataModule(str(tmp_path))
