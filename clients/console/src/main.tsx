/** The frame around every view: who is signed in, which tenant is chosen, where one can go. */

import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Api, config as fetchConfig, type Config, type Mode, type Tenant } from "./api.ts";
import { Console } from "./console.ts";
import { useLoad } from "./load.ts";
import { DeadLettersPage } from "./pages/dead-letters.tsx";
import { NotificationPage } from "./pages/notification.tsx";
import { NotificationsPage, scopeQuery } from "./pages/notifications.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { SignIn } from "./pages/sign-in.tsx";
import { TenantPage, TenantsPage } from "./pages/tenants.tsx";
import { UserPage, UsersPage } from "./pages/users.tsx";
import { choose, href, Link, usePlace, type Place } from "./router.tsx";
import { keep, restore, type Session } from "./session.ts";
import { JobBar } from "./ui/job.tsx";
import { Choice, Empty, Failed, Waiting } from "./ui/parts.tsx";
import "./console.css";

const VIEWS: [string, string][] = [
  ["", "Overview"],
  ["notifications", "Notifications"],
  ["dead-letters", "Dead letters"],
  ["users", "Users"],
  ["tenants", "Tenants"],
];
/** Lists of one tenant: where there is something to choose. */
const SCOPED = ["notifications", "users"];

function App() {
  const told = useLoad(() => fetchConfig(), []);
  const [session, setSession] = useState<Session | null>(restore);
  const [ended, setEnded] = useState(false);
  const change = (next: Session | null, wasEnded = false) => {
    keep(next);
    setSession(next);
    setEnded(wasEnded);
  };
  if (!told.data) return told.error ? <Failed error={told.error} again={told.reload} /> : <Waiting />;
  if (!session) return <SignIn config={told.data} ended={ended} onSession={change} />;
  return <Frame config={told.data} session={session} onEnd={(wasEnded) => change(null, wasEnded)} />;
}

function Frame(props: { config: Config; session: Session; onEnd: (wasEnded: boolean) => void }) {
  const { config, session } = props;
  const place = usePlace();
  const api = useMemo(() => new Api(session.token, () => props.onEnd(true)), [session.token]);
  const { data, error, reload } = useLoad((signal) => api.tenants(signal), [session.token]);
  const tenants = data?.data ?? [];
  const tenant = chosenTenant(place, tenants);
  const mode: Mode = place.query.get("mode") === "test" ? "test" : "live";
  const view = place.parts[0] ?? "";
  const title = VIEWS.find(([name]) => name === view)?.[1] ?? "Not found";
  useEffect(() => {
    document.title = `${title} · Carillon console`;
  }, [title]);
  const kept = tenant ? scopeQuery({ tenant, mode }) : {};
  return (
    <div class="frame">
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="side">
        <p class="brand">
          <img src="/static/carillon.svg" alt="" width="22" height="22" /> Carillon
        </p>
        <nav aria-label="Views">
          {VIEWS.map(([name, text]) => (
            <Link key={name} to={href(name ? [name] : [], name ? kept : {})} current={view === name}>
              {text}
            </Link>
          ))}
        </nav>
        <div class="side-foot">
          {config.flower_url && (
            <a href={config.flower_url} rel="noreferrer">
              Flower
            </a>
          )}
          <p class="who-am-i" title={`until ${session.expiresAt.toLocaleString()}`}>
            {session.subject} <span class="muted">{session.tenant === "*" ? "all tenants" : session.tenant}</span>
          </p>
          <button type="button" class="plain small" onClick={() => props.onEnd(false)}>
            Sign out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {SCOPED.includes(view) && place.parts.length === 1 && tenants.length > 0 && (
          <ScopeBar tenants={tenants} tenant={tenant} mode={mode} />
        )}
        {error && <Failed error={error} again={reload} />}
        {!data && !error && <Waiting />}
        {data && (
          <Console.Provider value={{ api, config, session, tenants, reloadTenants: reload, scope: { tenant, mode } }}>
            <View parts={place.parts} tenant={tenant} />
          </Console.Provider>
        )}
      </main>
      <JobBar />
    </div>
  );
}

/** The tenant of the address, or else the one that comes first. */
function chosenTenant(place: Place, tenants: Tenant[]): string {
  const named = place.query.get("tenant");
  return tenants.find((one) => one.id === named)?.id ?? tenants[0]?.id ?? "";
}

function ScopeBar(props: { tenants: Tenant[]; tenant: string; mode: Mode }) {
  return (
    <div class="scope">
      <Choice
        label="Tenant"
        value={props.tenant}
        values={props.tenants.map((one): [string, string] => [one.id, one.id])}
        onChoice={(tenant) => choose({ tenant })}
      />
      <Choice
        label="Mode"
        value={props.mode}
        values={["live", "test"]}
        onChoice={(mode) => choose({ mode: mode === "test" ? "test" : null })}
      />
    </div>
  );
}

function View({ parts, tenant }: { parts: string[]; tenant: string }) {
  const [view, first, second] = parts;
  if (view === undefined) return <OverviewPage />;
  if (view === "tenants") return first ? <TenantPage key={first} id={first} /> : <TenantsPage />;
  if (view === "users" && first && second) return <UserPage key={second} tenant={first} id={second} />;
  if (!tenant) return <Empty title="No tenants yet">Create one under Tenants.</Empty>;
  if (view === "notifications") return first ? <NotificationPage key={first} id={first} /> : <NotificationsPage />;
  if (view === "dead-letters") return <DeadLettersPage />;
  if (view === "users") return <UsersPage />;
  return <Empty title="There is nothing here">The address names no view of the console.</Empty>;
}

const root = document.getElementById("console");
if (root) render(<App />, root);
