/** The frame around all views: navigation, the selected tenant, the signed-in operator. */

import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Api, fetchConfig } from "./api/client.ts";
import type { Config, Mode, Tenant } from "./api/types.ts";
import { ConsoleContext } from "./context.ts";
import { tenantName } from "./format.ts";
import { useLoad } from "./load.ts";
import { AuditPage } from "./pages/audit.tsx";
import { DeadLettersPage } from "./pages/dead-letters.tsx";
import { NotificationPage } from "./pages/notification.tsx";
import { NotificationsPage } from "./pages/notifications.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { RejectedPage } from "./pages/rejected.tsx";
import { SignIn } from "./pages/sign-in.tsx";
import { TenantPage, TenantsPage } from "./pages/tenants.tsx";
import { UserPage } from "./pages/user.tsx";
import { UsersPage } from "./pages/users.tsx";
import { href, Link, type Route, scopeQuery, select, useRoute } from "./router.tsx";
import { restore, type Session, save } from "./session.ts";
import { Choice } from "./ui/fields.tsx";
import { JobBar } from "./ui/job.tsx";
import { Empty, ErrorNote, Loading } from "./ui/parts.tsx";
import "./console.css";

const VIEWS: [string, string][] = [
  ["", "Overview"],
  ["notifications", "Notifications"],
  ["dead-letters", "Dead letters"],
  ["rejected", "Rejected rows"],
  ["users", "Users"],
  ["tenants", "Tenants"],
  ["audit", "Audit log"],
];
/** The views that list something of one tenant. */
const SCOPED_VIEWS = ["notifications", "rejected", "users"];

function App() {
  const config = useLoad(() => fetchConfig(), []);
  const [session, setSession] = useState<Session | null>(restore);
  const [expired, setExpired] = useState(false);
  const change = (next: Session | null, hasExpired = false) => {
    save(next);
    setSession(next);
    setExpired(hasExpired);
  };
  if (!config.data) return config.error ? <ErrorNote error={config.error} onRetry={config.reload} /> : <Loading />;
  if (!session) return <SignIn config={config.data} expired={expired} onSession={change} />;
  return <Frame config={config.data} session={session} onEnd={(hasExpired) => change(null, hasExpired)} />;
}

function Frame(props: { config: Config; session: Session; onEnd: (hasExpired: boolean) => void }) {
  const { config, session } = props;
  const route = useRoute();
  const api = useMemo(() => new Api(session.token, () => props.onEnd(true)), [session.token]);
  const { data, error, reload } = useLoad((signal) => api.tenants(signal), [session.token]);
  const tenants = data?.data ?? [];
  const tenant = selectedTenant(route, tenants);
  const mode: Mode = route.query.get("mode") === "test" ? "test" : "live";
  const view = route.parts[0] ?? "";
  const title = VIEWS.find(([name]) => name === view)?.[1] ?? "Not found";
  useEffect(() => {
    document.title = `${title} · Carillon console`;
  }, [title]);
  const query = tenant ? scopeQuery({ tenant, mode }) : {};
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
            <Link key={name} to={href(name ? [name] : [], name ? query : {})} current={view === name}>
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
          <p class="operator" title={`Token expires ${session.expiresAt.toLocaleString()}`}>
            {session.subject} <span class="muted">{session.tenant === "*" ? "all tenants" : session.tenant}</span>
          </p>
          <button type="button" class="plain small" onClick={() => props.onEnd(false)}>
            Sign out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {SCOPED_VIEWS.includes(view) && route.parts.length === 1 && tenants.length > 0 && (
          <ScopeBar tenants={tenants} tenant={tenant} mode={mode} />
        )}
        {error && <ErrorNote error={error} onRetry={reload} />}
        {!data && !error && <Loading />}
        {data && (
          <ConsoleContext.Provider
            value={{ api, config, session, tenants, reloadTenants: reload, scope: { tenant, mode } }}
          >
            <View parts={route.parts} tenant={tenant} />
          </ConsoleContext.Provider>
        )}
      </main>
      <JobBar />
    </div>
  );
}

/** The tenant in the address, or else the first one. */
function selectedTenant(route: Route, tenants: Tenant[]): string {
  const named = route.query.get("tenant");
  return tenants.find((one) => one.id === named)?.id ?? tenants[0]?.id ?? "";
}

function ScopeBar(props: { tenants: Tenant[]; tenant: string; mode: Mode }) {
  return (
    <div class="scope">
      <Choice
        label="Tenant"
        value={props.tenant}
        values={props.tenants.map((one): [string, string] => [one.id, tenantName(one)])}
        onChoice={(tenant) => select({ tenant })}
      />
      <Choice
        label="Mode"
        value={props.mode}
        values={["live", "test"]}
        onChoice={(mode) => select({ mode: mode === "test" ? "test" : null })}
      />
    </div>
  );
}

function View({ parts, tenant }: { parts: string[]; tenant: string }) {
  const [view, first, second] = parts;
  if (view === undefined) return <OverviewPage />;
  if (view === "tenants") return first ? <TenantPage key={first} id={first} /> : <TenantsPage />;
  if (view === "users" && first && second) return <UserPage key={second} tenant={first} id={second} />;
  if (view === "audit") return <AuditPage />;
  if (!tenant) return <Empty title="No tenants yet">Create a tenant under Tenants.</Empty>;
  if (view === "notifications") return first ? <NotificationPage key={first} id={first} /> : <NotificationsPage />;
  if (view === "dead-letters") return <DeadLettersPage />;
  if (view === "rejected") return <RejectedPage />;
  if (view === "users") return <UsersPage />;
  return <Empty title="Page not found">The console has no view at this address.</Empty>;
}

const root = document.getElementById("console");
if (root) render(<App />, root);
