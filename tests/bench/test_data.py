import json
from pathlib import Path

import torch

from hieramp_lit.bench.data import placements
from hieramp_lit.cli import main
from hieramp_lit.data.bank.image_bank import ImageBank

TINY = ["--device", "cpu", "--images", "6", "--image-size", "16", "--batch-size", "4", "--workers", "0",
        "--repeats", "1", "--out", "out.json"]  # fmt: skip


def test_the_bank_stands_beside_the_data_loader(capsys):
    main(["bench", "data", *TINY])
    report = json.loads(Path("out.json").read_text())
    (group,) = report["groups"]
    assert [row["name"] for row in group["rows"]] == ["DataLoader, 0 workers", "bank in memory"]
    assert group["ratio"] == "× speed"
    assert all(row["work"] == 6 and len(row["seconds"]) == 1 for row in group["rows"])
    assert report["settings"] == {"images": 6, "image_size": 16, "batch_size": 4, "workers": 0, "memory_kept": True}
    assert "images/s" in capsys.readouterr().out


def test_a_bank_on_the_cpu_has_one_place():
    bank = ImageBank(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    assert placements(bank, torch.device("cpu")) == {"in memory": bank}
