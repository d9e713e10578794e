"""Impossible trials are refused before anything runs, in one message that names the key."""

from pathlib import Path

import pytest

from hieramp_lit.cli import main
from hieramp_lit.distill import TrialRefusedError
from hieramp_lit.distill.checks import _build
from hieramp_lit.distill.planning import plan_stages
from tests.distill.trials import stages_of, trial_of


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--generate.model.amplification.betta=3", r"generate\.model\.amplification\.betta=3.*the command line"),
        ("--generate.data.seed=1.5", r"generate\.data\.seed=1\.5"),
        ("--generate.model.amplification.rho=[0.5,null]", r"generate\.model\.amplification\.rho=\[0\.5, None\]"),
        ("--generate.model.amplification.rho=2", r"generate\.model\.amplification\.rho=2"),
        ("--generate.model.amplification.beta=[1,2]", r"generate\.model\.amplification\.beta has 2 numbers"),
        ("--generate.model.amplification.blocks=[7]", r"generate\.model\.amplification\.blocks=\[7\]"),
        ("--generate.model.sampling.top_p=2", r"generate\.model\.sampling\.top_p=2"),
        ("--generate.model.save_size=0", r"generate\.model\.save_size=0"),
        ("--generate.data.images_per_class=0", r"generate\.data\.images_per_class=0"),
        ("--generate.data.classes=nowhere", r"generate\.data\.classes='nowhere'"),
        ("--generate.data.class_subset=[11]", r"generate\.data\.class_subset"),
        ("--generate.model.output=x", r"generate\.model\.output='x'.*goes to the store"),
        ("--generate.model.init_args.output=x", r"generate\.model\.init_args\.output"),
        ("--generate.model.checkpoint=x", r"generate\.model\.checkpoint='x'.*tune: null"),
        ("--generate.ckpt_path=x", r"generate\.ckpt_path"),
        ("--generate.print_config=true", r"generate\.print_config.*unknown key"),
        ("--generate.config=[nowhere.yaml]", r"generate\.config: there is no file nowhere\.yaml"),
        ("--generate.config=null", r"generate\.config=None"),
        ("--generate=null", r"generate: a trial needs"),
        ("--generate=5", r"generate=5"),
        ("--real.data.seed=3", r"real\.data\.seed=3.*generate\.data\.seed"),
        ("--real.model.save_size=3", r"real\.model\.save_size=3.*generate\.model\.save_size"),
        ("--students.seeds=[]", r"students\.seeds=\[\]"),
        ("--students.seeds=[0,1,0]", r"students\.seeds=\[0, 1, 0\]: a seed comes twice"),
        ("--students.seeds=[0.5]", r"students\.seeds=\[0\.5\]"),
        ("--students.seeds=3", r"students\.seeds=3"),
        ("--students.model.seed=3", r"students\.model\.seed=3.*students\.seeds"),
        ("--students.model.student=resnet1", r"students\.model\.student='resnet1'"),
        ("--students.model.teacher.checkpoint=no.pth", r"students\.model\.teacher\.checkpoint='no\.pth'"),
        ("--students.trainer.devices=2", r"students\.trainer\.devices=2"),
        ("--students.trainer.devices=[0,1]", r"students\.trainer\.devices=\[0, 1\]"),
        ("--students.trainer.num_nodes=2", r"students\.trainer\.num_nodes=2"),
        ("--students.config=[configs/generate/digits.yaml]", r"students"),
        ("--tune.config=[configs/student/digits.yaml]", r"tune: .*ClassTokenTuning"),
        ("--tune.trainer.devices=2", r"tune\.trainer\.devices=2.*global_batch"),
        ("--generate.config=[configs/generate/digits_real.yaml]", r"tune: .*reads no weights.*tune: null"),
        ("--off=5", r"off=5"),
        ("--off.data.seed=3", r"off\.data\.seed=3.*the command line.*set generate\."),
        ("--off.model.sampling.top_k=3", r"off\.model\.sampling\.top_k=3.*weights, classes, seed and sampling"),
        ("--off.model.init_args.checkpoint=x", r"off\.model\.init_args\.checkpoint='x'"),
        ("--off.trainer.precision=bf16-mixed", r"off\.trainer\.precision"),
        ("--off.trainer.logger=true", r"off\.trainer\.logger"),
        ("--off.model.amplification.beta=3", r"off\.model\.amplification\.beta=3"),
        ("--off.config=[x.yaml]", r"off\.config"),
        ("--off.data.images_per_class=2", r"off\.data\.images_per_class=2.*has 1 a class"),
        ("--off.data.images_per_class=0", r"off\.data\.images_per_class=0"),
        ("--off.data.images_per_class=some", r"off\.data\.images_per_class='some'"),
        ("--off.data.class_subset=[11]", r"off\.data\.class_subset"),
        ("--report=maybe", r"report='maybe'.*report: true or report: false"),
        ("--report.html=true", r"report\.html=True"),
        ("--wandb.projekt=x", r"wandb\.projekt"),
        ("--wandb.mode=somewhere", r"wandb.mode='somewhere'"),
        ("--wandb.mode=online", r"wandb\.mode is online, and no W&B key"),
        ("--name=a/b", r"name='a/b'"),
        ("--store=null", r"store=None"),
        ("--inspect.refrence=digits", r"inspect.*refrence"),
        ("--inspect.output=x", r"inspect\.output"),
        ("--inspect.reference=nowhere", r"inspect\.reference='nowhere'"),
        ("--inspect.inception=no.pth", r"inspect\.inception='no\.pth'"),
        ("--inspect.checkpoint=no.pth", r"inspect\.checkpoint='no\.pth'"),
        ("--inspect.k=3", r"inspect: .*--k"),
        ("--inspect.model.student=x", r"inspect\.model\.student.*inspect\.config"),
    ],
)  # fmt: skip
def test_names_the_key(arguments: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", "no_netrc")
    section = arguments.removeprefix("--").partition(".")[0]
    others = [f"--{other}=null" for other in ("real", "students") if other != section]  # each takes time to parse
    with pytest.raises(TrialRefusedError, match=f"(?s){says}"):
        stages_of(*others, arguments)


@pytest.mark.parametrize("devices", ["1", "[3]", "auto"])
def test_one_device_of_any_name_trains_students(devices: str) -> None:
    assert stages_of("--real=null", f"--students.trainer.devices={devices}").students is not None


def test_a_lost_connection_is_no_refusal() -> None:
    def lose() -> None:
        raise ConnectionResetError("Connection lost")

    with pytest.raises(ConnectionResetError):
        _build("generate.data", lose)
    with pytest.raises(TrialRefusedError, match="absent"):
        _build("generate.data", Path("absent").read_text)


def test_what_amplifies_nothing_has_no_off_and_no_maps() -> None:
    rded = ("--tune=null", "--real=null", "--students=null", "--generate.config=[configs/generate/digits_rded.yaml]")
    with pytest.raises(TrialRefusedError, match=r"generate\.model\.save_saliency=True: Generation has no class tokens"):
        stages_of(*rded)
    without = (*rded, "--generate.model.save_saliency=false")
    with pytest.raises(TrialRefusedError, match=r"off: Generation, .* off: null"):
        stages_of(*without, "--off={}")
    assert stages_of(*without).off is None


def test_off_is_of_classes_that_the_set_has() -> None:
    few = ("--real=null", "--students=null", "--generate.data.class_subset=[3, 5]")
    with pytest.raises(TrialRefusedError, match=r"off\.data\.class_subset: the class rows \[4\] are not among"):
        stages_of(*few, "--off.data.class_subset=[3, 4]")
    assert stages_of(*few, "--off.data.class_subset=[5]").off is not None


def test_weights_of_ones_own_need_no_tuning() -> None:
    stages = stages_of("--tune=null", "--generate.model.checkpoint=asset://digits/var.safetensors")
    assert stages.tune is None
    with pytest.raises(TrialRefusedError, match=r"generate\.model\.checkpoint='runs/digits/class_tokens"):
        stages_of("--tune=null")


def test_real_images_follow_the_generated_plan() -> None:
    stages = stages_of("--generate.data.seed=7", "--generate.data.class_subset=[3, 5]", "--generate.model.save_size=16")
    real, made = stages.values["real"], stages.values["generate"]
    for key in ("classes", "class_rows", "class_subset", "images_per_class", "seed", "shard_size"):
        assert real["data"]["init_args"][key] == made["data"]["init_args"][key]
    assert real["model"]["init_args"]["save_size"] == 16


def test_a_trial_that_is_refused_exits_with_2_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trial_of()
    with pytest.raises(SystemExit) as stop:
        main(["distill", "--config", "configs/distill/digits.yaml", "--generate.model.amplification.rho=3"])
    assert stop.value.code == 2
    assert "refused: generate.model.amplification.rho=3" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_planning_does_not_touch_a_gpu_or_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: pytest.fail("CUDA was asked for"))
    before = torch.random.get_rng_state()
    plan_stages(trial_of())
    assert torch.equal(before, torch.random.get_rng_state())
