import io
import os
import re
import signal
from pathlib import Path

import pytest
import torch
from rich.console import Console

from hieramp_lit.checkpoints import read_tensors, save
from hieramp_lit.cli import main
from hieramp_lit.commands.students import seeds_table
from hieramp_lit.files import write_json
from hieramp_lit.report import results
from hieramp_lit.students import create_student
from tests.data.digits_set import make_digits_set
from tests.devices.accidents import accident, hieramp_on

ROOT = Path(__file__).parents[2]
CONFIGURATION = [
    "--config",
    str(ROOT / "configs/student/digits.yaml"),
    "--config",
    str(ROOT / "tests/tiny/student.yaml"),
]


@pytest.fixture(scope="module")
def digits_set(tmp_path_factory):
    return make_digits_set(tmp_path_factory.mktemp("sets") / "digits")


def students(digits_set, *seeds, flags=(), out="out"):
    main(
        ["students", *CONFIGURATION, "--data.path", str(digits_set), "--seeds", *map(str, seeds), "--out", out, *flags]
    )


def test_each_seed_equals_a_fit_of_its_own_and_all_make_a_cell(digits_set, capsys):
    students(digits_set, 0, 3, flags=["--model.export", "anywhere/student.safetensors"])
    for seed in (0, 3):
        flags = ["--model.seed", str(seed), "--model.output", "alone.json", "--model.export", "alone.safetensors"]
        main(["fit", *CONFIGURATION, "--data.path", str(digits_set), *flags])
        alone, together = results.read(Path("alone.json")), results.read(Path(f"out/seed-{seed}"))
        assert {**alone, "seconds": 0} == {**together, "seconds": 0}
        weights = read_tensors(Path(f"out/seed-{seed}/student.safetensors"))
        for name, tensor in read_tensors(Path("alone.safetensors")).items():
            assert weights[name].equal(tensor)
    cell = results.read(Path("out"))
    assert cell == results.aggregate([results.read(Path(f"out/seed-{seed}")) for seed in (0, 3)])
    assert cell["student_seeds"] == [0, 3]
    assert "student seeds" in capsys.readouterr().out


def test_each_seeds_last_best_and_best_epoch_are_shown_and_mean_and_both_deviations():
    def run(seed, last, best, epoch):
        return {
            "student_seed": seed, "generate_seed": 0, "manifest_sha256": "0",
            "last": {"top1": last, "top5": 1.0, "epoch": 300}, "best": {"top1": best, "top5": 1.0, "epoch": epoch},
        }  # fmt: skip

    runs = [run(0, 0.40, 0.50, 260), run(4, 0.46, 0.48, 300)]
    protocol = {"name": "d3hr", "version": 1}
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(seeds_table({"protocol": protocol, "per_seed": runs, "summary": results.summarize(runs)}))
    rows = [re.findall(r"[\w.,–]+(?: population| sample)?", line) for line in console.export_text().splitlines()]
    shown = [row for row in rows if row]
    for expected in (
        ["0", "40.00", "50.00", "260"],
        ["4", "46.00", "48.00", "300"],
        ["mean", "43.00", "49.00"],
        ["std, sample", "4.24", "1.41"],  # √(2 · 3²), √(2 · 1²)
        ["std, population", "3.00", "1.00"],
    ):
        assert expected in shown
    assert "protocol d3hr version 1" in " ".join(shown[0])

    alone = run(0, 0.4, 0.4, 1)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(seeds_table({"protocol": protocol, "per_seed": [alone], "summary": results.summarize([alone])}))
    assert re.search("std, sample *│ *– *│ *–", console.export_text())


def test_it_goes_on_where_it_stopped(digits_set):
    students(digits_set, 0)
    before = Path("out/seed-0/result.json").read_bytes()
    students(digits_set, 0, 1)
    assert Path("out/seed-0/result.json").read_bytes() == before
    assert results.read(Path("out"))["student_seeds"] == [0, 1]


def test_a_signal_stops_it_inside_of_a_seed_where_it_goes_on(digits_set, tmp_path):
    command = ["students", *CONFIGURATION, "--trainer.max_epochs", "4", "--data.path", str(digits_set)]
    command += ["--trainer.enable_checkpointing", "true"]
    command += ["--seeds", "0", "1", "--out", "out", "--model.export", "student.safetensors"]
    stop = accident(tmp_path, "SignalAt", save_every=1, signum=int(signal.SIGUSR1), step=2, seed=1)
    whole = hieramp_on(tmp_path / "whole", *command)
    assert whole.join() == [0], whole.said()
    cut = hieramp_on(tmp_path / "cut", *command, *stop, environment={"SLURM_JOB_ID": "7", "PATH": str(tmp_path)})
    assert cut.join() == [128 + signal.SIGUSR1], cut.said()
    assert "Job 7 is not requeued: scontrol cannot be run" in cut.said()
    assert cut.said().rstrip().endswith("Submit it again.")  # a seed's own checkpoint is found by itself
    assert "stopped in seed 1. Seeds that are done and this one's checkpoint are kept" in cut.said()
    before = (tmp_path / "cut/out/seed-0/result.json").read_bytes()
    again = hieramp_on(tmp_path / "cut", *command, *stop)
    assert again.join() == [0], again.said()
    assert "Restored all states from the checkpoint" in again.said()
    assert (tmp_path / "cut/out/seed-0/result.json").read_bytes() == before
    assert not (tmp_path / "cut/out/seed-1/resume_from").exists()
    for seed in (0, 1):
        ours, theirs = (
            read_tensors(tmp_path / part / f"out/seed-{seed}/student.safetensors") for part in ("cut", "whole")
        )
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        one, other = (results.read(tmp_path / part / f"out/seed-{seed}") for part in ("cut", "whole"))
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_another_configuration_in_the_same_folder_is_refused_and_the_difference_named(digits_set):
    students(digits_set, 0)
    with pytest.raises(ValueError, match=r"(?s)--out out.*\+ +lr: 0\.5"):
        students(digits_set, 0, 1, flags=["--model.protocol.lr", "0.5"])


def test_another_set_at_the_same_place_is_refused(tmp_path):
    make_digits_set(tmp_path / "first", seed=1).rename(tmp_path / "set")
    students(tmp_path / "set", 0)
    (tmp_path / "set").rename(tmp_path / "moved")
    make_digits_set(tmp_path / "second", seed=2).rename(tmp_path / "set")
    with pytest.raises(ValueError, match=r"data\.path"):
        students(tmp_path / "set", 0, 1)


def weights(path, seed):
    """Random weights of the digits' teacher, which is also a student's."""
    torch.manual_seed(seed)
    save(path, create_student("convnet3_w32", 10, 32).state_dict())
    return str(path)


@pytest.mark.parametrize("key", ["model.teacher.checkpoint", "model.checkpoint"])
def test_other_weights_at_the_same_place_are_refused(key, digits_set, tmp_path):
    flags = [f"--{key}", weights(tmp_path / "weights.safetensors", 0)]
    students(digits_set, 0, flags=flags)
    students(digits_set, 0, flags=flags)
    weights(tmp_path / "weights.safetensors", 1)
    with pytest.raises(ValueError, match=rf"seed-0/result\.json.*{re.escape(key)}=.*Delete out/seed-0"):
        students(digits_set, 0, 1, flags=flags)
    assert not Path("out/seed-1").exists()
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(key)):
        students(digits_set, 0, flags=flags)


def test_what_hard_labels_do_not_read_may_change(digits_set, tmp_path):
    flags = ["--model.teacher.checkpoint", weights(tmp_path / "weights.safetensors", 0), "--model.protocol.labels=hard"]
    students(digits_set, 0, flags=flags)
    weights(tmp_path / "weights.safetensors", 1)
    students(digits_set, 0, flags=flags)


def test_seeds_that_were_judged_by_other_images_are_refused(digits_set):
    students(digits_set, 0, 1)
    before = results.read(Path("out/seed-0"))
    validation = {**before["validation"], "sha256": "0" * 64}
    write_json(Path("out/seed-0/result.json"), {**before, "validation": validation})
    os.utime("out/seed-0/result.json", (0, 0))  # written before the other
    with pytest.raises(ValueError, match=rf"out/seed-0/result\.json.*{'0' * 64}.*Delete out/seed-0 and"):
        students(digits_set, 0, 1, 2)
    assert not Path("out/seed-2").exists()
    with pytest.raises(ValueError, match=r"data\.validation changed.*Delete out/seed-0 and"):
        students(digits_set, 0, 2, 3)  # known when the first of the new ones is done
    assert not Path("out/seed-3").exists()


def test_a_seed_that_comes_twice_is_refused(digits_set):
    with pytest.raises(ValueError, match="comes twice"):
        students(digits_set, 1, 1)


def test_a_configuration_that_trains_no_student_is_refused():
    with pytest.raises(ValueError, match=r"configs/student.*TokenizerTraining"):
        main(["students", "--config", str(ROOT / "configs/tokenizer/digits.yaml"), "--seeds", "0", "--out", "out"])


def test_unknown_keys_are_refused_in_the_commands_own_name(digits_set, capsys):
    with pytest.raises(SystemExit):
        students(digits_set, 0, flags=["--model.sise", "3"])
    shown = capsys.readouterr().err
    assert "hieramp students" in shown
    assert "sise" in shown
