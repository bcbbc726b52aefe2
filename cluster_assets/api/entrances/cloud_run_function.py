"""The function on Cloud Run: `functions-framework --asgi --target answer --source` this file.

The module opens the lake of the environment when it is imported.
"""

from __future__ import annotations

import os
import sys

from cluster_assets.api.config import read_config
from cluster_assets.api.entrances.cloud_run import create_function
from cluster_assets.api.entrances.server import create_container_application
from cluster_assets.api.observing import log_to
from cluster_assets.served.days import open_indexes
from cluster_assets.settings import load_settings

log_to(sys.stdout)
answer = create_function(
    create_container_application(open_indexes(load_settings()), read_config(os.environ), os.environ)
)
