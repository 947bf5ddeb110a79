"""Local stand-ins for what lies outside: FCM, a mail server, an embedded Redis. No production code imports this."""
