"""Never finishes its import."""

import os
import threading
from pathlib import Path

Path(os.environ["BEGUN"]).touch()
threading.Event().wait()
