"""What the realtime part of this process counts. No tenant and no user is a label: there would be too many series."""

from prometheus_client import Counter, Gauge

CONNECTIONS = Gauge("carillon_socket_connections", "Authenticated connections of this process")
ROOMS = Gauge("carillon_socket_rooms", "Rooms that connections of this process are in")
ROOM_MEMBERS = Gauge("carillon_socket_room_members", "Memberships of this process's connections in rooms")

EMITS = Counter("carillon_socket_emits_total", "Live events put on the wire, one for each connection")
REPLAYED = Counter("carillon_socket_replayed_total", "Events of the log put on the wire, one for each connection")
HEALED = Counter(
    "carillon_socket_healed_total", "Replays that the server began by itself, for what was lost on the way"
)
INCOMPLETE = Counter("carillon_socket_incomplete_replays_total", "Replays that ended in complete: false")
STALLED = Counter("carillon_socket_stalled_total", "Times that emitting stopped because a client did not read")
REFUSED_EVENTS = Counter("carillon_socket_refused_events_total", "Events of clients answered with an error", ["code"])
CONNECT_ERRORS = Counter("carillon_connect_errors_total", "Refused handshakes", ["code"])
STRANGERS_CLOSED = Counter(
    "carillon_strangers_closed_total", "Engine.IO connections without a token that were closed to make room"
)
SUBSCRIPTIONS = Counter("carillon_queue_subscriptions_total", "Times that this process subscribed to the message queue")
UNSIGNED = Counter("carillon_queue_unsigned_total", "Messages on the queue that were dropped: not signed by us")


def open_connections() -> int:
    """How many there are."""
    [gauge] = CONNECTIONS.collect()
    return int(gauge.samples[0].value)
