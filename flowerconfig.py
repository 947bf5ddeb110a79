"""Flower's settings, each with its reason. Flower finds this file by its name; it also reads FLOWER_* itself.

Flower is a window on the queue, not a control room: what may be done to deliveries is done through the API.
"""

import os
import sys
from logging import getLogger

from config.logging_setup import configure_logging
from config.settings import Settings

# Whoever may look can read task names and broker statistics; whoever may act could stop the workers.
read_only = True
if not os.environ.get("FLOWER_BASIC_AUTH"):
    sys.exit("FLOWER_BASIC_AUTH: Flower does not start without user:password")

# Behind a proxy by default; FLOWER_ADDRESS opens it.
address = os.environ.get("FLOWER_ADDRESS") or "127.0.0.1"

# The workers send events by themselves (-E): no need to remind them every five seconds.
enable_events = False
# What happened is in SQL; what Flower remembers is for watching.
persistent = False
max_tasks = 10_000
# A worker that was replaced would be listed as offline for ever.
purge_offline_workers = 3600

# Tornado adds a handler of its own only where there is none.
logging = "warning"
configure_logging(Settings.from_env().log_level)
# It asks workers that have not started yet, and warns that they do not answer.
getLogger("flower.inspector").setLevel("ERROR")
