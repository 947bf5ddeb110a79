/** The tenant's alerts: one state for all, and the name of whoever took one on. */

import { useAlerts } from "carillon-client/react";
import { Moment } from "./moment.tsx";

export function Alerts() {
  const { alerts, unacknowledged, status, error, acknowledge } = useAlerts();
  return (
    <section class="card" aria-labelledby="alerts-title">
      <div class="head">
        <h2 id="alerts-title">Alerts {unacknowledged > 0 && <span class="count">{unacknowledged} open</span>}</h2>
      </div>
      {error && (
        <p class="notice bad" role="alert">
          {error.message}
        </p>
      )}
      {status === "ready" && alerts.length === 0 && (
        <p class="empty">All quiet. An alert is everybody's, until somebody takes it on.</p>
      )}
      <ul class="items">
        {alerts.slice(0, 8).map((alert) => (
          <li key={alert.id} class={`item ${alert.level} ${alert.acknowledged ? "" : "unread"}`}>
            <div class="text">
              <p class="title">
                {alert.title} <Moment at={alert.created_at} />
              </p>
              <p class="message">
                {alert.acknowledged
                  ? `${alert.message} Taken on by ${alert.acknowledged_by ?? "somebody"}.`
                  : alert.message}
              </p>
            </div>
            {!alert.acknowledged && (
              <span class="actions">
                <button type="button" onClick={() => void acknowledge(alert.id).catch(() => undefined)}>
                  Take it on
                </button>
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
