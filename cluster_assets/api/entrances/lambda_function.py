"""The function on Lambda: `cluster_assets.api.entrances.lambda_function.handler`.

The module opens the lake of the environment when it is imported, which Lambda does before the first event.
"""

from __future__ import annotations

import gc
import os
import sys

gc.disable()  # imports leave no garbage; looking for it takes a tenth of a cold start

from cluster_assets.api.entrances.lambda_events import create_handler
from cluster_assets.api.observing import log_to
from cluster_assets.served.days import open_indexes
from cluster_assets.storage_settings import load_storage_settings

log_to(sys.stdout)
handler = create_handler(open_indexes(load_storage_settings()), os.environ)
gc.freeze()  # what is loaded now stays; no later collection looks through it
gc.enable()
