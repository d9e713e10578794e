"""Where `wandb login` and clusters leave the key."""

import netrc
import os
from urllib.parse import urlparse

_SERVER = "https://api.wandb.ai"


def has_key() -> bool:
    """Whether W&B's key is known: ``WANDB_API_KEY``, or netrc's line for the server; looked up without the network."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", _SERVER)).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
