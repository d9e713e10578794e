import pytest

from hieramp_lit.data.bank.host_memory import available_bytes

GIB = 2**30


@pytest.fixture
def host(tmp_path):
    """A system with 8 GiB left."""
    (tmp_path / "meminfo").write_text("MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\nHugePages_Total: 0\n")
    return tmp_path


def limit(host, most, used, files):
    (host / "memory.max").write_text(f"{most}\n")
    (host / "memory.current").write_text(f"{used}\n")
    (host / "memory.stat").write_text(f"anon {used - files}\ninactive_file {files}\n")


def test_what_the_system_has_left(host):
    assert available_bytes(host / "meminfo", host / "none") == 8 * GIB
    assert available_bytes(host / "none", host) is None


@pytest.mark.parametrize(
    ("most", "used", "files", "expected"),
    [
        ("max", 4 * GIB, GIB, 8 * GIB),
        (6 * GIB, 4 * GIB, 0, 2 * GIB),
        (6 * GIB, 4 * GIB, GIB, 3 * GIB),
        (64 * GIB, 4 * GIB, 0, 8 * GIB),
        (2 * GIB, 3 * GIB, 0, 0),
    ],
)
def test_a_containers_limit_counts_and_pages_of_files_do_not(host, most, used, files, expected):
    limit(host, most, used, files)
    assert available_bytes(host / "meminfo", host) == expected


def test_this_machine_has_some():
    assert available_bytes() is None or 0 < available_bytes() < 2**50
