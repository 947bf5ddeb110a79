/** Conversations and messages, as the HTTP API has them. */

export type Role = "owner" | "moderator" | "member" | "invited";
export type Notify = "all" | "mentions" | "none";

export interface Reaction {
  emoji: string;
  count: number;
  /** Whether the user is among them. */
  me: boolean;
}

export interface Message {
  id: string;
  conversation_id: string;
  /** Its number in the conversation. Numbers of messages that are private to others are missing. */
  no: number;
  /** Null: the system, or a user who was deleted. */
  sender: string | null;
  type: "text" | "image" | "file" | "system";
  content: string;
  /** The id of the message that this one answers. */
  reply_to: string | null;
  mentions: string[];
  media_url: string | null;
  /** The only other user who sees it. */
  private_to: string | null;
  reactions: Reaction[];
  created_at: string;
  edited_at: string | null;
  deleted_at: string | null;
  temp_id: string | null;
}

export interface Conversation {
  id: string;
  type: "direct" | "group";
  name: string | null;
  history: "shared" | "joined" | "invited";
  created_by: string | null;
  created_at: string;
  member_count: number;
  /** The first 20 members. */
  participants: string[];
  /** `invited`: the user is no member until they join, and sees no messages. */
  role: Role;
  notify: Notify;
  muted_until: string | null;
  /** The number of the newest message; of an invitation, null. */
  last_no: number | null;
  last_message_at: string | null;
  last_message: Message | null;
  /** The number of the message up to which the user has read. */
  read_no: number | null;
  unread: number;
  unread_mentions: number;
}

export interface Member {
  user: string;
  role: Role;
}

/** A member to whom a message was delivered. */
export interface Receipt {
  user: string;
  status: "delivered" | "read";
}

export interface NewConversation {
  type: "direct" | "group";
  participants: string[];
  name?: string;
  id?: string;
  history?: Conversation["history"];
}

/** What to send. */
export interface Draft {
  content: string;
  type?: "text" | "image" | "file";
  reply_to?: string;
  mentions?: string[];
  media_url?: string;
  private_to?: string;
}
