"""What every subject needs of SQL: engines, column types, and statements that the two databases spell differently."""
