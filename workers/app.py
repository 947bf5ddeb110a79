"""The Celery application. Imports nothing of ours, so that whoever rings a bell loads no channel."""

from celery import Celery

app = Celery("carillon")
app.config_from_object("celeryconfig")
