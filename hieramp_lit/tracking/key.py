"""Where `wandb login` and clusters leave the key."""

import netrc
import os

from hieramp_lit.tracking.server import server_host


def has_key() -> bool:
    """Whether W&B's key is known: ``WANDB_API_KEY``, or netrc's line for the server; looked up without the network."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(server_host()) is not None
    except (OSError, netrc.NetrcParseError):
        return False
