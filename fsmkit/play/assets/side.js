// What is stored, and the steps with their reasons.
import { html, useLayoutEffect, useRef } from "./preact.js";
import { Icon, memo } from "./icons.js";
import { go, moment, path, set, span, store } from "./store.js";

const isTime = (value) => value !== null && typeof value === "object" && "$time" in value;

function plain(value) {
  if (isTime(value)) return moment(value.$time);
  if (typeof value === "string") return `"${value}"`;
  return JSON.stringify(value);
}

function Value({ value }) {
  if (isTime(value)) return html`<span class="value" title=${moment(value.$time)}>in ${span(Math.max(0, value.$time - store.clock))}</span>`;
  return html`<span class=${`value ${typeof value}`}>${plain(value)}</span>`;
}

const holds = (value) => value !== null && typeof value === "object" && !isTime(value) && Object.keys(value).length > 0;

function Tree({ name, value, was, known }) {
  const folded = name === "called by";
  if (holds(value)) {
    const before = holds(was) ? was : {};
    const gone = known ? Object.keys(before).filter((each) => !(each in value)) : [];
    const rows = html`<ul>${Object.entries(value).map(([each, part]) => html`<${Tree} key=${each} name=${each} value=${part} was=${before[each]} known=${known && holds(was)} />`)}
      ${gone.map((each) => html`<li class="gone"><span class="name">${each}</span><s>${holds(before[each]) ? "…" : plain(before[each])}</s></li>`)}</ul>`;
    if (folded) return html`<li><details><summary class="name">${name} (${value.length})</summary>${rows}</details></li>`;
    return html`<li><span class="name">${name}</span>${rows}</li>`;
  }
  const changedNow = known && JSON.stringify(was) !== JSON.stringify(value);
  return html`<li class=${changedNow ? "changed" : ""}><span class="name">${name}</span><${Value} value=${value} />
    ${changedNow && !isTime(value) && html`<span class="was">${was === undefined ? "new" : `was ${holds(was) ? "…" : plain(was)}`}</span>`}</li>`;
}

export function Stored() {
  const node = store.nodes.get(store.current);
  const before = node && store.nodes.get(node.parent);
  const rows = Object.entries(node?.stored ?? {});
  const mine = ([, row]) => row.user === store.user || row.chat === store.user || row.chat === store.place;
  rows.sort((a, b) => mine(b) - mine(a));
  return html`<section class="stored" data-testid="stored"><h2>Stored</h2>
    ${!rows.length && html`<p class="empty">Nothing is stored.</p>`}
    ${rows.map(([key, row]) => html`<article key=${key} class=${mine([key, row]) ? "" : "other"}>
      ${rows.length > 1 && html`<h3>${key}</h3>`}
      ${mine([key, row]) && store.bot.flows.length > 0 && row.conversations.some((each) => each.tree.data !== undefined) && html`<button type="button" class="quiet edit" data-testid="edit-data" aria-label="Set the data by hand" title="Set the data by hand" onClick=${() => set({ dialog: { kind: "data", place: row.chat < 0 ? row.chat : null, tree: row.conversations.find((each) => each.tree.data !== undefined).tree } })}><${Icon} name="pencil" /></button>`}
      ${row.conversations.map((each) => {
        const was = before?.stored?.[key]?.conversations.find((other) => other.name === each.name);
        return html`<ul class="tree" key=${each.name}>${Object.entries(each.tree).map(([name, value]) => html`<${Tree} key=${name} name=${name} value=${value} was=${was?.tree[name]} known=${was !== undefined} />`)}</ul>`;
      })}
    </article>`)}
  </section>`;
}

function reasons(asked) {
  return html`<ul>${asked.map((each) => html`<li class=${each.why === null ? "took" : ""}><b>${each.handler}</b> <code>${each.place}</code><br />${each.why === null ? "wanted it" : each.why}</li>`)}</ul>`;
}

const Step = memo(({ node, current, lit }) => {
  const status = node.errors.length ? "error" : current ? "current" : "past";
  const ref = useRef(null);
  useLayoutEffect(() => { if (current) ref.current.scrollIntoView({ block: "nearest" }); }, [current]);
  const asked = node.asked ?? [], calls = node.calls ?? [];
  const nobody = !calls.length && (asked.length > 0 || (!node.handled && !node.unplayed && /^(say|press|content|album|gesture|edit|event)/.test(node.action?.do)));
  return html`<li ref=${ref} class=${`step ${status} ${lit ? "lit" : ""}`} data-testid="step" data-status=${status} data-current=${current ? "true" : "false"}
    onMouseEnter=${() => node.edges.length && set({ lit: node.edges })} onMouseLeave=${() => store.lit && set({ lit: null })}>
    <button type="button" class="plain" onClick=${() => go(node.id)} aria-current=${current ? "step" : undefined}>
      <span class="line">${node.user > 1 && html`<small class="by">User ${node.user}</small> `}${node.place !== null && node.place !== undefined && html`<small class="by">in the group</small> `}${node.line}</span>
      <span class="ms">${node.passed > 0 && html`<span class="passed">+${span(node.passed)}</span> `}${node.ms !== undefined && `${node.ms.toFixed(1)} ms`}</span>
      ${node.fired?.map((each) => html`<span class="what fired">${each} fired</span>`)}
      ${calls.map((call) => html`<span class="what">${call.handler} <i>${call.result}</i> <code>${call.place}</code></span>`)}
      ${nobody && html`<span class="what">${node.shown?.length ? "No handler took it: otherwise was said" : "No handler took it"}</span>`}
      ${node.action?.do === "duplicate" && !calls.length && !asked.length && html`<span class="what">Known already: nothing ran</span>`}
      ${node.unplayed && html`<span class="what">not played yet</span>`}
    </button>
    ${node.errors.map((error) => html`<div class="error"><b>${error.text}</b>${error.place && html`<code>${error.place}</code>`}${error.source && html`<pre>${error.source}</pre>`}${error.notes.map((note) => html`<small>${note}</small>`)}</div>`)}
    ${current && html`<div class="details">
      ${asked.length > 0 && html`<details data-testid="asked" open=${nobody && asked.length > 0}><summary>${nobody ? "Who was asked, and why not" : `${asked.length} ${asked.length === 1 ? "handler was" : "handlers were"} asked`}</summary>${reasons(asked)}</details>`}
      ${calls.some((call) => call.returned) && html`<details><summary>Returned</summary><ul>${calls.filter((call) => call.returned).map((call) => html`<li><code>${call.returned}</code></li>`)}</ul></details>`}
      ${node.effects?.length > 0 && html`<details><summary>${node.effects.length} ${node.effects.length === 1 ? "effect" : "effects"}</summary><ul>${node.effects.map((each) => html`<li>${each.what} <i>${each.done}</i></li>`)}</ul></details>`}
    </div>`}
  </li>`;
});

export function Steps() {
  const words = store.filter.trim().toLowerCase();
  const matches = (node) => !words || JSON.stringify([node.line, node.calls, node.errors, node.standing]).toLowerCase().includes(words);
  const nodes = path().slice(1);
  const shown = nodes.filter(matches);
  return html`<section class="steps"><header><h2>Steps</h2>
      <input type="search" placeholder="Filter" aria-label="Filter steps" value=${store.filter} onInput=${(event) => set({ filter: event.target.value })} /></header>
    ${!nodes.length && html`<p class="empty">What happens stands here, with the handler that took it and why.</p>`}
    ${nodes.length > 0 && !shown.length && html`<p class="empty">No step matches.</p>`}
    <ol>${shown.map((node) => html`<${Step} key=${node.id} node=${node} current=${node.id === store.current} lit=${store.lit !== null && node.edges.some((edge) => store.lit.includes(edge))} />`)}</ol>
  </section>`;
}

export function Findings() {
  const wrong = store.diagram.findings.filter((each) => !each.note);
  if (!wrong.length) return null;
  return html`<details class="findings"><summary>${wrong.length} ${wrong.length === 1 ? "finding" : "findings"} of fsmkit check</summary><ul>${wrong.map((each) => html`<li>${each.line}</li>`)}</ul></details>`;
}

