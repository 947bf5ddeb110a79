"""The Celery application of the workers."""

from celery import Celery
from kombu.transport.redis import QoS

app = Celery("carillon")
app.config_from_object("celeryconfig")

# When Redis fails while a task runs, kombu 5.7 closes the channel. It then returns unacknowledged messages through the
# closed channel, and acknowledges tasks that end later through it. Either error ends the worker for good. Bells need
# neither, because the relay rings again.
QoS.restore_at_shutdown = False
_acknowledge = QoS.ack


def _acknowledge_if_open(qos: QoS, delivery_tag: str) -> None:
    if qos.channel.connection is not None:
        _acknowledge(qos, delivery_tag)  # type: ignore[no-untyped-call]


QoS.ack = _acknowledge_if_open  # type: ignore[method-assign]
