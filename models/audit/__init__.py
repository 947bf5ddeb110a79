"""The audit log: who changed what in the administration, when, and from where."""
