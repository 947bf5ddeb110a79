/** The inbox as a list, with the actions on each item. */

import type { Filter, Item } from "carillon-client";
import { useNotifications } from "carillon-client/preact";
import { useState } from "preact/hooks";
import { Time } from "../shared/time.tsx";

const VIEWS: { name: string; filter: Filter }[] = [
  { name: "All", filter: {} },
  { name: "Unread", filter: { status: "unread" } },
  { name: "Archived", filter: { status: "archived" } },
];

export function Inbox() {
  const [view, setView] = useState(0);
  const feed = useNotifications(VIEWS[view]?.filter);
  return (
    <section class="card" aria-labelledby="inbox-title">
      <div class="head">
        <h2 id="inbox-title">
          Inbox {feed.counts && feed.counts.unread > 0 && <span class="count">{feed.counts.unread} unread</span>}
        </h2>
        <div class="tabs" role="group" aria-label="Filter">
          {VIEWS.map(({ name }, number) => (
            <button key={name} type="button" aria-pressed={number === view} onClick={() => setView(number)}>
              {name}
            </button>
          ))}
        </div>
      </div>
      {feed.error && (
        <p class="notice bad" role="alert">
          {feed.error.message}{" "}
          <button type="button" class="quiet" onClick={() => void feed.reload()}>
            Try again
          </button>
        </p>
      )}
      {feed.status === "loading" && <p class="hint">Loading…</p>}
      {feed.status === "ready" && feed.items.length === 0 && <p class="empty">No notifications.</p>}
      <ul class="items">
        {feed.items.map((item) => (
          <li key={item.id} class={`item ${item.level} ${item.read ? "" : "unread"}`}>
            <div class="text">
              <p class="title">
                {item.title} <Time at={item.created_at} />
              </p>
              <p class="message">{item.message}</p>
            </div>
            <Actions item={item} feed={feed} />
          </li>
        ))}
      </ul>
      <div class="foot">
        {feed.hasMore && (
          <button type="button" onClick={() => void feed.more()}>
            Show older
          </button>
        )}
        {feed.items.some((item) => !item.read) && (
          <button type="button" onClick={() => void feed.readAll()}>
            Mark all as read
          </button>
        )}
      </div>
    </section>
  );
}

function Actions({ item, feed }: { item: Item; feed: ReturnType<typeof useNotifications> }) {
  const button = (name: string, action: (id: string) => Promise<void>) => (
    <button type="button" class="quiet" aria-label={`${name}: ${item.title}`} onClick={() => void action(item.id)}>
      {name}
    </button>
  );
  return (
    <span class="actions">
      {item.read ? button("Mark unread", feed.unread) : button("Mark read", feed.read)}
      {item.archived_at ? button("Restore", feed.unarchive) : button("Archive", feed.archive)}
      {button("Delete", feed.remove)}
    </span>
  );
}
