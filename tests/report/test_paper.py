"""The paper's numbers: whole, and in the installed package."""

from collections import Counter
from pathlib import Path

import pytest
from setuptools import Distribution

from hieramp_lit.report.paper import TABLES, TITLES, paper_cells

ROOT = Path(__file__).parents[2]


def test_every_number_has_its_own_place() -> None:
    cells = paper_cells()
    places = Counter(cell[:8] for cell in cells)
    assert [place for place, times in places.items() if times > 1] == []
    assert {cell.table for cell in cells} == set(TABLES) == set(TITLES)
    assert Counter(cell.table for cell in cells)["3"] == 21


def test_a_number_as_it_is_printed() -> None:
    (cell,) = [cell for cell in paper_cells() if (cell.table, cell.setting) == ("3", "coarse 5 50%")]
    assert (cell.mean, cell.std, cell.printed) == (47.6, 0.3, "47.6 ± 0.3")
    (cell,) = [cell for cell in paper_cells() if cell.method == "IDC-1"]
    assert (cell.std, cell.printed) == (None, "48.3")


def test_an_installed_package_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    distribution = Distribution({"script_name": "setup.py"})
    distribution.parse_config_files(["pyproject.toml"])
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    shipped = {(package, name) for package, _, _, names in command.data_files for name in names}
    assert ("hieramp_lit", "report/paper_results.csv") in shipped
