// Shows the messages that arrived. Their texts are untrusted and only assigned to textContent.
"use strict";

const POLL_INTERVAL = 1000; // ms
const BATCH_SIZE = 1000; // arrivals per request
const MAX_PLACES = 24; // phones, mailboxes or screens shown per channel: the most recently used
const MAX_CARDS = 20; // messages shown per place

const $ = (id) => document.getElementById(id);
const channels = { push: new Map(), email: new Map(), in_app: new Map() };
let after = null;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function time(at) {
  return new Date(at).toLocaleTimeString();
}

function placeFor(channel, address) {
  const places = channels[channel];
  let place = places.get(address);
  if (!place) {
    const box = element("article", "place");
    const name = element("h3", "", address || "(no address)");
    name.title = address;
    place = { box, list: element("ul"), cards: new Map() };
    box.append(name, place.list);
  }
  // A Map keeps insertion order, so the most recently used place comes last.
  places.delete(address);
  places.set(address, place);
  return place;
}

function refusal(arrival) {
  const card = element("li", "card refused");
  const what = arrival.status ? `refused ${arrival.status}` : "connection closed without an answer";
  card.append(element("span", "title", what), element("span", "when", time(arrival.at)));
  return card;
}

function mail(arrival) {
  const item = element("li");
  const letter = element("details", "mail");
  const summary = element("summary");
  summary.append(element("span", "title", arrival.title || "(no subject)"), element("span", "when", time(arrival.at)));
  letter.append(summary, element("pre", "", arrival.body || ""));
  item.append(letter);
  return item;
}

function card(arrival, times) {
  const shown = element("li", "card");
  if (arrival.raw && arrival.raw.level) shown.dataset.level = arrival.raw.level;
  if (arrival.title) shown.append(element("p", "title", arrival.title));
  if (arrival.body) shown.append(element("p", "text", arrival.body));
  if (!arrival.title && !arrival.body) shown.append(element("p", "text", "(data only)"));
  shown.append(element("p", "when", time(arrival.at) + (times > 1 ? ` · arrived ${times} times` : "")));
  return shown;
}

function withdraw(place, arrival) {
  for (const known of place.cards.values()) {
    if (known.notification === arrival.notification_id) {
      known.box.classList.add("withdrawn");
      known.box.querySelector(".when").textContent = `withdrawn ${time(arrival.at)}`;
    }
  }
}

function show(arrival) {
  const address = arrival.channel === "in_app" && arrival.raw && arrival.raw.tenant
    ? `${arrival.address} · ${arrival.raw.tenant}` : arrival.address;
  const place = placeFor(arrival.channel, address);
  if (arrival.outcome === "refused") {
    place.list.prepend(refusal(arrival));
  } else if (arrival.channel === "email") {
    place.list.prepend(mail(arrival));
  } else if (arrival.action === "withdraw") {
    withdraw(place, arrival);
  } else {
    const key = arrival.collapse || arrival.notification_id || `#${arrival.n}`;
    const known = place.cards.get(key);
    const times = known ? known.times + 1 : 1;
    if (known) known.box.remove();
    const box = card(arrival, times);
    place.cards.delete(key);
    place.cards.set(key, { box, times, notification: arrival.notification_id });
    place.list.prepend(box);
  }
  while (place.list.children.length > MAX_CARDS) place.list.lastChild.remove();
  while (place.cards.size > MAX_CARDS) place.cards.delete(place.cards.keys().next().value);
}

function arrange(channel) {
  const places = channels[channel];
  const shelf = $(channel);
  const all = places.size;
  for (const address of [...places.keys()].slice(0, Math.max(0, all - MAX_PLACES))) places.delete(address);
  // A place stays where it is for as long as it is shown, so that nothing moves under the pointer.
  const boxes = [...places.values()].map((place) => place.box);
  for (const box of [...shelf.children]) if (!boxes.includes(box)) box.remove();
  for (const box of boxes) if (!box.isConnected) shelf.prepend(box);
  $(`${channel}-more`).hidden = all < MAX_PLACES;
}

function clear() {
  for (const [channel, places] of Object.entries(channels)) {
    places.clear();
    $(channel).replaceChildren();
    $(`${channel}-more`).hidden = true;
  }
}

async function request(url, options) {
  const response = await fetch(url, options);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.status === 204 ? null : response.json();
}

async function updateMessages() {
  const reply = await request(`/messages?limit=${BATCH_SIZE}` + (after === null ? "" : `&after=${after}`));
  // The journal was emptied in another tab, or the lab was restarted.
  if (after !== null && (reply.oldest > after || reply.next < after)) clear();
  const behind = after !== null && reply.messages.length === BATCH_SIZE;
  after = reply.next;
  reply.messages.forEach(show);
  Object.keys(channels).forEach(arrange);
  return behind;
}

async function updateCounts() {
  const { total, channels: kinds } = await request("/messages/count");
  const refused = Object.values(kinds).reduce((sum, kind) => sum + kind.refused, 0);
  $("counts").textContent =
    `${kinds.push.accepted} pushes · ${kinds.email.accepted} mails · ${kinds.in_app.accepted} on screens`
    + ` · ${refused} refused · ${total} in total`;
}

async function updateFaults() {
  const { active, seconds_left: left, vocabulary } = await request("/faults");
  const set = Object.entries(active).map(([provider, word]) => `${provider}: ${word}`).join(", ");
  $("active").hidden = !set;
  $("active").textContent = `Faults for every address: ${set}` + (left === null ? "" : ` (${Math.ceil(left)} s left)`);
  if ($("words").children.length) return;
  for (const word of vocabulary) {
    const row = element("tr");
    const name = element("th", "", `${word.word}-`);
    name.scope = "row";
    row.append(name, element("td", "", word.meaning));
    for (const effect of [word.fcm, word.smtp, word.oauth]) row.append(element("td", "", effect || "–"));
    $("words").append(row);
  }
}

async function poll() {
  let behind = false;
  try {
    behind = await updateMessages();
    await updateCounts();
    await updateFaults();
    $("trouble").hidden = true;
  } catch (error) {
    $("trouble").textContent = `The lab does not answer (${error.message}); trying again.`;
    $("trouble").hidden = false;
  }
  setTimeout(poll, behind ? 0 : POLL_INTERVAL);
}

$("empty").addEventListener("click", async () => {
  await request("/messages", { method: "DELETE" }).catch(() => null);
  clear();
});

poll();
