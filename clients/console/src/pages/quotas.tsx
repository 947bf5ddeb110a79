/** What a tenant can use, and how much of it is used: a section of the tenant's page. */

import { useConsole } from "../context.ts";
import { number } from "../format.ts";
import { useLoad } from "../load.ts";
import { ErrorNote, Loading } from "../ui/parts.tsx";

const NAMES: Record<string, string> = {
  users: "Users",
  topics: "Topics",
  event_types: "Event types",
  attachment_bytes: "Bytes of attachments",
  recipients_per_day: "Recipients per day",
  bytes_per_day: "Bytes per day",
};

export function Quotas({ tenant }: { tenant: string }) {
  const { api } = useConsole();
  const { data, error, reload } = useLoad((signal) => api.quotas(tenant, signal), [tenant]);
  return (
    <section aria-labelledby="quotas">
      <h2 id="quotas">Quotas</h2>
      {error && <ErrorNote error={error} onRetry={reload} />}
      {!data && !error && <Loading rows={3} />}
      {data && (
        <table>
          <thead>
            <tr>
              <th scope="col">Quota</th>
              <th scope="col" class="right">
                Used
              </th>
              <th scope="col" class="right">
                Limit
              </th>
            </tr>
          </thead>
          <tbody>
            {data.data.map(({ quota, used, limit }) => (
              <tr key={quota}>
                <td>{NAMES[quota] ?? quota}</td>
                <td class="right numbers">{used === null ? "not known" : number(used)}</td>
                <td class="right numbers">{number(limit)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
