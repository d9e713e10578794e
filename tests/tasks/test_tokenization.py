from pathlib import Path

import pytest
import torch

from hieramp_lit.checkpoints import read_tensors, save
from hieramp_lit.data.loading import SampleKey
from hieramp_lit.data.tokens.cache import MOST_CODES
from hieramp_lit.tasks import Tokenization
from hieramp_lit.var import Scales, Tokenizer
from tests.data.tokens.token_caches import image_data, make_cache, write_images
from tests.tasks.tuning import PATCH_NUMS, write_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.safetensors")


def test_tokens_are_the_tokenizers_own(tokenizer, tmp_path):
    data = image_data(write_images(tmp_path / "images"))
    cache = make_cache(tmp_path / "cache", tokenizer, data, views=3)
    vqvae = tokenizer.load(Scales(PATCH_NUMS))
    for view in range(3):
        batch = data.train_samples()[[SampleKey(view, sample) for sample in (0, 7, 21)]]
        tokens, labels = cache.read("train", [(view, sample) for sample in (0, 7, 21)])
        assert torch.equal(torch.from_numpy(tokens), vqvae.encode(batch.image / 127.5 - 1))
        assert labels.tolist() == batch.label.tolist() == [0, 0, 1]


def test_a_codebook_beyond_sixteen_bits_is_refused(tokenizer, tmp_path):
    tensors = read_tensors(Path(tokenizer.checkpoint))
    tensors["quantize.embedding.weight"] = torch.zeros(MOST_CODES + 1, 4)
    tensors["quantize.ema_vocab_hit_SV"] = torch.zeros(3, MOST_CODES + 1)
    save(tmp_path / "large.safetensors", tensors)
    with pytest.raises(ValueError, match=r"model\.tokenizer\.checkpoint has 65537 codes.*uint16"):
        Tokenization(Tokenizer(str(tmp_path / "large.safetensors")), "tokens", PATCH_NUMS)


def test_an_empty_output_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"model\.output"):
        Tokenization(tokenizer, "", PATCH_NUMS)


def test_weights_in_half_precision_are_refused(tokenizer, tmp_path):
    with pytest.raises(ValueError, match=r"trainer\.precision"):
        make_cache(tmp_path / "cache", tokenizer, image_data(write_images(tmp_path / "images")), precision="bf16-true")
