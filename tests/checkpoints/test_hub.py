"""Weights from the Hub: a server of this machine in its place, and a cache as its library keeps it."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import huggingface_hub.file_download
import pytest
import torch

from hieramp_lit.checkpoints import read_tensors, resolve, save
from hieramp_lit.checkpoints.hub import download

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOCATION = "hf://Lab/var/sizes/var_d2.safetensors"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    return folder


class Hub:
    """What the server holds, and what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.refusals: dict[str, str] = {}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Hub]:
    """A server that answers as the Hub does."""
    ours = Hub()

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            ours.asked.append(f"{self.command} {self.path}")
            content = ours.files.get(self.path)
            if content is None:
                repo = "/".join(self.path.split("/")[1:3])
                self.send_response(403 if ours.refusals.get(repo) == "GatedRepo" else 404)
                self.send_header("X-Error-Code", ours.refusals.get(repo, "EntryNotFound"))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    for module in (huggingface_hub.constants, huggingface_hub.file_download):  # releases take it from one or the other
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    yield ours
    server.shutdown()
    thread.join()
    server.server_close()


def weights(folder: Path) -> bytes:
    save(folder / "w.safetensors", {"weight": torch.arange(3.0)})
    return (folder / "w.safetensors").read_bytes()


def test_a_file_is_downloaded_once_and_then_taken_from_the_cache(hub: Hub, tmp_path: Path) -> None:
    hub.files["/Lab/var/resolve/main/sizes/var_d2.safetensors"] = weights(tmp_path)
    path = resolve(LOCATION, key="model.checkpoint")
    assert torch.equal(read_tensors(path)["weight"], torch.arange(3.0))
    asked = list(hub.asked)
    assert [request for request in asked if request.startswith("GET")] != []
    assert resolve(LOCATION) == path
    assert hub.asked == asked  # no question to the Hub


def test_a_revision_can_be_named(hub: Hub, tmp_path: Path) -> None:
    hub.files["/Lab/var/resolve/v1.0/w.safetensors"] = weights(tmp_path)
    assert resolve("hf://Lab/var@v1.0/w.safetensors").read_bytes() == weights(tmp_path)


def test_a_revision_may_be_a_proposal(hub: Hub, tmp_path: Path) -> None:
    hub.files["/Lab/var/resolve/refs%2Fpr%2F1/sizes/w.safetensors"] = weights(tmp_path)
    assert resolve("hf://Lab/var@refs/pr/1/sizes/w.safetensors").read_bytes() == weights(tmp_path)


@pytest.mark.parametrize(
    ("refusal", "location", "message"),
    [
        ("EntryNotFound", "hf://Lab/var/var_d99.pth", r"Lab/var has no file 'var_d99\.pth'"),
        ("RepoNotFound", "hf://Lab/vra/var_d2.pth", r"no repository Lab/vra.*hf auth login"),
        ("RevisionNotFound", "hf://Lab/var@v9/var_d2.pth", r"Lab/var has no revision 'v9'"),
        ("GatedRepo", "hf://Lab/secret/var_d2.pth", r"Lab/secret admits only.*hf auth login"),
    ],
)
def test_what_the_hub_refuses_is_named_with_key_and_remedy(hub: Hub, refusal: str, location: str, message: str) -> None:
    hub.refusals[location.removeprefix("hf://").split("@")[0].rsplit("/", 1)[0]] = refusal
    hub.refusals["Lab/var"] = refusal
    with pytest.raises(FileNotFoundError, match=rf"model\.checkpoint='{location}': .*{message}"):
        resolve(location, key="model.checkpoint")


def test_offline_the_cache_serves_and_what_is_not_there_is_told(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repo = cache / "models--Lab--var"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT)
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "w.safetensors").write_bytes(weights(tmp_path))
    assert resolve("hf://Lab/var/w.safetensors") == snapshot / "w.safetensors"
    with pytest.raises(
        OSError, match=r"model\.checkpoint=.*not in the cache.*HF_HUB_OFFLINE.*hf download Lab/var x\.pth"
    ):
        resolve("hf://Lab/var/x.pth", key="model.checkpoint")


@pytest.mark.parametrize(
    "location", ["hf://var_d16.pth", "hf://Lab/var", "hf://Lab/var@/w.pth", "hf://", "hf://Lab/var@refs/heads/x/w.pth"]
)
def test_other_spellings_are_refused(location: str) -> None:
    with pytest.raises(ValueError, match=r"model\.checkpoint=.*hf://OWNER/REPOSITORY/FILE"):
        download(location, key="model.checkpoint")
