"""own ids of alerts"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("alerts", sa.Column("own_id", sa.String(length=255), nullable=True))
    op.create_index("ix_alerts_tenant_id_own_id", "alerts", ["tenant_id", "own_id"])


def downgrade() -> None:
    op.drop_index("ix_alerts_tenant_id_own_id", "alerts")
    op.drop_column("alerts", "own_id")
