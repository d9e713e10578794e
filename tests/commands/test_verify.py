from pathlib import Path

import pytest

from hieramp_lit.cli import main
from hieramp_lit.data.tokens.cache import TokenCacheError
from hieramp_lit.shards import ShardError
from tests.data.tokens.test_cache import folder as cache  # noqa: F401 (a fixture)
from tests.shards.conftest import copy, finished  # noqa: F401 (fixtures)
from tests.shards.making import contents
from tests.shards.test_verify import TAR, flip_byte

REAL = str(Path(__file__).parents[2] / "configs/generate/digits_real.yaml")


def test_a_whole_set_is_said_to_be_whole(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    main(["verify", str(finished)])
    out = capsys.readouterr().out
    assert f"{finished} is whole: 20 images in 4 shard(s)" in out
    assert "every byte was read" in out
    main(["verify", str(finished), "--quick"])
    assert "shards were not read (--quick)" in capsys.readouterr().out


def test_faults_are_printed_and_raised(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    flip_byte(copy / TAR)
    (copy / "train-000002.json").unlink()
    before = contents(copy)
    with pytest.raises(ShardError, match=r"fault.*--repair --config FILE"):
        main(["verify", str(copy)])
    out = capsys.readouterr().out
    assert f"{TAR}: sha256 differs" in out
    assert "train-000002.json: the sidecar is missing" in out
    assert contents(copy) == before


def test_repair_without_a_configuration_says_what_is_left_to_do(copy: Path) -> None:  # noqa: F811
    flip_byte(copy / TAR)
    with pytest.raises(ShardError, match=r"1 shard\(s\) .*Run the set's `hieramp predict` again"):
        main(["verify", str(copy), "--repair"])
    assert not (copy / TAR).exists()


def test_repair_of_an_unfinished_set_says_that_nothing_is_damaged(copy: Path, tmp_path: Path) -> None:  # noqa: F811
    (copy / "manifest.json").unlink()
    (tmp_path / "empty").mkdir()
    for folder in (copy, tmp_path / "empty"):
        with pytest.raises(
            ShardError, match=r"nothing had to be removed, no shard that is there .* Run the set's `hieramp predict`"
        ):
            main(["verify", str(folder), "--repair"])


def test_repair_makes_the_very_set_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = [REAL, "--data.images_per_class=2", "--data.shard_size=8", "--trainer.logger=false"]
    main(["predict", "--config", *options, f"--model.output={tmp_path / 'set'}"])
    whole = contents(tmp_path / "set")
    flip_byte(tmp_path / "set" / TAR)
    (tmp_path / "set" / "README.md").unlink()
    main(["verify", str(tmp_path / "set"), "--repair", "--config", *options])
    assert contents(tmp_path / "set") == whole
    out = capfd.readouterr().out
    assert "$ hieramp predict --config" in out
    assert "is whole" in out


def test_a_command_that_fails_is_told(copy: Path) -> None:  # noqa: F811
    flip_byte(copy / TAR)
    with pytest.raises(ShardError, match="`hieramp predict` ended with exit code 2"):
        main(["verify", str(copy), "--repair", "--config", "nowhere.yaml"])
    assert {path.name for path in copy.glob("*.tar")} == {f"train-00000{n}.tar" for n in (0, 2, 3)}


@pytest.mark.parametrize(
    "arguments", [["--config", REAL], ["--model.output=x"], ["--repair", "--model.save_size=8"]], ids=" ".join
)
def test_arguments_that_would_be_ignored_are_refused(finished: Path, arguments: list[str]) -> None:  # noqa: F811
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(finished), *arguments])
    assert stop.value.code == 2


def test_no_set(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="is no folder"):
        main(["verify", str(tmp_path / "nowhere")])
    with pytest.raises(ShardError, match="1 fault"):
        main(["verify", str(tmp_path)])


def test_token_caches_are_checked_too(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    main(["verify", str(cache)])
    assert "is whole: a token cache of 11 shard(s)" in capsys.readouterr().out
    flip_byte(cache / "train-view00-000001.tokens.npy")
    with pytest.raises(TokenCacheError, match="SHA-256"):
        main(["verify", str(cache)])
    with pytest.raises(ShardError, match="run its `hieramp tokenize` again"):
        main(["verify", str(cache), "--repair"])
