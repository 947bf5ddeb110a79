/** The alerts of the tenant. Acknowledging one acknowledges it for everybody. */

import { useAlerts } from "carillon-client/preact";
import { Time } from "../shared/time.tsx";

/** The most alerts that are shown. */
const MAX_ALERTS = 8;

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
        <p class="empty">No alerts. An alert goes to everybody, until somebody acknowledges it.</p>
      )}
      <ul class="items">
        {alerts.slice(0, MAX_ALERTS).map((alert) => (
          <li key={alert.id} class={`item ${alert.level} ${alert.acknowledged ? "" : "unread"}`}>
            <div class="text">
              <p class="title">
                {alert.title} <Time at={alert.created_at} />
              </p>
              <p class="message">
                {alert.message} {alert.acknowledged && `Acknowledged by ${alert.acknowledged_by ?? "a service"}.`}
              </p>
            </div>
            {!alert.acknowledged && (
              <span class="actions">
                <button type="button" onClick={() => void acknowledge(alert.id).catch(() => undefined)}>
                  Acknowledge
                </button>
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
