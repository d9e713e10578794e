"""The `wandb` section: what is refused, and which mode comes out."""

from pathlib import Path

import pytest

from hieramp_lit.tracking import Mode, Tracking, has_key

KEY = "0" * 40


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", "netrc")


@pytest.mark.parametrize(
    ("given", "environment", "key", "expected"),
    [
        (None, None, "", "offline"),
        (None, None, KEY, "online"),
        (None, "offline", KEY, "offline"),
        (None, "dryrun", KEY, "offline"),
        (None, "online", KEY, "online"),
        (None, "disabled", KEY, "disabled"),
        ("offline", None, KEY, "offline"),
        ("disabled", "online", "", "disabled"),
        ("online", "offline", KEY, "online"),
    ],
)
def test_mode(
    given: Mode | None, environment: str | None, key: str, expected: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    if environment is not None:
        monkeypatch.setenv("WANDB_MODE", environment)
    monkeypatch.setenv("WANDB_API_KEY", key)
    assert Tracking(mode=given).resolve_mode() == expected


def test_online_without_a_key_says_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"wandb\.mode is online, and no W&B key"):
        Tracking(mode="online").resolve_mode()
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(ValueError, match="WANDB_MODE is online, and no W&B key"):
        Tracking().resolve_mode()


def test_an_unknown_mode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "off")
    with pytest.raises(ValueError, match="WANDB_MODE='off'"):
        Tracking().resolve_mode()
    with pytest.raises(ValueError, match=r"wandb\.mode='off'"):
        Tracking(mode="off")  # type: ignore[arg-type]


def test_impossible_values_name_their_key() -> None:
    with pytest.raises(ValueError, match=r"wandb\.project"):
        Tracking(project="")
    with pytest.raises(ValueError, match=r"wandb\.tags"):
        Tracking(tags="digits")


def test_where_a_key_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_key()
    Path("netrc").write_text(f"machine wandb.lab.example login user password {KEY}\n")
    Path("netrc").chmod(0o600)
    assert not has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.lab.example:8443/path")
    assert has_key()
    Path("netrc").write_text("not a netrc at all")
    assert not has_key()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert has_key()
