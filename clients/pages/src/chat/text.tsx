/** The text of a message, with its links and mentions. */

import { nameOf } from "./names.ts";

/** A link, up to the punctuation after it, or a mention. */
const PARTS = /(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]}'])|(?<=^|\s)@(\S*[^\s.,;:!?)])/g;

interface Props {
  content: string;
  mentions: readonly string[];
  me: string;
}

export function Text({ content, mentions, me }: Props) {
  const parts = [];
  let end = 0;
  for (const found of content.matchAll(PARTS)) {
    const [whole, link, user] = found;
    const isMention = mentions.some((one) =>
      [one, one.slice(1)].some((id) => id.toLowerCase() === user?.toLowerCase()),
    );
    if (!link && !isMention) continue;
    parts.push(content.slice(end, found.index));
    if (link)
      parts.push(
        <a href={link} target="_blank" rel="noreferrer">
          {link}
        </a>,
      );
    else
      parts.push(<span class={user === me || user === "all" ? "mention me" : "mention"}>@{nameOf(user ?? "")}</span>);
    end = found.index + whole.length;
  }
  return (
    <>
      {parts}
      {content.slice(end)}
    </>
  );
}

/** What means all members. */
const ALL = "@all";

/** The members that a text mentions, as `@user`. `@all` counts for those who may mention all. */
export function mentionsIn(content: string, participants: readonly string[], mayMentionAll: boolean): string[] {
  const named = new Set([...content.matchAll(PARTS)].map(([, , user]) => user?.toLowerCase()));
  const users = participants.filter((user) => named.has(user.toLowerCase()));
  return mayMentionAll && named.has("all") ? [...users, ALL] : users;
}
