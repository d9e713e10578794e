"""Curves of several seeds, joined by epoch."""

from pathlib import Path

import pytest

from hieramp_lit.tracking.curves import curve_rows


def _write(name: str, text: str) -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def test_rows_by_epoch_with_mean_and_sample_deviation() -> None:
    # as Lightning writes it: training and validation of an epoch stand in lines of their own
    first = _write("0.csv", "epoch,step,train/loss,val/top1,val/loss\n0,9,2.0,,\n0,9,,0.2,7\n1,19,1.0,,\n1,19,,0.4,7\n")
    second = _write("1.csv", "epoch,step,val/top1,train/loss\n0,9,,4.0\n0,9,0.4,\n")
    rows = curve_rows({3: first, 5: second})
    assert rows == [
        {
            "curves/epoch": 0,
            "curves/seed-3/val/top1": 0.2,
            "curves/seed-5/val/top1": 0.4,
            "curves/mean/val/top1": pytest.approx(0.3),
            "curves/std/val/top1": pytest.approx(0.02**0.5),
            "curves/seed-3/train/loss": 2.0,
            "curves/seed-5/train/loss": 4.0,
            "curves/mean/train/loss": 3.0,
            "curves/std/train/loss": pytest.approx(2**0.5),
        },
        # the second seed has not come that far: no mean that is one seed's alone
        {"curves/epoch": 1, "curves/seed-3/val/top1": 0.4, "curves/seed-3/train/loss": 1.0},
    ]


def test_one_seed_has_no_deviation() -> None:
    (row,) = curve_rows({0: _write("0.csv", "epoch,val/top5\n2,0.5\n")})
    assert row == {"curves/epoch": 2, "curves/seed-0/val/top5": 0.5, "curves/mean/val/top5": 0.5}


def test_what_a_resumed_run_repeats_counts_as_it_was_last() -> None:
    (row,) = curve_rows({0: _write("0.csv", "epoch,val/top1\n0,0.1\n0,0.2\n")})
    assert row["curves/seed-0/val/top1"] == 0.2


def test_a_value_that_is_no_number_spoils_no_mean() -> None:
    (row,) = curve_rows({0: _write("0.csv", "epoch,train/loss,val/top1\n0,nan,0.5\n")})
    assert "curves/mean/train/loss" not in row
    assert row["curves/mean/val/top1"] == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [("epoch,val/top1\n0,high\n", "ValueError"), ("val/top1\n0.5\n", "KeyError"), ("epoch,step\n0,1\n", "none of the")],
)
def test_other_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"0\.csv.*{message}"):
        curve_rows({0: _write("0.csv", text)})


def test_an_absent_file_is_named() -> None:
    with pytest.raises(ValueError, match=r"absent\.csv"):
        curve_rows({0: Path("absent.csv")})
