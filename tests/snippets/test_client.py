"""The client's README: a project in Node hears what is sent, and shows it with React."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import carillon
from tests.snippets.blocks import block
from tests.snippets.conftest import Installation
from tests.snippets.programs import run
from tests.workspace import CLIENTS

README = "clients/js/README.md"
CLIENT = block(README, "createClient")
REACT = block(README, "function Inbox")
CHAT = block(README, "chatOf")

pytestmark = pytest.mark.slow

# What the page of the README has, and what happens to it.
PAGE = """
import { setTimeout as sleep } from "node:timers/promises";

const told = [];
const show = (...given) => told.push(["show", ...given]);
const warn = (...given) => told.push(["warn", ...given]);
const showAll = ({ data }) => told.push(["showAll", data.length]);
const { fetch: fetchFromAnywhere, console: { log: print } } = globalThis;
globalThis.fetch = (url, ...options) =>
  url === "/carillon-token" ? Promise.resolve(new Response(process.env.TOKEN)) : fetchFromAnywhere(url, ...options);
console.log = (state) => told.push(["state", state]);
const until = async (found) => { while (!told.some(([name]) => name === found)) await sleep(20); };
const send = async (path, body) => {
  const headers = { Authorization: `Bearer ${process.env.KEY}`, "Content-Type": "application/json" };
  const answer = await fetch(`${process.env.SERVER}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
};
"""
HAPPENS = """
await until("showAll");
const audience = { users: ["bob"] };
await send("/v1/notifications", { audience, title: "Hello", message: "World", url: "https://shop.example/7" });
// An event overtakes a notification whose audience is not expanded yet.
await until("show");
await send("/v1/events", { audience, type: "budget:exceeded", data: { message: "1,100 of 1,000 spent" } });
await until("warn");
// Long enough for a repetition.
await sleep(1500);
print(JSON.stringify(told));
client.close();
"""
RENDERS = """
import { Window } from "happy-dom";
import { createRoot } from "react-dom/client";
import { createClient } from "carillon-client";
import { App } from "./App.js";

const client = createClient({ url: process.env.SERVER, getToken: async () => process.env.TOKEN });
await new Promise((live) => client.on("reset", live));
const window = new Window();
Object.assign(globalThis, { window, document: window.document });
createRoot(document.body).render(<App client={client} />);
const headers = { Authorization: `Bearer ${process.env.KEY}`, "Content-Type": "application/json" };
const body = { audience: { users: ["carol"] }, title: "Invoice 7", message: "Due", category: "billing" };
await fetch(`${process.env.SERVER}/v1/notifications`, { method: "POST", headers, body: JSON.stringify(body) });
const shown = () => document.body.textContent;
while (shown() !== "1 unreadInvoice 7") await new Promise((later) => setTimeout(later, 20));
document.querySelector("p").click();
while (shown() !== "0 unreadInvoice 7") await new Promise((later) => setTimeout(later, 20));
process.exit();
"""

# The demo has a conversation of bob and alice, and a group of the three.
TALKS = """
const seen = new Set();
const showUnread = (unread) => seen.add(`${unread} unread`);
const showMessages = (messages) =>
  messages.forEach(({ sender, content, state }) => seen.add(`${sender}: ${content} (${state})`));
const client = createClient({ url: process.env.SERVER, getToken: async () => process.env.TOKEN });
await new Promise((live) => client.on("reset", live));
"""
TALKED = """
while (!seen.has("bob: Hello (sent)") || !seen.has("1 unread")) await new Promise((later) => setTimeout(later, 20));
console.log(JSON.stringify([...seen]));
process.exit();
"""


def variables(installation: Installation, user: str) -> dict[str, str]:
    """What the programs take from their environment."""
    key = installation.shell("make -s key").strip()
    token = carillon.Client(installation.url, key).create_token(user).token
    return {"SERVER": installation.url, "KEY": key, "TOKEN": token}


def test_everything_is_told_once(installation: Installation, project: Path):
    (project / "page.js").write_text(PAGE + CLIENT.replace("https://carillon.example", installation.url) + HAPPENS)
    told: list[Any] = json.loads(run(["node", "page.js"], cwd=project, **variables(installation, "bob")))
    assert [one for one in told if one[0] != "state"] == [
        ["showAll", 0],
        ["show", "Hello", "https://shop.example/7"],
        ["warn", "1,100 of 1,000 spent"],
    ]
    assert ["state", "live"] in told


def test_react(installation: Installation, project: Path):
    render(project, "App", REACT, RENDERS, **variables(installation, "carol"))


def render(project: Path, name: str, component: str, main: str, **environment: str) -> None:
    """Run a program that renders a component, which it imports by its name."""
    # React, and what stands in for a browser, are those of the workspace.
    for package in ("react", "react-dom", "happy-dom"):
        link = project / "node_modules" / package
        if not link.exists():
            link.symlink_to(CLIENTS / "node_modules" / package)
    (project / f"{name}.jsx").write_text(component)
    (project / "main.jsx").write_text(main)
    esbuild = CLIENTS / "node_modules/.bin/esbuild"
    run([esbuild, f"{name}.jsx", "main.jsx", "--jsx=automatic", "--outdir=.", "--log-level=warning"], cwd=project)
    run(["node", "main.js"], cwd=project, **environment)


def test_chat(installation: Installation, project: Path):
    (project / "chat.js").write_text(f'import {{ createClient }} from "carillon-client";\n{TALKS}{CHAT}{TALKED}')
    seen = json.loads(run(["node", "chat.js"], cwd=project, **variables(installation, "bob")))
    assert seen.index("bob: Hello (sending)") < seen.index("bob: Hello (sent)")
