"""Paths under which client programs of the four namespaces register for push: the same operations as under /v1."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from actions.devices import forget_devices
from actions.principal import Principal
from actions.problems import not_found
from actions.topics import join, leave
from carillon.fields import RegistrationToken, Topic
from web.api.devices import DeviceBody, DeviceView, listed, register
from web.api.endpoint import Api
from web.api.fields import Deleted, View
from web.context import context

api = Api("fcm", "Devices and topics under the paths of the systems before this one.", prefix="/api/fcm")


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class Registration(DeviceBody):
    """A device. Unknown members are ignored, because these clients send some."""

    model_config = ConfigDict(extra="ignore", strict=True)

    token: RegistrationToken | None = Field(None, validation_alias=AliasChoices("token", "device_token", "fcm_token"))
    platform: Annotated[
        Literal["android", "ios", "web"] | None,
        BeforeValidator(_lower),
        Field(validation_alias=AliasChoices("platform", "device_type")),
    ] = None


class Subscription(BaseModel):
    """A topic. A device token in the body is ignored: the user is subscribed, with all their devices."""

    model_config = ConfigDict(extra="ignore", strict=True)

    topic: Topic


class Devices(View):
    """The user's devices."""

    devices: list[DeviceView]


class Unregistered(View):
    """The result of deleting devices."""

    count: int


class Subscribed(View):
    """Whether the user is subscribed to the topic now."""

    topic: str
    subscribed: bool


@api.declare("POST", "/register-device", auth="user", answers={200: DeviceView}, problems=[409])
def register_device_alias(caller: Principal, body: Registration) -> DeviceView:
    """Register the user's device: PUT /v1/devices."""
    return register(caller, caller.id, body)


@api.declare("POST", "/unregister-device", auth="user", answers={200: Deleted}, problems=[404])
def unregister_device_alias(caller: Principal, body: Registration) -> Deleted:
    """Delete the user's device with this token: DELETE /v1/devices/{device}."""
    if not forget_devices(context(), caller, caller.id, lambda row: row.value == body.value):
        raise not_found("device")
    return Deleted()


@api.declare("POST", "/unregister-all", auth="user", answers={200: Unregistered})
def unregister_devices_alias(caller: Principal) -> Unregistered:
    """Delete all of the user's devices: DELETE /v1/devices."""
    return Unregistered(count=forget_devices(context(), caller, caller.id))


@api.declare("GET", "/device-list", auth="user", answers={200: Devices})
def list_devices_alias(caller: Principal) -> Devices:
    """List the user's devices: GET /v1/devices."""
    return Devices(devices=listed(caller.tenant, caller.id))


@api.declare("POST", "/subscribe-topic", auth="user", answers={200: Subscribed}, problems=[404, 409])
def subscribe_topic_alias(caller: Principal, body: Subscription) -> Subscribed:
    """Subscribe the user to an open topic: PUT /v1/subscriptions/{topic}.

    The subscription is kept in Carillon, and not as a topic of FCM.
    """
    join(context(), caller, body.topic)
    return Subscribed(topic=body.topic, subscribed=True)


@api.declare("POST", "/unsubscribe-topic", auth="user", answers={200: Subscribed}, problems=[404])
def unsubscribe_topic_alias(caller: Principal, body: Subscription) -> Subscribed:
    """Unsubscribe the user from an open topic: DELETE /v1/subscriptions/{topic}."""
    leave(context(), caller, body.topic)
    return Subscribed(topic=body.topic, subscribed=False)
