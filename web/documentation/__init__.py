"""The documentation that the server gives out: the HTTP API, the events of the socket, and the guides of docs/."""
