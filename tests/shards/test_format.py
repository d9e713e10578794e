import pytest
from hypothesis import given
from hypothesis import strategies as st

from hieramp_lit.shards.format import parse_key, parse_shard_name, sample_key, shard_name, sidecar_name


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_keys_round_trip_and_have_no_dot(row: int, index: int) -> None:
    key = sample_key(row, index)
    assert parse_key(key) == (row, index)
    assert "." not in key  # webdataset splits a sample's name at the first dot
    assert key == key.lower()


def test_key_of_the_format() -> None:
    assert sample_key(207, 3) == "r00207_00003"


@pytest.mark.parametrize("key", ["r207_3", "00207_00003", "r00207_00003.png", "r00207-00003", "r000207_00003", ""])
def test_bad_keys_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="r00207_00003"):
        parse_key(key)


@given(st.integers(0, 10**8))
def test_shard_names_round_trip(shard: int) -> None:
    assert parse_shard_name(shard_name(shard)) == shard
    assert parse_shard_name(sidecar_name(shard)) is None


@pytest.mark.parametrize("name", ["train-0.tar", "train-0000001.tar", "val-000000.tar", "train-000000.tar.gz"])
def test_other_files_are_no_shards(name: str) -> None:
    assert parse_shard_name(name) is None
