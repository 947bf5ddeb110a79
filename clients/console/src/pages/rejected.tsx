/** Rows that services wrote to the outbox and that the server rejected. */

import type { RejectedRow } from "../api/types.ts";
import { useConsole } from "../context.ts";
import { label } from "../format.ts";
import { usePages } from "../load.ts";
import { Empty, ErrorNote, Facts, Loading, MoreButton, Time } from "../ui/parts.tsx";

export function RejectedPage() {
  const { api, scope } = useConsole();
  const pages = usePages((after, signal) => api.rejected(scope, { after, limit: 25 }, signal), [scope]);
  return (
    <>
      <header class="page-head">
        <h1>Rejected rows</h1>
      </header>
      <p class="note">
        Services that share the database write rows to the outbox. A row that is not valid is kept here and never sent.
        Correct the service, then let it write a new row.
      </p>
      {pages.error && <ErrorNote error={pages.error} onRetry={pages.reload} />}
      {!pages.rows && !pages.error && <Loading />}
      {pages.rows?.length === 0 && (
        <Empty title="No rejected rows">Every row of {scope.tenant} was accepted, or waits to be read.</Empty>
      )}
      {pages.rows && pages.rows.length > 0 && (
        <ol class="deliveries">
          {pages.rows.map((row) => (
            <Row key={row.id} row={row} />
          ))}
        </ol>
      )}
      <MoreButton show={pages.hasMore} busy={pages.loading} onClick={pages.more} />
    </>
  );
}

function Row({ row }: { row: RejectedRow }) {
  const { problem } = row;
  const errors = problem.errors ?? [];
  return (
    <li>
      <details>
        <summary>
          <span class="user">{label(row.kind)}</span>
          <span class="cause">{problem.detail || problem.title}</span>
          <span class="numbers muted">
            <Time at={row.rejected_at} />
          </span>
        </summary>
        <Facts
          facts={[
            ["ID", <code>{row.id}</code>],
            ["Written", <Time at={row.created_at} />],
            ["Rejected", <Time at={row.rejected_at} />],
            ["Code", <code>{problem.code}</code>],
            ...errors.map((error): [string, string] => [error.field, error.message]),
          ]}
        />
        <pre tabIndex={0}>{JSON.stringify(row.body, null, 2)}</pre>
      </details>
    </li>
  );
}
