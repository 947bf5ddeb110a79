/** Tenants, and the API keys of each. */

import { useState } from "preact/hooks";
import type { Key, Mode, NewKey } from "../api/types.ts";
import { useConsole } from "../context.ts";
import { number } from "../format.ts";
import { useLoad } from "../load.ts";
import { href, Link } from "../router.tsx";
import { Confirm, Dialog } from "../ui/dialog.tsx";
import { Choice } from "../ui/fields.tsx";
import { CopyButton, Empty, ErrorNote, Loading, Time } from "../ui/parts.tsx";
import { Quotas } from "./quotas.tsx";
import { Usage } from "./usage.tsx";

export function TenantsPage() {
  const { api, tenants, session } = useConsole();
  const usage = useLoad((signal) => api.usageByTenant({}, signal), []);
  const used = new Map(usage.data?.data.map((one) => [one.tenant, one.notifications]));
  const [creating, setCreating] = useState(false);
  return (
    <>
      <header class="page-head">
        <h1>Tenants</h1>
        {session.tenant === "*" && (
          <button type="button" class="primary" onClick={() => setCreating(true)}>
            New tenant
          </button>
        )}
      </header>
      {usage.error && <ErrorNote error={usage.error} onRetry={usage.reload} />}
      {tenants.length === 0 ? (
        <Empty title="No tenants yet">A tenant is a customer with its own users and API keys.</Empty>
      ) : (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Tenant</th>
              <th scope="col">Name</th>
              <th scope="col" class="wide-only">
                Dialect
              </th>
              <th scope="col" class="right wide-only">
                Weight
              </th>
              <th scope="col" class="right">
                Notifications, 30 days
              </th>
              <th scope="col" class="right wide-only">
                Created
              </th>
            </tr>
          </thead>
          <tbody>
            {tenants.map((tenant) => (
              <tr key={tenant.id}>
                <td class="main">
                  <Link to={href(["tenants", tenant.id])}>{tenant.id}</Link>
                </td>
                <td>{tenant.name}</td>
                <td class="wide-only">{tenant.dialect ?? "mixed"}</td>
                <td class="right numbers wide-only">{tenant.weight}</td>
                <td class="right numbers">{usage.data ? number(used.get(tenant.id) ?? 0) : "–"}</td>
                <td class="right numbers wide-only">
                  <Time at={tenant.created_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {creating && <TenantDialog onClose={() => setCreating(false)} />}
    </>
  );
}

function TenantDialog({ onClose }: { onClose: () => void }) {
  const { api, reloadTenants } = useConsole();
  const [id, setId] = useState("");
  const [name, setName] = useState("");
  const create = async () => {
    await api.createTenant(id, name.trim());
    reloadTenants();
  };
  return (
    <Confirm title="New tenant" action="Create" onConfirm={create} onClose={onClose}>
      <div class="field">
        <label for="tenant-id">ID</label>
        <input
          id="tenant-id"
          required
          autocomplete="off"
          value={id}
          onInput={(event) => setId(event.currentTarget.value)}
        />
        <span class="hint">Letters, digits and _ . : -. The ID cannot be changed later.</span>
      </div>
      <div class="field">
        <label for="tenant-name">Name</label>
        <input
          id="tenant-name"
          maxLength={200}
          autocomplete="off"
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </div>
    </Confirm>
  );
}

export function TenantPage({ id }: { id: string }) {
  const { api, tenants } = useConsole();
  const { data, error, reload } = useLoad((signal) => api.keys(id, signal), [id]);
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const [newKey, setNewKey] = useState<NewKey | null>(null);
  const tenant = tenants.find((one) => one.id === id);
  return (
    <>
      <nav class="trail" aria-label="Breadcrumb">
        <Link to={href(["tenants"])}>Tenants</Link>
      </nav>
      <header class="page-head">
        <h1 class="title">{tenant?.name ?? id}</h1>
        <button type="button" class="primary" onClick={() => setCreating(true)}>
          New key
        </button>
      </header>
      <ul class="links">
        <li>
          <Link to={href(["notifications"], { tenant: id })}>Notifications</Link>
        </li>
        <li>
          <Link to={href(["users"], { tenant: id })}>Users</Link>
        </li>
        <li>
          <Link to={href(["dead-letters"], { tenant: id })}>Dead letters</Link>
        </li>
        <li>
          <Link to={href(["audit"], { of: id })}>Audit log</Link>
        </li>
      </ul>
      <section aria-labelledby="keys">
        <h2 id="keys">API keys</h2>
        {error && <ErrorNote error={error} onRetry={reload} />}
        {!data && !error && <Loading rows={3} />}
        {data?.data.length === 0 && (
          <Empty title="No keys yet">
            A service needs a key to send notifications. A test key sends to the lab only.
          </Empty>
        )}
        {data && data.data.length > 0 && (
          <table class="list">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Prefix</th>
                <th scope="col" class="wide-only">
                  Mode
                </th>
                <th scope="col" class="right wide-only">
                  Created
                </th>
                <th scope="col" class="right wide-only">
                  Last use
                </th>
                <th scope="col" class="right wide-only">
                  Expires
                </th>
                <th scope="col" class="right">
                  <span class="unseen">Revoke</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.data.map((key) => (
                <tr key={key.prefix} class={key.revoked_at ? "revoked" : ""}>
                  <td class="main">
                    {key.name}
                    {key.created_by && <span class="sub">by {key.created_by}</span>}
                  </td>
                  <td>
                    <code class="unbroken">{key.prefix}</code>
                  </td>
                  <td class="wide-only">{key.mode}</td>
                  <td class="right numbers wide-only">
                    <Time at={key.created_at} />
                  </td>
                  <td class="right numbers wide-only">
                    <Time at={key.last_used_at} />
                  </td>
                  <td class="right numbers wide-only">
                    <Time at={key.expires_at} />
                  </td>
                  <td class="right">
                    {key.revoked_at ? (
                      <span class="muted">revoked</span>
                    ) : key.expires_at && new Date(key.expires_at) <= new Date() ? (
                      <span class="muted">expired</span>
                    ) : (
                      <button
                        type="button"
                        class="small"
                        aria-label={`Revoke ${key.prefix}`}
                        onClick={() => setRevoking(key)}
                      >
                        Revoke
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </section>
      <Quotas tenant={id} />
      <Usage tenant={id} />
      {creating && (
        <KeyDialog
          tenant={id}
          onCreated={(key) => {
            setNewKey(key);
            reload();
          }}
          onClose={() => setCreating(false)}
        />
      )}
      {newKey && <NewKeyDialog created={newKey} onClose={() => setNewKey(null)} />}
      {revoking && (
        <Confirm
          title={`Revoke ${revoking.prefix}?`}
          action="Revoke"
          danger
          onConfirm={async () => {
            await api.revokeKey(id, revoking.prefix);
            reload();
          }}
          onClose={() => setRevoking(null)}
        >
          <p>Requests with the key “{revoking.name}” will be refused. This cannot be undone.</p>
        </Confirm>
      )}
    </>
  );
}

function KeyDialog(props: { tenant: string; onCreated: (key: NewKey) => void; onClose: () => void }) {
  const { api } = useConsole();
  const [name, setName] = useState("");
  const [mode, setMode] = useState<Mode>("live");
  const [days, setDays] = useState("");
  return (
    <Confirm
      title="New key"
      action="Create key"
      onConfirm={async () => props.onCreated(await api.createKey(props.tenant, name.trim(), mode, inDays(days)))}
      onClose={props.onClose}
    >
      <div class="field">
        <label for="key-name">Name</label>
        <input
          id="key-name"
          required
          maxLength={200}
          autocomplete="off"
          placeholder="Billing service"
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </div>
      <Choice
        label="Mode"
        value={mode}
        values={[
          ["live", "Live: sends to real recipients"],
          ["test", "Test: sends to the lab only"],
        ]}
        onChoice={(value) => value && setMode(value)}
      />
      <Choice
        label="Expires"
        none="Never"
        value={days}
        values={[
          ["30", "In 30 days"],
          ["90", "In 90 days"],
          ["365", "In a year"],
        ]}
        onChoice={(value) => setDays(value ?? "")}
      />
    </Confirm>
  );
}

/** The time in so many days; null: never. */
const inDays = (days: string): string | null =>
  days ? new Date(Date.now() + Number(days) * 86_400_000).toISOString() : null;

function NewKeyDialog({ created, onClose }: { created: NewKey; onClose: () => void }) {
  return (
    <Dialog title="Your new key" onClose={onClose}>
      <p>This key is shown only once. Store it where only your service can read it.</p>
      <p class="secret">
        <code>{created.key}</code>
        <CopyButton text={created.key} what="the key" />
      </p>
      <div class="buttons">
        <button type="button" class="primary" onClick={onClose}>
          I have stored it
        </button>
      </div>
    </Dialog>
  );
}
