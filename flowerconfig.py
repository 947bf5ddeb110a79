"""Flower's settings. Flower finds this file by its name, and also reads FLOWER_* from the environment.

Flower only shows the queues. To act on deliveries, use the API.
"""

import os
import sys
from logging import getLogger

from config.logging_setup import configure_logging
from config.settings import Settings

# With write access, a user of Flower could stop the workers.
read_only = True
if not os.environ.get("FLOWER_BASIC_AUTH"):
    sys.exit("FLOWER_BASIC_AUTH: Flower does not start without user:password")

# Listen on loopback by default, behind a proxy. FLOWER_ADDRESS overrides it.
address = os.environ.get("FLOWER_ADDRESS") or "127.0.0.1"

# The workers send events anyway (-E), so Flower need not enable them every five seconds.
enable_events = False
# Flower's history is not kept across restarts: the history of deliveries is in the database.
persistent = False
max_tasks = 10_000
# Seconds until an offline worker is removed. By default, replaced workers stay in the list for ever.
purge_offline_workers = 3600

# Configure logging first: Tornado adds its own handler only if there is none.
logging = "warning"
configure_logging(Settings.from_env().log_level)
# Flower queries workers before they have started, and warns that they do not answer.
getLogger("flower.inspector").setLevel("ERROR")
