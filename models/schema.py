"""The whole schema: importing this module registers every table with `metadata`. Migrations stand in migrations/."""

import models.addresses.tables
import models.alerts.tables
import models.attachments.tables
import models.audit.tables
import models.catalogue.tables
import models.conversations.tables
import models.deliveries.tables
import models.events.tables
import models.inbox.tables
import models.messages.tables
import models.notifications.tables
import models.outbox.tables
import models.polling.tables
import models.rooms.tables
import models.tenants.tables
import models.topics.tables
import models.usage.tables
import models.users.tables  # noqa: F401 - imported for the registration
from models.sql.types import metadata

__all__ = ["metadata"]
