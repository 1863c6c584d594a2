"""Files of the Hugging Face hub, from its cache; downloaded only if ``MMCLI_ONLINE=1``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from mmcli.errors import MmcliError
from mmcli.models.weights import ONLINE


def hub_files(repository: str, patterns: Sequence[str]) -> Path:
    """Return the folder of a repository in the cache.

    Args:
        repository: ``owner/name`` at https://huggingface.co.
        patterns: The needed files, with ``*`` for any characters.

    Raises:
        MmcliError: They are not in the cache, cannot be downloaded, or this is not a repository name.
    """
    cache = huggingface_hub.constants.HF_HUB_CACHE
    online = os.environ.get(ONLINE) == "1"
    try:
        return Path(
            huggingface_hub.snapshot_download(
                repository, cache_dir=cache, local_files_only=not online, allow_patterns=list(patterns)
            )
        )
    except HFValidationError:
        raise MmcliError(f"{repository}: no such folder, and not the name of a hub repository, owner/name") from None
    except LocalEntryNotFoundError:
        what = "cannot be reached" if online else f"is not in the cache {cache}"
        raise MmcliError(
            f"{repository}: no such folder, and https://huggingface.co/{repository} {what}: get "
            f"{', '.join(patterns)} from there and give the path of the file or its folder, or set {ONLINE}=1 "
            "to let mmcli download them"
        ) from None
    except (HfHubHTTPError, OSError) as error:
        first = str(error).strip().partition("\n")[0]
        raise MmcliError(f"https://huggingface.co/{repository} cannot be downloaded: {first}") from None
