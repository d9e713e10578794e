"""Whether W&B's server answers at all, before a run is started that would wait for it."""

import http.client
import os
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlparse

_SERVER = "https://api.wandb.ai"


def server_url() -> str:
    """The server's address: ``WANDB_BASE_URL``, or W&B's own."""
    return os.environ.get("WANDB_BASE_URL") or _SERVER


def server_host() -> str:
    """The name of its machine, under which netrc holds the key."""
    return urlparse(server_url()).hostname or ""


def why_silent(patience: float) -> str | None:
    """Ask the server for anything.

    wandb has no such question, and older releases of it never end once they wait for a server that takes connections
    and says nothing.

    Args:
        patience: Seconds to wait for an answer.

    Returns:
        None if something answers, be it a refusal; else what went wrong.
    """
    try:
        urllib.request.urlopen(server_url(), timeout=patience).close()
    except (urllib.error.HTTPError, http.client.HTTPException, ssl.SSLError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return None if isinstance(reason, ssl.SSLError) else f"{server_url()}: {reason}"
    return None
