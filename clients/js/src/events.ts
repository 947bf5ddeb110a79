// Generated from Carillon's catalogue of event types. Do not edit: run bin/carillon catalogue typescript.

/** The events that the server sends. */
export const WS_EVENTS = {
  ALERT_ACKNOWLEDGED: "alert:acknowledged",
  ALERT_COUNT: "alert:count",
  ALERT_DELETED: "alert:deleted",
  ALERT_NEW: "alert:new",
  BUDGET_EXCEEDED: "budget:exceeded",
  BUDGET_WARNING: "budget:warning",
  CHAT_CONVERSATION_CREATED: "chat:conversation:created",
  CHAT_CONVERSATION_INVITED: "chat:conversation:invited",
  CHAT_CONVERSATION_JOINED: "chat:conversation:joined",
  CHAT_CONVERSATION_LEFT: "chat:conversation:left",
  CHAT_CONVERSATION_UPDATED: "chat:conversation:updated",
  CHAT_ERROR: "chat:error",
  CHAT_MEMBER_ADDED: "chat:member:added",
  CHAT_MEMBER_CHANGED: "chat:member:changed",
  CHAT_MEMBER_REMOVED: "chat:member:removed",
  CHAT_MESSAGE: "chat:message",
  CHAT_MESSAGE_DELETED: "chat:message:deleted",
  CHAT_MESSAGE_DELIVERED: "chat:message:delivered",
  CHAT_MESSAGE_EDITED: "chat:message:edited",
  CHAT_MESSAGE_REACTIONS: "chat:message:reactions",
  CHAT_MESSAGE_READ: "chat:message:read",
  CHAT_MESSAGE_SENT: "chat:message:sent",
  CHAT_TYPING_START: "chat:typing:start",
  CHAT_TYPING_STOP: "chat:typing:stop",
  DIRECT_MESSAGE: "direct_message",
  ERROR: "error",
  ERROR_OCCURRED: "error:occurred",
  EVENT_SKIPPED: "event:skipped",
  EXPENSE_CREATED: "expense:created",
  EXPENSE_DELETED: "expense:deleted",
  EXPENSE_UPDATED: "expense:updated",
  EXPENSES_BULK_DELETED: "expenses:bulk-deleted",
  GOAL_ACHIEVED: "goal:achieved",
  GOAL_CREATED: "goal:created",
  GOAL_DELETED: "goal:deleted",
  MEMBER_JOINED: "member:joined",
  MEMBER_LEFT: "member:left",
  MEMBER_ROLE_CHANGED: "member:role-changed",
  MILESTONE_COMPLETED: "milestone:completed",
  NOTIFICATION_ARCHIVED: "notification:archived",
  NOTIFICATION_COUNT: "notification:count",
  NOTIFICATION_DELETED: "notification:deleted",
  NOTIFICATION_NEW: "notification:new",
  NOTIFICATION_READ: "notification:read",
  NOTIFICATION_READ_ALL: "notification:read_all",
  NOTIFICATION_SEEN: "notification:seen",
  NOTIFICATION_UNARCHIVED: "notification:unarchived",
  NOTIFICATION_UNREAD: "notification:unread",
  ORDERS_DELIVERY_CONFIRMED: "orders:delivery_confirmed",
  ORDERS_ORDER_UPDATED: "orders:order_updated",
  ORDERS_SHIPMENT_UPDATE: "orders:shipment_update",
  PRESENCE_AWAY: "presence:away",
  PRESENCE_BUSY: "presence:busy",
  PRESENCE_OFFLINE: "presence:offline",
  PRESENCE_ONLINE: "presence:online",
  SESSION_CLOSING: "session:closing",
  SESSION_EXPIRING: "session:expiring",
  SESSION_READY: "session:ready",
  SESSION_RESUMED: "session:resumed",
  SESSION_RESYNC: "session:resync",
  SNS_POST_COMMENTED: "sns:post_commented",
  SNS_POST_LIKED: "sns:post_liked",
  SNS_PUBLISH_FAILED: "sns:publish_failed",
  SNS_PUBLISH_STARTED: "sns:publish_started",
  SNS_PUBLISH_SUCCESS: "sns:publish_success",
  STREAM_DATA: "stream:data",
  STREAM_EXPENSE_UPDATE: "stream:expense_update",
  STREAM_POND_UPDATE: "stream:pond_update",
  STREAM_TASK_UPDATE: "stream:task_update",
  SYNC_COMPLETED: "sync:completed",
} as const;

/** The events that clients send. */
export const WS_CLIENT_EVENTS = {
  ALERT_ACKNOWLEDGE: "alert:acknowledge",
  ALERT_COUNT: "alert:count",
  AUTH_REFRESH: "auth:refresh",
  CHAT_CONVERSATION_CREATE: "chat:conversation:create",
  CHAT_CONVERSATION_JOIN: "chat:conversation:join",
  CHAT_CONVERSATION_LEAVE: "chat:conversation:leave",
  CHAT_DELETE: "chat:delete",
  CHAT_DELIVERED: "chat:delivered",
  CHAT_EDIT: "chat:edit",
  CHAT_REACT: "chat:react",
  CHAT_READ: "chat:read",
  CHAT_SEND: "chat:send",
  CHAT_TYPING: "chat:typing",
  CHAT_UNREACT: "chat:unreact",
  NOTIFICATION_ACK: "notification:ack",
  NOTIFICATION_ARCHIVE: "notification:archive",
  NOTIFICATION_CLEAR: "notification:clear",
  NOTIFICATION_COUNT: "notification:count",
  NOTIFICATION_DELETE: "notification:delete",
  NOTIFICATION_READ: "notification:read",
  NOTIFICATION_READ_ALL: "notification:read_all",
  NOTIFICATION_SEEN: "notification:seen",
  NOTIFICATION_UNARCHIVE: "notification:unarchive",
  NOTIFICATION_UNREAD: "notification:unread",
  PRESENCE_AWAY: "presence:away",
  PRESENCE_BUSY: "presence:busy",
  PRESENCE_LIST: "presence:list",
  PRESENCE_ONLINE: "presence:online",
  PRESENCE_SET: "presence:set",
  ROOM_JOIN: "room:join",
  ROOM_LEAVE: "room:leave",
  SNS_PUBLISH_START: "sns:publish_start",
  SYNC: "sync",
  TEST: "test",
} as const;

/** The payload of each event of the server. */
export interface WsPayloads {
  /** Somebody has acknowledged an alert */
  "alert:acknowledged": { id?: string; alert_id: string; acknowledged_by?: string; acknowledged_at?: string; own_ids?: Array<string | number>; [member: string]: unknown };
  /** The number of unacknowledged alerts has changed */
  "alert:count": { unacknowledged?: number; [member: string]: unknown };
  /** An alert was deleted */
  "alert:deleted": { alert_id: string; own_ids?: Array<string | number>; [member: string]: unknown };
  /** An alert was raised for the whole tenant */
  "alert:new": { id?: string; alert_id: string; title: string; message: string; severity: "info" | "success" | "warning" | "error" | "critical"; type: string; data?: { [member: string]: unknown }; created_at?: string; own_ids?: Array<string | number>; [member: string]: unknown };
  /** A budget is exceeded */
  "budget:exceeded": { message: string; [member: string]: unknown };
  /** 80 % of a budget is spent */
  "budget:warning": { message?: string; [member: string]: unknown };
  /** A conversation was begun */
  "chat:conversation:created": { conversationId: string; id?: string; type: "direct" | "group"; name?: string | null; history?: "shared" | "joined" | "invited"; participants: Array<string>; memberCount?: number; createdBy?: string | null; createdAt?: string; [member: string]: unknown };
  /** The user is invited to a conversation */
  "chat:conversation:invited": { conversationId: string; name?: string | null; by?: string | null; timestamp: string; [member: string]: unknown };
  /** The user is a member of a conversation now */
  "chat:conversation:joined": { conversationId: string; id?: string; type: "direct" | "group"; name?: string | null; history?: "shared" | "joined" | "invited"; participants: Array<string>; memberCount?: number; createdBy?: string | null; createdAt?: string; by?: string | null; [member: string]: unknown };
  /** The user is no longer a member of a conversation, or no longer invited */
  "chat:conversation:left": { conversationId: string; by?: string | null; timestamp: string; [member: string]: unknown };
  /** A conversation has another name, or shows new members another part of its history */
  "chat:conversation:updated": { conversationId: string; name: string | null; history: "shared" | "joined" | "invited"; by?: string | null; timestamp: string; [member: string]: unknown };
  /** What the client asked for was not done */
  "chat:error": { code: string; message: string; tempId?: string; [member: string]: unknown };
  /** There are new members */
  "chat:member:added": { conversationId: string; userKeys: Array<string>; changed: number; memberCount: number; by?: string | null; timestamp: string; role?: "owner" | "moderator" | "member"; [member: string]: unknown };
  /** A member has another role */
  "chat:member:changed": { conversationId: string; userKeys: Array<string>; changed: number; memberCount: number; by?: string | null; timestamp: string; role?: "owner" | "moderator" | "member"; [member: string]: unknown };
  /** A member has left, or was removed */
  "chat:member:removed": { conversationId: string; userKeys: Array<string>; changed: number; memberCount: number; by?: string | null; timestamp: string; [member: string]: unknown };
  /** A message has come */
  "chat:message": { messageId: string; id: string; conversationId: string; groupId?: string; no: number; senderKey?: string | null; userId?: string | null; content: string; type: "text" | "image" | "file" | "system"; status?: "sent"; replyTo?: string | null; mentions?: Array<string>; mediaUrl?: string | null; attachments?: Array<{ id: string; name: string; size: number; type: string; [member: string]: unknown }>; isPrivate?: boolean; targetUserId?: string | null; createdAt: string; editedAt?: string; deletedAt?: string; tempId?: string | null; [member: string]: unknown };
  /** A message was deleted, for everyone or for the user alone */
  "chat:message:deleted": { messageId: string; id?: string; conversationId: string; no: number; deletedAt: string; forEveryone: boolean; [member: string]: unknown };
  /** Messages have reached a member: all up to one */
  "chat:message:delivered": { conversationId: string; messageId?: string; no: number; deliveredTo?: string; count?: number; timestamp: string; [member: string]: unknown };
  /** A message was changed */
  "chat:message:edited": { messageId: string; id?: string; conversationId: string; no: number; content: string; mentions?: Array<string>; mediaUrl?: string | null; editedAt: string; [member: string]: unknown };
  /** The reactions to a message have changed */
  "chat:message:reactions": { messageId: string; id?: string; conversationId: string; no: number; reactions: Array<{ emoji: string; count: number; [member: string]: unknown }>; [member: string]: unknown };
  /** A member has read messages: all up to one */
  "chat:message:read": { conversationId: string; messageId?: string; no: number; readBy?: string; count?: number; timestamp: string; [member: string]: unknown };
  /** The sender's message is stored */
  "chat:message:sent": { messageId: string; conversationId: string; senderKey?: string; content?: string; type?: string; status: "sent"; createdAt?: string; tempId?: string; [member: string]: unknown };
  /** Somebody has begun to type */
  "chat:typing:start": { conversationId: string; userKey: string; timestamp?: string; [member: string]: unknown };
  /** Somebody has stopped typing */
  "chat:typing:stop": { conversationId: string; userKey: string; timestamp?: string; [member: string]: unknown };
  /** A service has sent a message to this connection */
  "direct_message": { [member: string]: unknown };
  /** An event of the client was refused */
  "error": { type: string; title: string; code: string; detail: string; message: string; event: string; [member: string]: unknown };
  /** Something went wrong in the system */
  "error:occurred": { message?: string; code?: string; [member: string]: unknown };
  /** Numbers of a room that hold nothing for this client */
  "event:skipped": { room: string; from: number; seq: number; [member: string]: unknown };
  /** An expense was entered */
  "expense:created": { id?: string | number; userId?: string | number; [member: string]: unknown };
  /** An expense was removed */
  "expense:deleted": { id: string | number; [member: string]: unknown };
  /** An expense was changed */
  "expense:updated": { id?: string | number; userId?: string | number; [member: string]: unknown };
  /** Several expenses were removed */
  "expenses:bulk-deleted": { ids?: Array<string | number>; [member: string]: unknown };
  /** A goal was reached */
  "goal:achieved": { [member: string]: unknown };
  /** A goal was set */
  "goal:created": { [member: string]: unknown };
  /** A goal was removed */
  "goal:deleted": { id: string | number; [member: string]: unknown };
  /** Somebody has joined the team */
  "member:joined": { [member: string]: unknown };
  /** Somebody has left the team */
  "member:left": { [member: string]: unknown };
  /** Somebody's permissions have changed */
  "member:role-changed": { [member: string]: unknown };
  /** A milestone was reached */
  "milestone:completed": { [member: string]: unknown };
  /** Notifications were archived */
  "notification:archived": { id?: string; notification_id: string; ids?: Array<string>; archived_at?: string; own_ids?: Array<string | number>; [member: string]: unknown };
  /** The number on the bell has changed */
  "notification:count": { unread: number; unseen?: number; total?: number; [member: string]: unknown };
  /** Notifications were deleted, or one was recalled */
  "notification:deleted": { id?: string; notification_id: string; ids?: Array<string>; own_ids?: Array<string | number>; [member: string]: unknown };
  /** A notification has come */
  "notification:new": { id: string; notification_id: string; title: string; message: string; type?: string; level?: "info" | "success" | "warning" | "error" | "critical"; priority?: "critical" | "high" | "normal" | "low" | "bulk"; category?: string | null; data?: { [member: string]: unknown }; url?: string | null; created_at: string; expires_at?: string; [member: string]: unknown };
  /** Notifications were read, on whichever device */
  "notification:read": { id?: string; notification_id: string; ids?: Array<string>; read_at?: string; own_ids?: Array<string | number>; [member: string]: unknown };
  /** All notifications up to one were read */
  "notification:read_all": { up_to?: string; count?: number; category?: string; read_at?: string; [member: string]: unknown };
  /** Notifications were seen: these, or all up to one */
  "notification:seen": { ids?: Array<string>; up_to?: string; seen_at?: string; own_ids?: Array<string | number>; [member: string]: unknown };
  /** Notifications are back from the archive */
  "notification:unarchived": { id?: string; notification_id: string; ids?: Array<string>; own_ids?: Array<string | number>; [member: string]: unknown };
  /** Notifications are unread again */
  "notification:unread": { id?: string; notification_id: string; ids?: Array<string>; own_ids?: Array<string | number>; [member: string]: unknown };
  /** An order was delivered */
  "orders:delivery_confirmed": { order_id?: string | number; [member: string]: unknown };
  /** The status of an order has changed */
  "orders:order_updated": { order_id?: string | number; status?: string; [member: string]: unknown };
  /** A shipment has moved */
  "orders:shipment_update": { order_id?: string | number; [member: string]: unknown };
  /** A user is away */
  "presence:away": { [member: string]: unknown };
  /** A user is busy */
  "presence:busy": { [member: string]: unknown };
  /** A user has gone offline */
  "presence:offline": { [member: string]: unknown };
  /** A user has come online */
  "presence:online": { [member: string]: unknown };
  /** The server is going to close the connection */
  "session:closing": { code: string; message: string; [member: string]: unknown };
  /** The token of the connection expires soon */
  "session:expiring": { exp?: number; expires_in?: number; [member: string]: unknown };
  /** The connection is ready: what was missed follows */
  "session:ready": { [member: string]: unknown };
  /** A client that keeps no position goes on where it was interrupted */
  "session:resumed": { [member: string]: unknown };
  /** The server has sent what was lost on the way */
  "session:resync": { [member: string]: unknown };
  /** Somebody has commented on a post of the user */
  "sns:post_commented": { post_id?: string | number; [member: string]: unknown };
  /** Somebody likes a post of the user */
  "sns:post_liked": { post_id?: string | number; [member: string]: unknown };
  /** A post could not be published */
  "sns:publish_failed": { post_id: string | number; platforms?: Array<string>; message?: string; timestamp?: string; [member: string]: unknown };
  /** A post is being published */
  "sns:publish_started": { post_id: string | number; platforms?: Array<string>; message?: string; timestamp?: string; [member: string]: unknown };
  /** A post was published */
  "sns:publish_success": { post_id: string | number; platforms?: Array<string>; message?: string; timestamp?: string; [member: string]: unknown };
  /** Anything that changes often */
  "stream:data": { [member: string]: unknown };
  /** The status of an expense has changed */
  "stream:expense_update": { expense_id?: string | number; status?: string; [member: string]: unknown };
  /** A measurement of a pond has changed */
  "stream:pond_update": { pond_id: string | number; field: string; value: string | number | boolean | null; timestamp?: string | number; [member: string]: unknown };
  /** The status of a task has changed */
  "stream:task_update": { task_id: string | number; status: string; updated_by?: string | number | null; [member: string]: unknown };
  /** A synchronisation of data has finished */
  "sync:completed": { [member: string]: unknown };
}

/** The payload of each event of clients. */
export interface WsRequests {
  /** Acknowledge an alert */
  "alert:acknowledge": { id: string | number; [member: string]: unknown };
  /** Ask for the number of unacknowledged alerts */
  "alert:count": { [member: string]: unknown };
  /** Go on with a new token of the same user */
  "auth:refresh": { token: string; [member: string]: unknown };
  /** Begin a conversation, or find the one of two users */
  "chat:conversation:create": { type: "direct" | "group"; participants: Array<string>; name?: string; history?: "shared" | "joined" | "invited"; id?: string; [member: string]: unknown };
  /** Ask whether the connection is in the room of a conversation */
  "chat:conversation:join": { conversationId: string | number; [member: string]: unknown };
  /** Stop being a member of a group, or decline an invitation */
  "chat:conversation:leave": { conversationId: string | number; [member: string]: unknown };
  /** Delete a message, for everyone or for the user alone */
  "chat:delete": { messageId: string; forEveryone?: boolean; [member: string]: unknown };
  /** Messages up to this one have arrived */
  "chat:delivered": { messageId: string; [member: string]: unknown };
  /** Change what a message says */
  "chat:edit": { messageId: string; content: string; mentions?: Array<string>; [member: string]: unknown };
  /** React to a message with an emoji */
  "chat:react": { messageId: string; emoji: string; [member: string]: unknown };
  /** The messages of a conversation were read, all or up to one */
  "chat:read": { conversationId?: string | number; messageId?: string; private?: boolean; [member: string]: unknown };
  /** Send a message to a conversation, or to a user */
  "chat:send": { conversationId?: string | number; recipientId?: string | number; content?: string; type?: "text" | "image" | "file"; replyTo?: string; tempId?: string; mediaUrl?: string; mentions?: Array<string>; targetUserId?: string; [member: string]: unknown };
  /** The user types, or has stopped */
  "chat:typing": { conversationId?: string | number; recipientId?: string | number; isTyping: boolean; [member: string]: unknown };
  /** Take a reaction back */
  "chat:unreact": { messageId: string; emoji: string; [member: string]: unknown };
  /** These notifications are on the screen */
  "notification:ack": { ids?: Array<string | number>; seq?: number; [member: string]: unknown };
  /** Archive notifications */
  "notification:archive": { id?: string | number; ids?: Array<string | number>; [member: string]: unknown };
  /** Delete all notifications that match, or those of them up to one */
  "notification:clear": { up_to?: string; status?: string; category?: string; type?: string; level?: "info" | "success" | "warning" | "error" | "critical"; [member: string]: unknown };
  /** Ask for the numbers of notifications */
  "notification:count": { [member: string]: unknown };
  /** Delete notifications */
  "notification:delete": { id?: string | number; ids?: Array<string | number>; [member: string]: unknown };
  /** Mark notifications as read */
  "notification:read": { id?: string | number; ids?: Array<string | number>; [member: string]: unknown };
  /** Mark all notifications that match as read, or those of them up to one */
  "notification:read_all": { up_to?: string; category?: string; type?: string; level?: "info" | "success" | "warning" | "error" | "critical"; [member: string]: unknown };
  /** Mark notifications as seen: these, all up to one, or all */
  "notification:seen": { id?: string | number; ids?: Array<string | number>; up_to?: string; [member: string]: unknown };
  /** Take notifications back from the archive */
  "notification:unarchive": { id?: string | number; ids?: Array<string | number>; [member: string]: unknown };
  /** Mark notifications as unread */
  "notification:unread": { id?: string | number; ids?: Array<string | number>; [member: string]: unknown };
  /** Set the user's presence on this device to away */
  "presence:away": { [member: string]: unknown };
  /** Set the user's presence on this device to busy */
  "presence:busy": { [member: string]: unknown };
  /** Ask who is online */
  "presence:list": { users?: Array<string>; [member: string]: unknown };
  /** Set the user's presence on this device to online */
  "presence:online": { [member: string]: unknown };
  /** Set the user's presence on this device */
  "presence:set": { status: "online" | "away" | "busy"; [member: string]: unknown };
  /** Ask whether the connection is in a room */
  "room:join": { room: string; [member: string]: unknown };
  /** Say that a page has closed a room; the connection stays in it */
  "room:leave": { room: string; [member: string]: unknown };
  /** The user wants a post to be published */
  "sns:publish_start": { post_id: string | number; platforms: Array<string>; [member: string]: unknown };
  /** Ask for what came after a position */
  "sync": { cursor?: string; positions?: { [member: string]: unknown }; [member: string]: unknown };
  /** Receive the payload back, to try the connection */
  "test": { [member: string]: unknown };
}

export type WsEvent = keyof WsPayloads;

/** The members that every payload has. */
export interface WsPlace {
  /** The room of the event, and its number in the room. They order events and identify repetitions. */
  room: string;
  seq: number;
}
