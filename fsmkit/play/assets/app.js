// The page as a whole: header, panes, dialogs, keys.
import { Component, html, render, useEffect, useRef, useState } from "./preact.js";
import { Chat, People, addPerson } from "./chat.js";
import { Diagram, view } from "./diagram.js";
import { Icon } from "./icons.js";
import { Findings, Steps, Stored } from "./side.js";
import { act, ask, changed, connect, go, moment, notice, onChange, seconds, set, span, store } from "./store.js";
import { Timeline } from "./timeline.js";

// -- what can be done, by button and by key ------------------------------------------------------

const children = (id) => [...store.nodes.values()].filter((node) => node.parent === id);
const COMMANDS = {
  deadline: { key: "t", text: "Go on to the next deadline", run: () => act({ do: "deadline" }) },
  wait: { key: "w", text: "Let time pass", run: () => set({ dialog: { kind: "wait" } }) },
  restart: { key: "r", text: "Restart the bot", run: () => act({ do: "restart" }) },
  duplicate: { key: "d", text: "Deliver the last update once more", run: () => act({ do: "duplicate" }) },
  kill: { key: "k", text: "Kill the bot in its next step", run: () => set({ dialog: { kind: "kill" } }) },
  person: { key: "n", text: "A new person", run: addPerson },
  group: { key: "g", text: "Open or close the group", run: () => set({ groupOpen: !store.groupOpen, place: store.groupOpen ? null : store.groups[0] }) },
  export: { key: "e", text: "Save the conversation", run: () => set({ dialog: { kind: "export" } }) },
  fit: { key: "f", text: "Fit the diagram", run: () => view.fit() },
  back: { key: "ArrowLeft", shown: "←", text: "One step back", run: () => { const node = store.nodes.get(store.current); if (node?.parent !== null && node?.parent !== undefined) go(node.parent); } },
  ahead: { key: "ArrowRight", shown: "→", text: "One step on", run: () => { const next = children(store.current).pop(); if (next) go(next.id); } },
  help: { key: "?", text: "These keys", run: () => set({ dialog: { kind: "help" } }) },
};
const BY_KEY = Object.fromEntries(Object.values(COMMANDS).map((each) => [each.key, each]));

const inputOf = () => document.querySelector('[data-testid="input"]');
addEventListener("keydown", (event) => {
  if (event.altKey && /^[1-9]$/.test(event.key)) {
    const shown = [...document.querySelectorAll('[data-testid="chat"] .keys')].pop()?.querySelectorAll("[data-testid=button]") ?? [];
    if (shown[event.key - 1]) { event.preventDefault(); shown[event.key - 1].click(); }
    return;
  }
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Escape") return set({ dialog: null, menu: null, card: null, alert: null });
  if (store.dialog || store.alert !== null || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  if (event.key === "/") { event.preventDefault(); inputOf()?.focus(); return; }
  if (/^Arrow/.test(event.key) && event.target.closest(".frame, .scroll, [role=tablist]")) return;
  const command = BY_KEY[event.key];
  if (command) { event.preventDefault(); command.run(); }
});

// -- the header -------------------------------------------------------------------------------------

function Act({ name, icon, testid, children: text }) {
  const command = COMMANDS[name];
  const disabled = !store.bot.flows.length && (name === "restart" || name === "kill");  // its own program starts it
  return html`<button type="button" class="act" aria-label=${command.text} disabled=${disabled} data-testid=${testid} title=${`${command.text} (${command.shown ?? command.key})`} onClick=${command.run}><${Icon} name=${icon} /><span>${text}</span></button>`;
}


function theme(next) {
  const root = document.documentElement;
  if (next) { localStorage.setItem("fsmkit-theme", next); }
  const chosen = localStorage.getItem("fsmkit-theme") ?? "auto";
  root.dataset.theme = chosen === "auto" ? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light") : chosen;
  return chosen;
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());

function Header() {
  const { status, bot, due, clock } = store;
  const dark = document.documentElement.dataset.theme === "dark";
  return html`<header class="top">
    <img src="icon.svg" alt="" width="20" height="20" /><strong class="brand">fsmkit play</strong><span class="file">${bot.name}</span>
    ${status.text && html`<button type="button" class=${`status ${status.kind}`} data-testid="reload-status" title=${status.text} onClick=${() => set({ dialog: { kind: "status" } })}>${status.text}</button>`}
    ${!store.connected && html`<span class="status error">not connected</span>`}
    ${store.busy > 0 && html`<span class="status busy" role="status">working…</span>`}
    <span class="grow"></span>
    <span class="clock" data-testid="clock" title="The bot's clock stands still until it is moved"><${Icon} name="clock" />${moment(clock)}</span>
    <button type="button" class="act" data-testid="next-deadline" aria-label=${due === null ? "No deadline" : `Go on to the next deadline, in ${span(due - clock)}`} disabled=${due === null} title="Go on to the next deadline (t)" onClick=${COMMANDS.deadline.run}><${Icon} name="skip" /><span>${due === null ? "no deadline" : `deadline in ${span(due - clock)}`}</span></button>
    <${Act} name="wait" icon="clock" testid="wait">Wait<//>
    <${Act} name="duplicate" icon="again" testid="duplicate">Again<//>
    <${Act} name="kill" icon="kill" testid="kill">Kill<//>
    <${Act} name="restart" icon="restart" testid="restart">Restart<//>
    <${Act} name="export" icon="down" testid="export">Save<//>
    <button type="button" class="quiet" data-testid="theme" aria-label="Light or dark" title="Light or dark" onClick=${() => { theme(dark ? "light" : "dark"); changed(); }}><${Icon} name=${dark ? "sun" : "moon"} /></button>
    <button type="button" class="quiet" aria-label="Keys" title="Keys (?)" onClick=${COMMANDS.help.run}><${Icon} name="help" /></button>
  </header>`;
}

// -- dialogs ------------------------------------------------------------------------------------------

function Dialog({ title, children: inside, testid, onSubmit }) {
  const ref = useRef(null);
  useEffect(() => {
    const opener = document.activeElement;
    ref.current.showModal();
    ref.current.querySelector("input, select, textarea, .primary")?.focus();
    return () => opener?.focus?.();
  }, []);
  const close = () => set({ dialog: null, alert: null });
  return html`<dialog ref=${ref} data-testid=${testid} aria-label=${title} onCancel=${close} onClose=${close} onClick=${(event) => event.target === ref.current && close()}>
    <form onSubmit=${(event) => { event.preventDefault(); onSubmit ? onSubmit(new FormData(event.target), close) : close(); }}>
      <header><h2>${title}</h2><button type="button" class="quiet" aria-label="Close" onClick=${close}><${Icon} name="close" /></button></header>${inside}</form></dialog>`;
}

const Buttons = ({ text }) => html`<footer><button type="submit" class="primary">${text}</button></footer>`;

function Wait() {
  const later = (text) => { set({ dialog: null }); act({ do: "wait", seconds: seconds(text) }); };
  return html`<${Dialog} title="Let time pass" testid="wait-dialog" onSubmit=${(form) => {
    const found = seconds(form.get("span"));
    if (found === null) return notice("refused", "Write it like 90s, 2h, 1h30m or 3d.");
    return later(form.get("span"));
  }}><label>How long <input name="span" value="1h" autocomplete="off" data-testid="wait-input" /></label>
    <p class="quick">${["1m", "10m", "1h", "1d", "7d"].map((text) => html`<button type="button" onClick=${() => later(text)}>${text}</button>`)}</p>
    <p class="hint">What is due on the way happens at its time.</p><${Buttons} text="Let it pass" /><//>`;
}

function Kill() {
  return html`<${Dialog} title="What goes wrong in the next step" testid="kill-dialog" onSubmit=${(form, close) => {
    const [at, wait] = form.get("at").split(" ");
    set({ mishap: { at, nth: Math.max(1, Number(form.get("nth")) || 1), ...(wait ? { wait: Number(wait) } : {}) } });
    close();
  }}><label>What <select name="at" data-testid="kill-at"><option value="store">The bot is killed before an operation on the store</option><option value="reply">The bot is killed before a reply</option>
      <option value="refused">Telegram refuses a message</option><option value="refused 30">Telegram puts a message off for 30 s</option></select></label>
    <label>Which, from 1 <input name="nth" type="number" min="1" max="50" value="1" data-testid="kill-nth" /></label>
    <p class="hint">After a kill the bot starts again, and Telegram delivers the update once more.</p><${Buttons} text="Do so in the next step" /><//>`;
}

function EventForm({ dialog }) {
  const { event, place } = dialog;
  const data = event.data !== null && typeof event.data === "object" && !Array.isArray(event.data) ? event.data : { value: event.data };
  const read = (text) => { try { return JSON.parse(text); } catch { return text; } };
  return html`<${Dialog} title=${event.name} testid="event-dialog" onSubmit=${(form, close) => {
    const given = Object.fromEntries(Object.keys(data).map((name) => [name, typeof data[name] === "string" ? form.get(name) : read(form.get(name))]));
    close();
    act({ do: "event", event: { class: event.class, data: data === event.data ? given : given.value } }, place);
  }}>${Object.entries(data).map(([name, value]) => html`<label>${name} <input name=${name} autocomplete="off" value=${typeof value === "string" ? value : JSON.stringify(value)} /></label>`)}
    <p class="hint">It goes to the conversation of ${store.user === 1 ? "yours" : `user ${store.user}`}${place === null ? "" : " in the group"}.</p><${Buttons} text="Send the event" /><//>`;
}

function Data({ dialog }) {
  const { tree, place } = dialog;
  const rows = JSON.stringify(tree.data, null, 2);
  return html`<${Dialog} title=${`Data of ${tree.flow}`} testid="data-dialog" onSubmit=${(form, close) => {
    let data;
    try { data = JSON.parse(form.get("data")); } catch (error) { return notice("refused", `This is no JSON: ${error.message}`); }
    close();
    return act({ do: "set-data", flow: tree.flow, data }, place);
  }}><label>As JSON <textarea name="data" rows=${Math.min(16, rows.split("\n").length + 1)} spellcheck=${false}>${rows}</textarea></label>
    <p class="hint">It is a step like any other: you can go back to before it.</p><${Buttons} text="Store it" /><//>`;
}

function Words({ dialog }) {
  const edits = dialog.kind === "edit";
  return html`<${Dialog} title=${edits ? "Edit your last message" : "Type after the bot's name"} testid="words-dialog" onSubmit=${(form, close) => {
    close();
    act(edits ? { do: "edit", text: form.get("text") } : { do: "gesture", kind: "inline", what: form.get("text") }, dialog.place);
  }}><label>Text <input name="text" autocomplete="off" /></label><${Buttons} text=${edits ? "Edit it" : "Ask the bot"} /><//>`;
}

function download(name, text, kind = "text/plain") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function drawing() {
  const shown = document.querySelector(".holder svg");
  if (!shown) return;
  const copy = shown.cloneNode(true), style = document.createElementNS("http://www.w3.org/2000/svg", "style");
  copy.querySelectorAll(".hit").forEach((each) => each.remove());
  const rules = [...document.styleSheets].filter((each) => /diagram\.css$/.test(each.href)).flatMap((each) => [...each.cssRules]).map((rule) => rule.cssText);
  style.textContent = rules.join("");
  copy.prepend(style);
  download("flow.svg", new XMLSerializer().serializeToString(copy), "image/svg+xml");
}

function Export() {
  const [found, setFound] = useState(null);
  useEffect(() => { ask({ do: "export", as: "test" }).then(setFound); }, []);
  const transcript = async () => { const text = await ask({ do: "export", as: "transcript" }); if (text) download(text.name, text.text); };
  return html`<${Dialog} title="Save this conversation" testid="export-dialog"><p class="quick">
      <button type="button" class="primary" data-testid="export-test" disabled=${!found} onClick=${() => download(found.name, found.text)}>As a test for pytest</button>
      <button type="button" onClick=${() => navigator.clipboard.writeText(found.text).then(() => notice("toast", "Copied."), () => notice("refused", "The browser does not allow it."))} disabled=${!found}>Copy the test</button>
      <button type="button" data-testid="export-transcript" onClick=${transcript}>Transcript</button>
      <button type="button" data-testid="export-svg" onClick=${drawing}>Diagram (SVG)</button></p>
    <pre class="source" data-testid="export-text" tabindex="0">${found?.text ?? ""}</pre><//>`;
}

function Help() {
  const more = [["/", "Write a message"], ["Esc", "Leave the field, close a dialog"], ["↑ ↓", "In the empty field: earlier messages"], ["Alt 1 … 9", "Press a button under the last message"]];
  return html`<${Dialog} title="Keys" testid="help-dialog"><dl>${[...more, ...Object.values(COMMANDS).map((each) => [each.shown ?? each.key, each.text])].map(([key, text]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${text}</dd></div>`)}</dl>
    ${store.bot.remembers && html`<p class="hint">These flows keep something outside of the store, so going back loads them anew and plays the steps again.</p>`}<//>`;
}

function Dialogs() {
  const { dialog, alert } = store;
  if (alert !== null) return html`<${Dialog} title=${store.bot.name} testid="alert"><p>${alert}</p><${Buttons} text="OK" /><//>`;
  switch (dialog?.kind) {
    case "wait": return html`<${Wait} />`;
    case "kill": return html`<${Kill} />`;
    case "event": return html`<${EventForm} dialog=${dialog} />`;
    case "data": return html`<${Data} dialog=${dialog} />`;
    case "edit": case "inline": return html`<${Words} dialog=${dialog} />`;
    case "export": return html`<${Export} />`;
    case "help": return html`<${Help} />`;
    case "status": return html`<${Dialog} title="The version that is played"><p>${store.status.text}</p><${Findings} /><//>`;
    default: return null;
  }
}

// -- panes --------------------------------------------------------------------------------------------

const SIZES = JSON.parse(localStorage.getItem("fsmkit-sizes") ?? "{}");
const LIMITS = { chat: [300, 520], side: [260, 560] };
function resize(name, size) {
  const [least, most] = LIMITS[name];
  SIZES[name] = Math.max(least, Math.min(most, size));
  localStorage.setItem("fsmkit-sizes", JSON.stringify(SIZES));
  document.documentElement.style.setProperty(`--${name}`, `${SIZES[name]}px`);
}
Object.entries(SIZES).forEach(([name, size]) => resize(name, size));

function Splitter({ name, label }) {
  const size = () => document.querySelector(name === "chat" ? ".chats" : ".side").getBoundingClientRect().width;
  const columns = () => name === "chat" && store.groupOpen ? 2 : 1;
  const drag = (event) => {
    event.target.setPointerCapture(event.pointerId);
    const from = event.clientX, began = size();
    const moved = (next) => resize(name, (began + (name === "chat" ? next.clientX - from : from - next.clientX)) / columns());
    event.target.addEventListener("pointermove", moved);
    event.target.addEventListener("pointerup", () => event.target.removeEventListener("pointermove", moved), { once: true });
  };
  const keyed = (event) => {
    const step = { ArrowLeft: -16, ArrowRight: 16 }[event.key];
    if (step) { event.preventDefault(); event.stopPropagation(); resize(name, size() / columns() + (name === "chat" ? step : -step)); }
  };
  return html`<div class="splitter" role="separator" aria-orientation="vertical" aria-label=${label} tabindex="0" onPointerDown=${drag} onKeyDown=${keyed}></div>`;
}

const TABS = [["chat", "Chat"], ["diagram", "Diagram"], ["side", "Stored"]];

class App extends Component {
  componentDidMount() { onChange(() => this.forceUpdate()); }

  render() {
    if (!store.ready) return html`<main class="loading">${store.failure === null ? html`<p>Starting the bot…</p>` : html`<p class="failed" role="alert" data-testid="failure">${store.failure}</p>`}</main>`;
    const bare = !store.diagram.svg && Boolean(store.diagram.problem);
    return html`<${Header} />
      <nav class="panes" role="tablist" aria-label="Panes">${TABS.map(([name, text]) => html`<button type="button" role="tab" data-testid=${`tab-${name}`} aria-selected=${store.tab === name} onClick=${() => set({ tab: name })}>${text}</button>`)}</nav>
      <main class=${`panes-of ${store.groupOpen ? "two" : ""} ${bare ? "bare" : ""}`} data-tab=${store.tab}>
        <div class="chats pane-chat"><${People} /><div class="columns"><${Chat} key="private" place=${null} />${store.groupOpen && store.groups.slice(0, 1).map((group) => html`<${Chat} key=${group} place=${group} />`)}</div></div>
        <${Splitter} name="chat" label="Width of the chat" />
        <div class="pane-diagram"><${Diagram} /></div>
        <${Splitter} name="side" label="Width of what is stored" />
        <div class="side pane-side"><${Stored} /><${Steps} /></div>
      </main>
      <${Timeline} />
      <div class="toasts" role="status">${store.notices.filter((each) => each.kind !== "typing").map((each) => html`<p key=${each.id} class=${`toast ${each.kind}`} data-testid="toast" data-kind=${each.kind}>${each.text}</p>`)}</div>
      <${Dialogs} />`;
  }
}

theme();
render(html`<${App} />`, document.body);
connect();
