"""Use of the codebook, from hand-made tokens on disk to the result."""

import numpy as np
import pytest
import torch

from hieramp_lit.inspection import SetImages, TokenMaps, inspect_set, token_maps
from hieramp_lit.inspection.findings import Findings
from hieramp_lit.inspection.tokens import TokenCount
from hieramp_lit.shards import ShardSet
from hieramp_lit.var import Scales
from tests.inspection.sets import CODES, LENGTHS, PATCH_NUMS, TokenGenerator, tokens_of
from tests.shards.making import make_set

STAGES = {"coarse": [1], "mid": [2], "fine": [3]}
MAPS = TokenMaps(Scales(PATCH_NUMS), CODES)


def inspect(folder, maps=MAPS, **options):
    shards = ShardSet.open(folder)
    return inspect_set(SetImages(shards, shards.classes), [], maps=maps, **options)


def of_scale(scale, rows, images=3):
    start = sum(LENGTHS[:scale])
    return torch.cat([tokens_of(row, i)[start : start + LENGTHS[scale]] for row in rows for i in range(images)]).numpy()


def entropy(tokens):
    counts = np.array([(tokens == code).sum() for code in range(CODES)])
    p = counts[counts > 0] / counts.sum()
    return -(p * np.log(p)).sum()


def test_entropy_and_coverage_are_those_of_the_stored_tokens(tokens):
    found = inspect(tokens)
    summary = found["summary"]
    for stage, (scale,) in STAGES.items():
        whole, each = of_scale(scale, range(10)), [of_scale(scale, [row]) for row in range(10)]
        assert summary[f"token_entropy/{stage}"] == pytest.approx(entropy(whole))
        assert summary[f"token_coverage/{stage}"] == pytest.approx(len(set(whole)) / CODES)
        assert summary[f"class_token_entropy/{stage}"] == pytest.approx(np.mean([entropy(one) for one in each]))
        assert summary[f"class_token_coverage/{stage}"] == pytest.approx(
            np.mean([len(set(one)) / CODES for one in each])
        )
        assert [row[f"token_entropy/{stage}"] for row in found["per_class"]] == pytest.approx(list(map(entropy, each)))
        row = found["per_scale"][scale]
        assert (row["stage"], row["side"], row["tokens"]) == (stage, PATCH_NUMS[scale], len(whole))
        assert row["token_top_mass"] == pytest.approx(max((whole == code).mean() for code in range(CODES)))
        assert row["token_perplexity"] == pytest.approx(np.exp(entropy(whole)))
    everything = np.concatenate([of_scale(scale, range(10)) for scale in range(4)])
    assert summary["codebook_coverage"] == pytest.approx(len(set(everything)) / CODES)
    assert summary["codebook_perplexity"] == pytest.approx(np.exp(entropy(everything)))
    # classes of higher rows were given more codes
    assert found["per_class"][9]["token_coverage/fine"] > found["per_class"][0]["token_coverage/fine"] == 2 / CODES


def test_batches_change_nothing(tokens):
    assert inspect(tokens, batch_size=4)["summary"] == inspect(tokens)["summary"]


def test_a_stage_of_several_scales_is_their_mean_and_pools_their_counts():
    maps = TokenMaps(Scales((1, 1, 2, 2, 2)), 4)  # two coarse scales, of 1 and 4 tokens
    count, found = TokenCount(maps, 1), Findings()
    count.update(torch.tensor([[0, 1, 0, 0, 1, 1, *[2] * 8], [0, 1, 0, 0, 1, 1, *[2] * 8]]), torch.tensor([0, 0]))
    _, per_stage = count.measure(found)
    assert found.summary["token_entropy/coarse"] == pytest.approx(np.log(2) / 2)
    assert found.summary["token_coverage/coarse"] == pytest.approx((1 / 4 + 2 / 4) / 2)
    share = np.array([4, 6]) / 10
    assert per_stage["coarse"]["pooled_entropy"] == pytest.approx(-(share * np.log(share)).sum())
    assert per_stage["coarse"]["pooled_coverage"] == 0.5
    assert per_stage["coarse"]["scales"] == [1, 2]
    assert found.per_class["token_entropy/coarse"] == pytest.approx((np.log(2) / 2,))


def test_one_scale_one_class_one_image():
    count, found = TokenCount(TokenMaps(Scales((1,)), 4), 1), Findings()
    count.update(torch.tensor([[3]]), torch.tensor([0]))
    per_scale, per_stage = count.measure(found)
    assert (per_scale[0]["token_coverage"], per_scale[0]["class_token_entropy"], per_stage) == (0.25, 0, {})
    assert found.not_measured["token_entropy/coarse"] == "1 scales leave none to this stage"


def test_a_set_says_what_its_tokens_are(tokens, tmp_path):
    told = ShardSet.open(tokens).manifest.configuration
    assert token_maps(told, None, None) == MAPS
    assert token_maps(told, PATCH_NUMS, CODES) == MAPS
    with pytest.raises(ValueError, match=r"--patch-nums and --vocab-size say .* 13, the set says"):
        token_maps(told, PATCH_NUMS, 13)
    with pytest.raises(ValueError, match="give both, or neither"):
        token_maps(told, PATCH_NUMS, None)
    with pytest.raises(ValueError, match="--vocab-size 0"):
        token_maps({}, PATCH_NUMS, 0)
    old = make_set(tmp_path / "old", TokenGenerator(tells=False), images_per_class=3).path
    assert token_maps(ShardSet.open(old).manifest.configuration, None, None) is None
    assert "give --patch-nums and --vocab-size" in inspect(old, None)["not_measured"]["token_entropy/fine"]
    assert inspect(old)["summary"] == inspect(tokens)["summary"]


def test_tokens_that_do_not_fit_are_refused_with_the_images(tokens):
    with pytest.raises(ValueError, match=r"Tokens from 0 to 10 received, the codebook has 10 codes") as error:
        inspect(tokens, TokenMaps(Scales(PATCH_NUMS), 10))
    assert error.value.__notes__[0].startswith("The batch is that of the images r0")
    with pytest.raises(ValueError, match=r"\(images, 5\) and int64 expected: the maps of Scales\(\[1, 2\]\)"):
        inspect(tokens, TokenMaps(Scales((1, 2)), CODES))


def test_some_images_without_tokens_are_a_fault():
    count = TokenCount(MAPS, 1)
    count.update(torch.zeros(1, 18, dtype=torch.int64), torch.tensor([0]))
    count.update(None, torch.tensor([0]))
    with pytest.raises(ValueError, match="1 images have tokens and 1 have none: `hieramp verify`"):
        count.measure(Findings())
