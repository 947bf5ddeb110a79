"""Every query on notifications and deliveries, a module per verb.

The caller opens the transaction and says what time it is.
"""
