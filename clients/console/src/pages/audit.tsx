/** The audit log: who changed what in the administration. */

import type { AuditRecord } from "../api/types.ts";
import { useConsole } from "../context.ts";
import { tenantName } from "../format.ts";
import { usePages } from "../load.ts";
import { select, useRoute } from "../router.tsx";
import { Choice } from "../ui/fields.tsx";
import { Empty, ErrorNote, Facts, Loading, MoreButton, Time } from "../ui/parts.tsx";

export function AuditPage() {
  const { api, tenants } = useConsole();
  const tenant = useRoute().query.get("of") ?? "";
  const pages = usePages(
    (after, signal) => api.audit({ tenant: tenant || undefined, after, limit: 50 }, signal),
    [tenant],
  );
  return (
    <>
      <header class="page-head">
        <h1>Audit log</h1>
        <Choice
          label="Tenant"
          hideLabel
          none="All tenants"
          value={tenant}
          values={tenants.map((one): [string, string] => [one.id, tenantName(one)])}
          onChoice={(of) => select({ of })}
        />
      </header>
      {pages.error && <ErrorNote error={pages.error} onRetry={pages.reload} />}
      {!pages.rows && !pages.error && <Loading />}
      {pages.rows?.length === 0 && <Empty title="No records">Changes of the administration are recorded here.</Empty>}
      {pages.rows && pages.rows.length > 0 && (
        <ol class="deliveries">
          {pages.rows.map((record) => (
            <Row key={record.id} record={record} />
          ))}
        </ol>
      )}
      <MoreButton show={pages.hasMore} busy={pages.loading} onClick={pages.more} />
    </>
  );
}

function Row({ record }: { record: AuditRecord }) {
  return (
    <li>
      <details>
        <summary>
          <span class="user">{record.action}</span>
          <span class="cause">
            {record.subject} · {record.actor_kind} {record.actor}
          </span>
          <span class="numbers muted">
            <Time at={record.at} />
          </span>
        </summary>
        <Facts
          facts={[
            ["Tenant", record.tenant === "*" ? "the installation" : record.tenant],
            ["Subject", record.subject],
            ["By", `${record.actor_kind} ${record.actor}`],
            ["From", record.ip ?? "a command"],
            ["Request", <code>{record.request_id ?? "–"}</code>],
            ...Object.entries(record.details).map(([name, value]): [string, string] => [name, String(value)]),
          ]}
        />
      </details>
    </li>
  );
}
