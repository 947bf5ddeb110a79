"""The Celery application of the workers."""

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), "workers.broker:Transport")

app = Celery("carillon")
app.config_from_object("celeryconfig")
