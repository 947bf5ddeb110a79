"""The Celery application. Imports nothing of ours, so that whoever rings a bell loads no channel."""

from celery import Celery
from kombu.transport.redis import QoS

app = Celery("carillon")
app.config_from_object("celeryconfig")

# When Redis goes away, kombu 5.7 wants to give unacknowledged messages back over the connection that it has just
# closed; the AttributeError that follows ends the worker for good. Bells need no giving back: the relay rings again.
QoS.restore_at_shutdown = False
