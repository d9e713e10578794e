import pytest
import torch

from hieramp_lit.var import VQVAE, Scales


@pytest.mark.parametrize(
    ("ch_mult", "blocks", "sides", "num_phi"),
    [((1,), 1, (1, 3), 1), ((1, 2), 1, (1, 2, 4), 3), ((1, 1, 2), 2, (2, 3), 4)],
)
def test_other_sizes_than_the_published_round_trip_shapes(ch_mult, blocks, sides, num_phi):
    vqvae = VQVAE(Scales(sides), 11, 5, 32, ch_mult, blocks, num_phi).eval()
    image = torch.rand(2, 3, vqvae.image_size, vqvae.image_size) * 2 - 1
    assert vqvae.image_size == sides[-1] * 2 ** (len(ch_mult) - 1)
    tokens = vqvae.encode(image)
    assert tokens.shape == (2, sum(side**2 for side in sides))
    assert tokens.dtype == torch.int64
    decoded = vqvae.decode(tokens)
    assert decoded.shape == image.shape
    assert decoded.abs().max() <= 1
    output = vqvae(image)
    assert torch.equal(output.tokens, tokens)
    torch.testing.assert_close(output.reconstruction.clamp(-1, 1), decoded, atol=1e-5, rtol=1e-5)


def test_training_reaches_every_parameter_that_it_should():
    vqvae = VQVAE(Scales((1, 2)), 8, 4, 32, (1, 2), 1, 2)
    output = vqvae(torch.rand(2, 3, 4, 4) * 2 - 1)
    (output.reconstruction.square().mean() + output.quantization_loss).backward()
    assert [name for name, p in vqvae.named_parameters() if p.grad is None] == []
    # Both ends learn: the encoder through the straight-through estimator, the codebook through its own loss.
    assert vqvae.encoder.conv_in.weight.grad.abs().max() > 0
    assert vqvae.quantize.embedding.weight.grad.abs().max() > 0


def test_an_image_is_encoded_alike_in_any_batch():
    vqvae = VQVAE(Scales((1, 2)), 8, 4, 32, (1, 2), 1).eval()
    images = torch.rand(3, 3, 4, 4) * 2 - 1
    assert torch.equal(vqvae.encode(images), torch.cat([vqvae.encode(image[None]) for image in images]))


@pytest.mark.parametrize("arguments", [{"ch": 40}, {"ch_mult": ()}, {"ch_mult": (1, 0)}, {"num_res_blocks": 0}])
def test_impossible_sizes_are_refused_by_name(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        VQVAE(Scales((1, 2)), 8, 4, **({"ch": 32} | arguments))


def test_an_image_of_the_wrong_side_is_refused():
    with pytest.raises(ValueError, match="patch_nums"):
        VQVAE(Scales((1, 2)), 8, 4, 32, (1, 2), 1).encode(torch.zeros(1, 3, 8, 8))
