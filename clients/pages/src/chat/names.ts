/** How people and conversations are called. */

import type { Conversation } from "carillon-client/chat";
import { capitalise } from "../shared/avatar.tsx";

/** A user's name. Null is the system, or a user who was deleted. */
export function nameOf(user: string | null): string {
  return user === null ? "System" : capitalise(user);
}

/** "Alice", "Alice and Bob", "Alice, Bob and 3 others" */
export function listOf(users: readonly string[], most = 3): string {
  const names = users.map(nameOf);
  const shown = names.length > most ? [...names.slice(0, most - 1), `${names.length - most + 1} others`] : names;
  return new Intl.ListFormat("en").format(shown);
}

export function countOf(members: number): string {
  return members === 1 ? "1 member" : `${members} members`;
}

export function othersOf({ participants }: Conversation, me: string): string[] {
  return participants.filter((user) => user !== me);
}

export function titleOf(conversation: Conversation, me: string): string {
  return conversation.name ?? (listOf(othersOf(conversation, me)) || "Only you");
}
