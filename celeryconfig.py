"""Celery's settings, each with its reason. Imports nothing of ours; reads the broker from the environment.

The numbers were found by experiment on celery 5.7 and kombu 5.7. docs/adr/0002 describes what they have to guard
against.
"""

import os

from kombu.entity import Queue

broker_url = os.environ.get("BROKER_URL") or os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"

# A message says "look at these now"; results live in SQL. No result back end means none of its leaks.
task_ignore_result = True
result_backend = None

# JSON only: someone who can write to the broker must not be able to run code by pickle.
task_serializer = "json"
accept_content = ["json"]
result_accept_content = ["json"]

# Defence in depth. Execution is guarded by the lease in SQL, so a second delivery of a message is a cheap no-op.
task_acks_late = True
task_reject_on_worker_lost = True
# A failure is rescheduled in SQL; the message has done its duty.
task_acks_on_failure = True
task_acks_on_timeout = True

# One message reserved per thread: a long batch must not hoard bells that another process could answer.
worker_prefetch_multiplier = 1

# Bells are worthless after a while: SQL still holds the work, and the relay rings again every second.
BELL_EXPIRES = 60

imports = ("workers.tasks",)
task_default_queue = "deliver"
task_queues = (Queue("intake"), Queue("deliver"), Queue("push"), Queue("mail"), Queue("housekeeping"))

# Must exceed the longest task and the lease; affordable, because no message waits in the broker (no ETA, no countdown).
VISIBILITY_TIMEOUT = 300
visibility_timeout = VISIBILITY_TIMEOUT
broker_transport_options = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    # By default a frozen Redis hangs a publisher for more than 45 s, and a reader for ever. Above kombu's own
    # brpop_timeout of 1 s, which a shorter time-out would break. bus/amqp.py holds AMQP to it too.
    "socket_timeout": 10,
    # AMQP: without it, a publisher is not told that a broker under an alarm, or a full queue, has not taken a message.
    "confirm_publish": True,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 15,
    # The default looks for lost messages every ~100 s, whatever the visibility time-out says.
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "global_keyprefix": "carillon:",
    # One for each lane; the most urgent is 0, as with us.
    "priority_steps": [0, 1, 2, 3, 4],
}
broker_connection_timeout = 2
broker_pool_acquire_timeout = 2
broker_connection_retry_on_startup = True
# None: try for ever. The default gives up after 100 tries and leaves a worker that is alive and deaf.
broker_connection_max_retries = None
broker_channel_error_retry = True
# A bell that cannot be rung is not worth waiting for.
task_publish_retry_policy = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}

# On SIGQUIT running batches get this long to end, less than any orchestrator's grace. SIGTERM ends a worker as soon as
# its batches have ended; REMAP_SIGTERM=SIGQUIT would make it sleep through the whole time instead.
worker_soft_shutdown_timeout = 20
worker_cancel_long_running_tasks_on_connection_loss = True
worker_eta_task_limit = 100

# Flower: tasks and their times. Arguments are ids, never content.
worker_send_task_events = True
task_send_sent_event = True
worker_hijack_root_logger = False

# Housekeeping only; the relay rings for everything else that is due.
beat_schedule = {
    "purge what is past retention": {
        "task": "purge",
        "schedule": 600.0,
        "options": {"queue": "housekeeping", "expires": 300},
    },
    # Whose bell was lost, or whose storage was away.
    "make previews that are left over": {
        "task": "make previews",
        "schedule": 60.0,
        "options": {"queue": "housekeeping", "expires": 30},
    },
}
beat_schedule_filename = os.path.join(os.environ.get("CARILLON_VAR") or "var", "celerybeat-schedule")
