// The queue by keyboard: the next card is there at once, decisions are sent behind it, and kept here until they arrive.
const queue = document.getElementById("queue");
const recent = document.getElementById("recent");
const said = document.getElementById("said");
const words = queue.dataset;
const OUTBOX = `enrich-outbox ${words.user} `; // and a token: each decision is kept by itself, for other tabs keep theirs beside
const LIST = `enrich-outbox ${words.user}`; // where version 0.2.0 kept all of them, without saying when they were made
const SENT = `enrich-sent ${words.user}`; // the last that arrived: a page that was made meanwhile may have their cards
const TOO_SOON = 300; // milliseconds for which a card that has just come takes no click, nor the key pressed last: twice is one decision
const FEW = 6, RECENT = 10;

let outbox = load();
let sending = false, fetching = false, ended = false, wait = 1000, retry = 0;
let shownAt = 0, before = null; // since when which card is before the curator
let lastKey = "";
const gone = new Map(); // token -> card, for those decided here and not sent yet

function place(one) { return OUTBOX + one.form.token; }
function takeOver() { // each of the list by itself; the list goes once all are kept, before those that were made since
  try {
    JSON.parse(localStorage.getItem(LIST)).forEach((one, at) => {
      if (one?.form?.token) localStorage.setItem(place(one), JSON.stringify({ ...one, at }));
    });
    localStorage.removeItem(LIST);
  } catch { /* there is no such list, or no room for another */ }
}
function load() {
  takeOver();
  const found = [];
  try {
    for (const name of Object.keys(localStorage).filter(each => each.startsWith(OUTBOX))) {
      try {
        const one = JSON.parse(localStorage.getItem(name));
        if (place(one) === name) found.push({ ...one, loaded: true });
      } catch { /* it is none of ours */ }
    }
  } catch { /* nothing can be kept here */ }
  return found.sort((one, other) => one.at - other.at);
}
function keep(one) {
  try { localStorage.setItem(place(one), JSON.stringify(one)); } catch { say(words.kept.replace("{n}", outbox.length)); }
}
function done(one) {
  outbox = outbox.filter(each => each !== one);
  try { localStorage.removeItem(place(one)); } catch { /* it was not kept */ }
}
function doneElsewhere(one) { // another tab has sent it, or taken it back
  try { return one.loaded && localStorage.getItem(place(one)) === null; } catch { return false; }
}
function sent() {
  try { const kept = JSON.parse(localStorage.getItem(SENT) || "[]"); return Array.isArray(kept) ? kept : []; } catch { return []; }
}
function arrived(token) {
  try { localStorage.setItem(SENT, JSON.stringify([...sent(), token].slice(-50))); } catch { /* then it may come again, and says so */ }
}
function say(text) { said.textContent = text; }
function cards() { return [...queue.querySelectorAll("article.card")]; }
function current() { return cards()[0] || null; }
function judged() { return [...outbox.map(o => o.form.token), ...sent()]; }
function known() { return new Set([...cards().map(c => c.dataset.token), ...outbox.map(o => o.form.token)]); }

function show() {
  draw();
  if (cards().length < FEW) more();
}

function draw() {
  cards().forEach((card, place) => { card.hidden = place > 0; });
  const card = current();
  queue.querySelector(".none")?.remove();
  if (card) {
    if (card !== before) {
      before = card;
      shownAt = performance.now();
      card.tabIndex = -1;
      card.focus({ preventScroll: true });
    }
  } else {
    const none = document.createElement("p");
    none.className = "none";
    none.textContent = ended ? words.none : words.loading;
    queue.append(none);
  }
}

async function post(path, form) {
  return fetch(path, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(form), redirect: "error" });
}

async function more() {
  if (fetching || ended) return;
  fetching = true;
  try {
    const query = words.here.includes("?") ? words.here.slice(words.here.indexOf("?")) : "";
    const answer = await post(`/queue/cards${query}`, { have: [...known()].join(",") });
    if (!answer.ok) throw new Error(String(answer.status));
    const found = (await answer.json()).cards;
    for (const one of found) add(one);
    ended = found.length === 0; // nothing waits, or all that does is with others: a reload asks again
    fetching = false;
    show();
  } catch {
    fetching = false;
    clearTimeout(retry);
    retry = setTimeout(more, 3000);
    if (!current()) draw(); // and not show, which would ask again at once
  }
}

function add(one, first = false) {
  if (known().has(one.token)) return;
  const inside = document.createElement("template");
  inside.innerHTML = one.html; // made by our own templates, which escape all that is not ours
  const card = inside.content.querySelector("article.card");
  card.hidden = true;
  const next = first ? current() : null;
  if (next) next.before(card); else queue.append(card);
}

function decide(card, name, value, label) {
  const form = Object.fromEntries(new FormData(card.querySelector("form.card-judge")));
  delete form.next;
  form[name] = value;
  form.took = ((performance.now() - shownAt) / 1000).toFixed(3);
  const text = `${label} – ${card.dataset.title}`;
  const one = { form, text, at: Date.now() };
  outbox.push(one);
  keep(one);
  gone.set(form.token, card);
  note(form.token, text);
  card.remove();
  show();
  send();
}

function note(token, text) {
  const line = document.createElement("li");
  line.dataset.token = token;
  const what = document.createElement("span");
  what.textContent = `${text} `;
  const undo = document.createElement("button");
  undo.type = "button";
  undo.className = "plain";
  undo.textContent = words.undo;
  line.append(what, undo);
  recent.prepend(line);
  [...recent.children].slice(RECENT).forEach(old => old.remove());
}

async function send() {
  if (sending) return;
  sending = true;
  while (outbox.length) {
    const one = outbox[0], { form } = one;
    if (doneElsewhere(one)) { done(one); continue; }
    let answer;
    try { answer = await post("/judge", form); } catch { break; }
    if (answer.status >= 500 || answer.status === 429) break;
    if (answer.status === 401) { say(words.signIn.replace("{n}", outbox.length)); sending = false; return later(); }
    if (answer.status === 403) {
      const why = await reason(answer);
      say(`${words.signIn.replace("{n}", outbox.length)} ${why}`);
      sending = false;
      return later();
    }
    arrived(form.token);
    done(one);
    gone.delete(form.token);
    wait = 1000;
    if (!answer.ok) refused(form.token, await reason(answer));
    else if (!outbox.length) say("");
  }
  sending = false;
  if (outbox.length) {
    say(words.kept.replace("{n}", outbox.length));
    later();
  }
}

function later() {
  setTimeout(send, wait);
  wait = Math.min(wait * 2, 30000);
}

async function reason(answer) {
  try { return (await answer.json()).detail || ""; } catch { return ""; }
}

function refused(token, why) {
  const line = recent.querySelector(`[data-token="${CSS.escape(token)}"]`);
  if (!line) return say(`${words.refused} ${why}`);
  line.querySelector("button")?.remove();
  line.classList.add("note");
  line.append(`${words.refused} ${why}`);
}

async function undo(token) {
  const waiting = outbox.findIndex(o => o.form.token === token);
  const line = recent.querySelector(`[data-token="${CSS.escape(token)}"]`);
  if (waiting > 0 || (waiting === 0 && !sending)) { // it was not sent: the card is as before
    done(outbox[waiting]);
    line?.remove();
    const card = gone.get(token);
    gone.delete(token);
    if (card) { if (current()) current().before(card); else queue.append(card); }
    show();
    return;
  }
  while (sending && outbox.some(o => o.form.token === token)) await new Promise(done => setTimeout(done, 50));
  if (outbox.some(o => o.form.token === token)) return say(words.notUndone);
  try {
    const answer = await post("/undo", { token });
    if (!answer.ok) return say(`${words.notUndone} ${await reason(answer)}`);
    const { card } = await answer.json();
    line?.remove();
    say(words.undone);
    ended = false;
    if (card) await again(card);
  } catch { say(words.notUndone); }
}

async function again(token) {
  const answer = await post(`/queue/cards`, { have: [...known()].join(","), want: token });
  if (!answer.ok) return;
  for (const one of (await answer.json()).cards) add(one, one.token === token);
  show();
}

// Buttons do by mouse what keys do; without this script they are plain forms.
queue.addEventListener("submit", event => {
  const card = event.target.closest("article.card");
  if (event.target.matches(".card-search")) {
    event.preventDefault();
    search(card);
  } else if (event.submitter?.name) {
    event.preventDefault();
    click(card, event.submitter);
  }
});
function soon() { return performance.now() - shownAt < TOO_SOON; }
function click(card, button) { if (!soon()) press(card, button); }
function press(card, button) {
  const label = button.name === "correct" ? `${words.corrected}: ${button.querySelector(".guessed")?.textContent || button.textContent}`
    : `${words[button.value.toLowerCase()]}: ${card.dataset.value}`;
  decide(card, button.name, button.value, label);
}

recent.addEventListener("click", event => {
  const line = event.target.closest("button") && event.target.closest("li[data-token]");
  if (!line) return;
  event.preventDefault();
  undo(line.dataset.token);
});

let asking = 0;
async function search(card) {
  const form = card.querySelector(".card-search"), list = form.querySelector(".found"), mine = ++asking;
  const q = form.q.value.trim();
  if (!q) return list.replaceChildren();
  let values = [];
  try {
    const answer = await fetch(`/queue/values?${new URLSearchParams({ token: card.dataset.token, q })}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    values = (await answer.json()).values;
  } catch { if (mine === asking) list.textContent = "…"; return; }
  if (mine !== asking) return;
  list.replaceChildren(...values.map(value => {
    const line = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.name = "correct";
    button.value = value.value;
    button.textContent = value.name;
    button.addEventListener("click", () => click(card, button));
    line.append(button);
    return line;
  }));
  if (!values.length) list.textContent = words.nothingFound;
}
let typing = 0;
queue.addEventListener("input", event => {
  const card = event.target.closest(".card-search") && event.target.closest("article.card");
  if (!card) return;
  clearTimeout(typing);
  typing = setTimeout(() => search(card), 200);
});

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const card = current(), field = event.target.closest("input, textarea, select");
  if (field) {
    if (event.key === "Escape") { field.blur(); card?.focus({ preventScroll: true }); }
    return;
  }
  const twice = event.repeat || (event.key === lastKey && soon());
  lastKey = event.key;
  if (event.key === " " && event.target.closest("button, summary")) return; // it presses what has the focus
  if (event.key === "?") {
    const help = document.getElementById("help");
    help.open = !help.open;
    if (help.open) help.scrollIntoView({ block: "nearest" });
  } else if (event.key === "u") {
    event.preventDefault();
    if (event.repeat) return;
    const last = [...recent.children].find(line => line.querySelector("button"));
    if (last) undo(last.dataset.token);
  } else if (event.key === "/" && card) {
    event.preventDefault();
    card.querySelector(".card-search input[type=search]").focus();
  } else if (card) {
    const button = [...card.querySelectorAll("[data-key]")].find(each => each.dataset.key === event.key);
    if (!button) return;
    event.preventDefault();
    if (twice) return;
    if (button.matches("a")) button.click(); else press(card, button);
  }
});

window.addEventListener("online", () => { wait = 1000; send(); });
for (const card of cards()) if (judged().includes(card.dataset.token)) card.remove();
for (const { form, text } of outbox) if (!recent.querySelector(`[data-token="${CSS.escape(form.token)}"]`)) note(form.token, text);
show();
send();
