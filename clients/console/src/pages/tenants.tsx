/** Tenants, and the keys of their services. */

import { useContext, useState } from "preact/hooks";
import type { Key, Mode } from "../api.ts";
import { Console } from "../console.ts";
import { useLoad } from "../load.ts";
import { href, Link } from "../router.tsx";
import { Confirm, Dialog } from "../ui/dialog.tsx";
import { Choice, Copy, Empty, Failed, Time, Waiting } from "../ui/parts.tsx";

export function TenantsPage() {
  const { tenants, session } = useContext(Console);
  const [making, setMaking] = useState(false);
  return (
    <>
      <header class="page-head">
        <h1>Tenants</h1>
        {session.tenant === "*" && (
          <button type="button" class="primary" onClick={() => setMaking(true)}>
            New tenant
          </button>
        )}
      </header>
      {tenants.length === 0 ? (
        <Empty title="No tenants yet">A tenant is a customer with users and keys of its own.</Empty>
      ) : (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Tenant</th>
              <th scope="col">Name</th>
              <th scope="col" class="late">
                Dialect
              </th>
              <th scope="col" class="right late">
                Weight
              </th>
              <th scope="col" class="right late">
                Since
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
                <td class="late">{tenant.dialect ?? "mixed"}</td>
                <td class="right numbers late">{tenant.weight}</td>
                <td class="right numbers late">
                  <Time at={tenant.created_at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {making && <NewTenant onClose={() => setMaking(false)} />}
    </>
  );
}

function NewTenant({ onClose }: { onClose: () => void }) {
  const { api, reloadTenants } = useContext(Console);
  const [id, setId] = useState("");
  const [name, setName] = useState("");
  const create = async () => {
    await api.createTenant(id, name.trim());
    reloadTenants();
  };
  return (
    <Confirm title="New tenant" action="Create" onConfirm={create} onClose={onClose}>
      <div class="field">
        <label for="tenant-id">Id</label>
        <input
          id="tenant-id"
          required
          pattern="[A-Za-z0-9_.:\-]{1,64}"
          title="1 to 64 letters, digits and _ . : -"
          autocomplete="off"
          value={id}
          onInput={(event) => setId(event.currentTarget.value)}
        />
        <span class="hint">Letters, digits and _ . : -; it cannot be changed later.</span>
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
  const { api, tenants } = useContext(Console);
  const { data, error, reload } = useLoad((signal) => api.keys(id, signal), [id]);
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const [made, setMade] = useState<(Key & { key: string }) | null>(null);
  const tenant = tenants.find((one) => one.id === id);
  return (
    <>
      <nav class="trail" aria-label="Where this is">
        <Link to={href(["tenants"])}>Tenants</Link>
      </nav>
      <header class="page-head">
        <h1 class="title">{tenant?.name ?? id}</h1>
        <button type="button" class="primary" onClick={() => setMaking(true)}>
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
      </ul>
      <section aria-labelledby="keys">
        <h2 id="keys">API keys</h2>
        {error && <Failed error={error} again={reload} />}
        {!data && !error && <Waiting rows={3} />}
        {data?.data.length === 0 && (
          <Empty title="No keys yet">A service needs one to send. A test key sends to the lab only.</Empty>
        )}
        {data && data.data.length > 0 && (
          <table class="list">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Begins with</th>
                <th scope="col">Mode</th>
                <th scope="col" class="right late">
                  Made
                </th>
                <th scope="col" class="right">
                  <span class="unseen">Revoke</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.data.map((key) => (
                <tr key={key.prefix} class={key.revoked_at ? "over" : ""}>
                  <td class="main">{key.name}</td>
                  <td>
                    <code>{key.prefix}</code>
                  </td>
                  <td>{key.mode}</td>
                  <td class="right numbers late">
                    <Time at={key.created_at} />
                  </td>
                  <td class="right">
                    {key.revoked_at ? (
                      <span class="muted">revoked</span>
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
      {making && (
        <NewKey
          tenant={id}
          onMade={(key) => {
            setMade(key);
            reload();
          }}
          onClose={() => setMaking(false)}
        />
      )}
      {made && <ShownOnce made={made} onClose={() => setMade(null)} />}
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
          <p>Whatever uses “{revoking.name}” is refused from now on. This cannot be undone.</p>
        </Confirm>
      )}
    </>
  );
}

function NewKey(props: { tenant: string; onMade: (key: Key & { key: string }) => void; onClose: () => void }) {
  const { api } = useContext(Console);
  const [name, setName] = useState("");
  const [mode, setMode] = useState<Mode>("live");
  return (
    <Confirm
      title="New key"
      action="Make key"
      onConfirm={async () => props.onMade(await api.createKey(props.tenant, name.trim(), mode))}
      onClose={props.onClose}
    >
      <div class="field">
        <label for="key-name">What it is for</label>
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
          ["live", "live: sends to people"],
          ["test", "test: sends to the lab only"],
        ]}
        onChoice={(value) => value && setMode(value)}
      />
    </Confirm>
  );
}

function ShownOnce({ made, onClose }: { made: Key & { key: string }; onClose: () => void }) {
  return (
    <Dialog title="Your new key" onClose={onClose}>
      <p>It is shown this once. Keep it where your service finds it, and nobody else.</p>
      <p class="secret">
        <code>{made.key}</code>
        <Copy text={made.key} what="the key" />
      </p>
      <div class="buttons">
        <button type="button" class="primary" onClick={onClose}>
          I have kept it
        </button>
      </div>
    </Dialog>
  );
}
