"""Weights from the Hugging Face Hub, through its own library: its cache, its offline mode, its tokens."""

import re
from pathlib import Path

HUB_SCHEME = "hf://"
_REVISION = r"refs/pr/\d+|refs/convert/\w+|(?!refs/)[\w.-]+"
_LOCATION = re.compile(rf"hf://(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>{_REVISION}))?/(?P<file>[^@]+)")


def download(location: str, *, key: str) -> Path:
    """The file that a location names, from the cache where it is there already.

    A file that is in the cache is used without a question to the Hub, so that a run neither waits for the network nor
    takes other weights than the one before. Name a revision to be sure of them on other machines too.

    Args:
        location: ``hf://OWNER/REPOSITORY/FILE``, or ``hf://OWNER/REPOSITORY@REVISION/FILE``. A revision is a commit, a
            tag, a branch whose name has no slash, or ``refs/pr/N`` for what is proposed.
        key: Configuration key to name in errors.

    Raises:
        ValueError: If the location is written otherwise.
        FileNotFoundError: If the Hub has no such repository, revision or file, or it can be had only by those who were
            admitted.
        OSError: If it is not in the cache and the Hub cannot be reached.
    """
    # Here: a second for importing it is spent only where something comes from there.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    match = _LOCATION.fullmatch(location)
    if match is None:
        raise ValueError(
            f"{key}={location!r}: expected hf://OWNER/REPOSITORY/FILE, e.g. hf://FoundationVision/var/var_d16.pth, "
            "with a revision as hf://OWNER/REPOSITORY@REVISION/FILE: a commit, tag, branch or refs/pr/N."
        )
    repo, revision, file = match["repo"], match["revision"], match["file"]
    try:
        return Path(hf_hub_download(repo, file, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        pass  # not in the cache yet
    try:
        return Path(hf_hub_download(repo, file, revision=revision))
    except GatedRepoError as error:
        raise FileNotFoundError(
            f"{key}={location!r}: {repo} admits only accounts that its owners accepted. Ask for access on its page, "
            "then `hf auth login`, or give a local file."
        ) from error
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"{key}={location!r}: the Hub shows no repository {repo}. Check its name; a private one needs "
            "`hf auth login`."
        ) from error
    except RevisionNotFoundError as error:
        raise FileNotFoundError(f"{key}={location!r}: {repo} has no revision {revision!r}.") from error
    except LocalEntryNotFoundError as error:  # also when HF_HUB_OFFLINE is set
        raise OSError(
            f"{key}={location!r}: not in the cache, and the Hub cannot be reached ({_first_line(error)}). Unset "
            "HF_HUB_OFFLINE if it is set; or download the file where there is a network (`hf download "
            f"{repo} {file}`), copy it, and give its path."
        ) from error
    except EntryNotFoundError as error:
        raise FileNotFoundError(
            f"{key}={location!r}: {repo} has no file {file!r}. Look at its list of files."
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise OSError(f"{key}={location!r}: the download failed ({_first_line(error)}). Try again.") from error


def _first_line(error: Exception) -> str:
    cause = error.__cause__ or error
    return str(cause).strip().split("\n")[0]
