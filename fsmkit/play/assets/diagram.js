// The live diagram: the drawing that `fsmkit graph` makes, with what has happened lit on it.
import { html, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { Icon } from "./icons.js";
import { ask, path, set, store, who } from "./store.js";

const MANY = 40;
const nodeName = (flow, state) => `${flow}/${state}`;

function situation() {
  const nodes = path(), me = who();
  const standing = nodes.length ? nodes[nodes.length - 1].standing?.[me] ?? [] : [];
  const been = new Set(), taken = new Set();
  let last = [];
  for (const node of nodes) {
    for (const [flow, state] of node.standing?.[me] ?? []) been.add(nodeName(flow, state));
    if (node.user !== store.user) continue;
    node.edges.forEach((edge) => taken.add(edge));
    for (const call of node.calls ?? []) if (call.state) been.add(nodeName(call.flow, call.state));
    if (node.edges.length || node.handled) last = node.edges;
  }
  const [now, ...callers] = standing.map(([flow, state]) => nodeName(flow, state));
  return { now, callers: new Set(callers), been, taken, last: new Set(last) };
}

function light(svg) {
  const { now, callers, been, taken, last } = situation();
  for (const state of svg.querySelectorAll(".state")) {
    const name = nodeName(state.dataset.flow, state.dataset.state);
    state.dataset.status = name === now ? "now" : been.has(name) ? "been" : "not-yet";
    state.toggleAttribute("data-caller", callers.has(name));
    state.setAttribute("aria-label", `${name}, ${{ now: "you are here", been: "visited", "not-yet": "not yet visited" }[state.dataset.status]}`);
  }
  for (const edge of svg.querySelectorAll("[data-edge]")) {
    const id = edge.dataset.edge;
    edge.dataset.taken = last.has(id) ? "last" : taken.has(id) ? "yes" : "no";
    edge.toggleAttribute("data-lit", store.lit !== null && store.lit.includes(id));
  }
  return svg.querySelector('.state[data-status="now"]');
}

function parsed(text, pick) {
  const made = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  const svg = document.importNode(made, true);
  svg.dataset.testid = "diagram-svg";
  for (const state of svg.querySelectorAll(".state")) {
    state.dataset.testid = "state";
    state.setAttribute("tabindex", "0");
    state.setAttribute("role", "button");
    const chosen = () => pick({ kind: "state", name: nodeName(state.dataset.flow, state.dataset.state) });
    state.addEventListener("click", chosen);
    state.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); chosen(); } });
  }
  for (const edge of svg.querySelectorAll(".arrow, .chip")) {
    edge.dataset.testid = "edge";
    const line = edge.querySelector(".line");
    if (line) {  // easier to hit
      const wide = line.cloneNode();
      wide.setAttribute("class", "hit");
      edge.append(wide);
    }
    edge.addEventListener("click", () => pick({ kind: "edge", id: edge.dataset.edge }));
    edge.addEventListener("mouseenter", () => set({ lit: [edge.dataset.edge] }));
    edge.addEventListener("mouseleave", () => set({ lit: null }));
  }
  for (const label of svg.querySelectorAll(".arrow-label")) {
    label.addEventListener("click", () => pick({ kind: "edge", id: label.dataset.edge }));
  }
  return svg;
}

export const view = { fit: () => {} };

export function Diagram() {
  const holder = useRef(null), svg = useRef(null), frame = useRef(null), sized = useRef(false);
  const [zoom, setZoom] = useState(1);
  const many = Object.keys(store.diagram.states).length > MANY;
  const fitted = () => {
    if (!svg.current || !frame.current.clientWidth) return 1;
    const box = svg.current.viewBox.baseVal;
    const fit = Math.min((frame.current.clientWidth - 24) / box.width, (frame.current.clientHeight - 24) / box.height);
    return many ? 1 : Math.max(0.6, Math.min(1.25, fit));
  };
  const show = (smooth) => {
    const now = svg.current && svg.current.querySelector('.state[data-status="now"]');
    if (!now) return;
    const box = now.getBoundingClientRect(), outer = frame.current.getBoundingClientRect();
    if (box.left < outer.left || box.right > outer.right || box.top < outer.top || box.bottom > outer.bottom) {
      frame.current.scrollBy({ left: box.left + box.width / 2 - outer.left - outer.width / 2, top: box.top + box.height / 2 - outer.top - outer.height / 2, behavior: smooth ? "smooth" : "auto" });
    }
  };
  view.fit = () => { setZoom(fitted()); show(false); };
  useLayoutEffect(() => {
    holder.current.replaceChildren();
    svg.current = null;
    if (!store.diagram.svg) return;
    svg.current = parsed(store.diagram.svg, (card) => set({ card }));
    holder.current.append(svg.current);
    sized.current = true;
    setZoom(fitted());
    performance.mark("diagram");
  }, [store.diagram]);
  useEffect(() => {
    const watch = new ResizeObserver(() => setZoom(fitted()));
    watch.observe(frame.current);
    return () => watch.disconnect();
  }, [store.diagram]);
  useLayoutEffect(() => {
    if (!svg.current) return;
    const box = svg.current.viewBox.baseVal;
    svg.current.setAttribute("width", box.width * zoom);
    svg.current.setAttribute("height", box.height * zoom);
  });
  useLayoutEffect(() => { if (svg.current) light(svg.current); });
  useEffect(() => show(true), [store.current, store.user, store.place]);
  const by = (factor) => setZoom(Math.max(0.3, Math.min(3, zoom * factor)));
  return html`<section class="diagram" data-testid="diagram" aria-label="Diagram">
    <div class="frame" ref=${frame} tabindex="0" aria-label="The flows" onClick=${(event) => event.target.closest(".state, .arrow, .chip, .arrow-label") || (store.card && set({ card: null }))}><div class="holder" ref=${holder}></div>
      ${!store.diagram.svg && store.ready && html`<p class="empty">${store.diagram.problem || "Drawing…"}</p>`}
    </div>
    ${store.diagram.svg && html`<div class="zoom">
      <button type="button" class="quiet" aria-label="Smaller" title="Smaller" onClick=${() => by(0.8)}><${Icon} name="minus" /></button>
      <button type="button" class="quiet" aria-label="Fit" title="Fit (f)" onClick=${view.fit}><${Icon} name="fit" /></button>
      <button type="button" class="quiet" aria-label="Larger" title="Larger" onClick=${() => by(1.25)}><${Icon} name="plus" /></button>
    </div>`}
    <${Legend} />
    <${Card} />
  </section>`;
}

function Legend() {
  if (!store.diagram.svg) return null;
  return html`<div class="legend" aria-hidden="true"><span class="now">now</span><span class="been">visited</span><span class="not-yet">not yet</span></div>`;
}

function Card() {
  const { card } = store;
  if (!card) return null;
  const found = card.kind === "state" ? store.diagram.states[card.name] : store.diagram.arrows[card.id];
  if (!found) return null;
  const handlers = found.handlers;
  return html`<aside class="card" data-testid="card">
    <button type="button" class="quiet close" aria-label="Close" onClick=${() => set({ card: null })}><${Icon} name="close" /></button>
    ${card.kind === "state" ? html`<h3>${found.state}<small>${found.flow}</small></h3>
      ${found.prompt && html`<p class="said"><b>prompt</b> ${found.prompt}</p>`}
      ${found.otherwise && html`<p class="said"><b>otherwise</b> ${found.otherwise}</p>`}
      <button type="button" data-testid="reach" onClick=${() => ask({ do: "reach", flow: found.flow, state: found.state })}>Go there<small> the shortest conversation</small></button>`
    : html`<h3>${found.labels.join(", ") || "step"}</h3>`}
    <ul class="handlers">${handlers.map((each) => html`<${Handler} key=${each.at + each.name} handler=${each} open=${handlers.length === 1 && card.kind === "edge"} />`)}</ul>
  </aside>`;
}

function Handler({ handler, open }) {
  const [lines, setLines] = useState(null);
  const toggle = async () => setLines(lines ? null : (await ask({ do: "source", place: handler.at }))?.lines ?? null);
  useEffect(() => { if (open) toggle(); }, []);
  return html`<li><button type="button" class="plain" aria-expanded=${lines !== null} onClick=${toggle}><b>${handler.name}</b>${handler.wants && html` <span>${handler.wants}</span>`}<code>${handler.place}</code></button>
    ${lines && html`<pre class="source" data-testid="source">${lines.map(([number, line]) => html`<span class="number">${number}</span>${line}\n`)}</pre>`}</li>`;
}
