from pathlib import Path

from hieramp_lit.report.content.places import locate


def test_as_written_then_beside_the_file_then_above_it(tmp_path):
    file = tmp_path / "root/runs/trials/one/result.json"
    file.parent.mkdir(parents=True)
    above = tmp_path / "root/runs/store/set"
    above.mkdir(parents=True)
    assert locate("runs/store/set", file) == above
    beside = file.parent / "runs/store/set"
    beside.mkdir(parents=True)
    assert locate("runs/store/set", file) == beside
    here = Path("runs/store/set")
    here.mkdir(parents=True)
    assert locate("runs/store/set", file) == here
    assert locate(str(above), file) == above


def test_what_is_nowhere_is_none(tmp_path):
    assert locate("gone", tmp_path / "result.json") is None
    assert locate(str(tmp_path / "gone"), tmp_path / "result.json") is None
