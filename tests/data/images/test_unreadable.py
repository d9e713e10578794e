import warnings

import pytest

from hieramp_lit.data.images.reading import UnreadableImageError
from hieramp_lit.data.images.unreadable import Fault, FaultLog, Loaded

FAULTS = [Fault("b.png", "b.png: cut"), Fault("a.png", "a.png: no image")]


def test_a_log_counts_each_image_once_names_it_and_forgets():
    log = FaultLog("Gone.")
    for _ in range(2):
        log.add(FAULTS)
    with pytest.warns(
        UserWarning, match=r"2 images met in epoch 3 cannot be read\. Gone\.\n  a\.png: .*\n  b\.png: cut$"
    ):
        log.report("epoch 3")
    with warnings.catch_warnings(action="error"):
        log.report("epoch 4")


def test_a_process_says_which_it_is_and_a_long_list_is_cut():
    log = FaultLog("Gone.", rank=2, world_size=4)
    log.add(Fault(f"{i:02d}.png", f"{i:02d}.png: cut") for i in range(23))
    with pytest.warns(UserWarning, match="23 images met in evaluation on rank 2 of 4") as caught:
        log.report("evaluation")
    (text,) = [str(warning.message) for warning in caught]
    assert "19.png" in text
    assert "20.png" not in text
    assert text.endswith("… and 3 more")


def test_a_batch_with_faults_is_filled_but_not_whole():
    assert Loaded(1, []).whole() == Loaded(1, FAULTS).filled() == 1
    for batch in (1, None):
        with pytest.raises(UnreadableImageError, match=r"b\.png: cut.*data\.unreadable: skip"):
            Loaded(batch, FAULTS).whole()
    with pytest.raises(RuntimeError, match="must replace"):
        Loaded(None, FAULTS).filled()
