from pathlib import Path

import pytest

from hieramp_lit.analysis.saliency import chosen_positions
from hieramp_lit.shards import ShardSet
from tests.shards.conftest import finished  # noqa: F401 (a fixture)


def test_positions_by_hand(finished: Path) -> None:  # noqa: F811
    shards = ShardSet.open(finished)  # ten digits, two images each
    assert chosen_positions(shards) == list(range(0, 20, 2))
    assert chosen_positions(shards, most_classes=3) == [0, 6, 12]
    assert chosen_positions(shards, most_classes=3, images_per_class=5) == [0, 1, 6, 7, 12, 13]
    assert chosen_positions(shards, classes=[7, 2]) == [4, 14]
    assert chosen_positions(shards, keys=["r00003_00001", "r00000_00000", "r00003_00001"]) == [0, 7]


@pytest.mark.parametrize("key", ["r00010_00000", "r00003_00002", "three"])
def test_an_image_that_is_not_there(finished: Path, key: str) -> None:  # noqa: F811
    with pytest.raises(ValueError, match="--images"):
        chosen_positions(ShardSet.open(finished), keys=[key])
