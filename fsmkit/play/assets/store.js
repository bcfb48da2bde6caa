// What the page knows, and how it asks the server. Nothing here draws.

export const store = {
  ready: false, connected: true, failure: null,
  bot: { name: "", flows: [], events: [], remembers: false, version: -1 },
  diagram: { svg: "", problem: "", states: {}, arrows: {}, findings: [] },
  nodes: new Map(), current: 0, clock: 0, due: null,
  chats: new Map(), ghosts: new Map(), keyboards: {}, fresh: {}, offers: {}, people: [1], groups: [],
  status: { kind: "", text: "" }, notices: [], alert: null, busy: 0,
  user: 1, place: null, groupOpen: false, mishap: null,
  dialog: null, menu: null, card: null, lit: null, filter: "", tab: "chat", hidden: new Set(),
};

let draw = () => {};
export const onChange = (callback) => { draw = callback; };

let asked = false;
export function changed() {
  if (asked) return;
  asked = true;
  queueMicrotask(() => { asked = false; draw(); });
}
export function set(changes) { Object.assign(store, changes); changed(); }

export async function ask(command) {
  store.busy += 1;
  changed();
  try {
    const answer = await fetch("do", { method: "POST", body: JSON.stringify(command) });
    const found = await answer.json();
    if (!answer.ok || found.error) throw new Error(found.error);
    return found;
  } catch (error) {
    notice("refused", error instanceof TypeError ? "The bot's process does not answer." : error.message);
    return null;
  } finally {
    store.busy -= 1;
    changed();
  }
}

export function act(action, place = store.place, user = store.user) {
  const mishap = store.mishap;
  store.mishap = null;
  return ask({ do: "act", action, place, user, mishap });
}
export function press(message, button, place) {
  const mishap = store.mishap;
  store.mishap = null;
  return ask({ do: "press", message, button, place, user: store.user, mishap });
}
export const go = (step) => step !== store.current && ask({ do: "go", step });

let serial = 0;
export function notice(kind, text) {
  if (kind === "alert") return set({ alert: text });
  const shown = { id: ++serial, kind, text };
  store.notices = [...store.notices.slice(-3), shown];
  changed();
  setTimeout(() => set({ notices: store.notices.filter((each) => each !== shown) }), kind === "typing" ? 1500 : 5000);
  return null;
}

export const path = () => {
  const found = [];
  for (let node = store.nodes.get(store.current); node; node = store.nodes.get(node.parent)) found.push(node);
  return found.reverse();
};
export const who = (user = store.user, place = store.place) => `${user}@${place ?? ""}`;
export const chatOf = (place, user = store.user) => place ?? user;

function takeChats(shown, whole) {
  if (whole) store.chats = new Map();
  store.ghosts = new Map();
  for (const [chat, change] of Object.entries(shown.chats)) {
    const messages = new Map(store.chats.get(Number(chat)) ?? []);
    for (const message of change.new) messages.set(message.id, message);
    if (change.gone.length) {
      const gone = change.gone.filter((id) => messages.has(id));
      store.ghosts.set(Number(chat), gone.map((id) => ({ ...messages.get(id), ghost: true })));
      gone.forEach((id) => messages.delete(id));
    }
    store.chats.set(Number(chat), messages);
  }
}

function take(shown) {
  if (shown.type === "failed") return set({ failure: shown.text });
  if (shown.type === "status") return set({ status: shown.status });
  if (shown.type !== "state" && !store.ready) return;
  if (shown.type === "state") {
    const { bot, groups, status } = shown;
    const other = bot.version !== store.bot.version;
    store.nodes = new Map(shown.nodes.map((node) => [node.id, node]));
    Object.assign(store, { bot, groups, status, ready: true });
    document.title = `${bot.name} · fsmkit play`;
    if (other) fetchDiagram();
  } else {
    for (const node of shown.nodes ?? [shown.node]) store.nodes.set(node.id, node);
  }
  takeChats(shown, shown.type !== "step");
  const { current, clock, due, keyboards, people, fresh, offers } = shown;
  Object.assign(store, { current, clock, due, keyboards, people, fresh, offers });
  if (shown.type === "step") shown.node.notices.forEach((each) => notice(each.kind, each.text));
  if (shown.type === "step" && shown.node.place !== null) store.groupOpen = true;
  changed();
}

async function fetchDiagram() {
  const found = await ask({ do: "diagram" });
  if (found) set({ diagram: found, card: null });
}

export function connect() {
  const source = new EventSource("events");
  source.onmessage = (event) => { if (!store.connected) set({ connected: true }); take(JSON.parse(event.data)); };
  source.onerror = () => set({ connected: false });
}

// -- times ---------------------------------------------------------------------------------------

const UNITS = { w: 604800, d: 86400, h: 3600, m: 60, s: 1 };
export function seconds(text) {
  const plain = text.trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(plain)) return Number(plain);
  const parts = [...plain.matchAll(/(\d+(?:\.\d+)?)\s*([wdhms])/g)];
  if (!parts.length || plain.replace(/(\d+(?:\.\d+)?)\s*([wdhms])\s*/g, "")) return null;
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit], 0);
}
export function span(given) {
  let left = Math.round(given);
  const parts = [];
  for (const unit of ["d", "h", "m", "s"]) {
    if (left >= UNITS[unit]) { parts.push(`${Math.floor(left / UNITS[unit])} ${unit}`); left %= UNITS[unit]; }
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}
const two = (number) => String(number).padStart(2, "0");
export function moment(at) {
  const date = new Date(at * 1000);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${hour(at)}`;
}
export function hour(at) {
  const date = new Date(at * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}
