// The time line: a tree of steps. The path that leads to where one stands is straight, branches lie below.
import { html, useLayoutEffect, useRef, useState } from "./preact.js";
import { memo } from "./icons.js";
import { go, moment, path, span, store } from "./store.js";

const GAP = 86, TOP = 16, ROW = 34;

function laidOut() {
  const children = new Map();
  for (const node of store.nodes.values()) {
    if (node.parent === null || node.parent === undefined) continue;
    if (!children.has(node.parent)) children.set(node.parent, []);
    children.get(node.parent).push(node);
  }
  const straight = new Set(path().map((node) => node.id));
  // Where one has gone back to, the longest branch goes straight on.
  for (let id = store.current; children.has(id);) {
    const next = children.get(id).reduce((best, each) => (each.id > best.id ? each : best));
    straight.add(next.id);
    id = next.id;
  }
  const places = new Map(), used = [];
  const todo = [{ node: store.nodes.get(0), depth: 0, row: 0 }];
  const until = (node) => {
    let depth = 0;
    for (let each = node; each; each = children.get(each.id)?.[0]) depth += 1;
    return depth;
  };
  used.push([[0, Infinity]]);
  while (todo.length) {
    const { node, depth, row } = todo.pop();
    if (!node) break;
    places.set(node.id, { node, x: 24 + depth * GAP, y: TOP + row * ROW, row });
    const [first, ...others] = [...(children.get(node.id) ?? [])].sort((a, b) => straight.has(b.id) - straight.has(a.id) || a.id - b.id);
    for (const other of others) {
      const from = depth, to = depth + until(other);
      let free = Math.max(1, row + 1);
      while (used[free]?.some(([a, b]) => from <= b && to >= a)) free += 1;
      (used[free] ??= []).push([from, to]);
      todo.push({ node: other, depth: depth + 1, row: free });
    }
    if (first) todo.push({ node: first, depth: depth + 1, row });
  }
  return places;
}

function line(from, to) {
  if (from.y === to.y) return `M${from.x} ${from.y}H${to.x}`;
  const bend = from.x + 26;
  return `M${from.x} ${from.y}C${bend} ${from.y} ${from.x + 14} ${to.y} ${from.x + 44} ${to.y}H${to.x}`;
}

let known = { key: "" };
function placesNow() {
  const key = `${store.nodes.size} ${store.current} ${store.bot.version}`;
  if (known.key !== key) known = { key, places: laidOut() };
  for (const each of known.places.values()) each.node = store.nodes.get(each.node.id);
  return known.places;
}

const Dot = memo(({ node, x, y, branch, kind, hover }) => html`<button type="button" data-testid="timeline-dot" data-step=${node.id} data-branch=${branch}
  class=${`dot ${kind} ${node.errors.length ? "wrong" : ""}`} style=${{ left: `${x}px`, top: `${y}px` }} aria-label=${`Step ${node.id}: ${node.line}`} aria-current=${kind === "current" ? "step" : undefined}
  onMouseEnter=${() => hover(node.id)} onMouseLeave=${() => hover(null)} onFocus=${() => hover(node.id)} onBlur=${() => hover(null)} onClick=${() => go(node.id)}>
  <i></i><span>${node.user > 1 ? `${node.user}: ` : ""}${node.line}</span></button>`);

export function Timeline() {
  const frame = useRef(null);
  const [hover, setHover] = useState(null);
  const places = placesNow(), here = places.get(store.current);
  const on = new Set(path().map((node) => node.id));
  const all = [...places.values()];
  const width = Math.max(...all.map((each) => each.x)) + GAP, height = Math.max(...all.map((each) => each.y)) + 30;
  useLayoutEffect(() => {
    if (!here) return;
    const left = frame.current.scrollLeft, wide = frame.current.clientWidth;
    if (here.x < left + 40 || here.x > left + wide - 120) frame.current.scrollLeft = here.x - wide / 2;
  }, [store.current, store.nodes.size]);
  return html`<nav class="timeline" aria-label="Time line"><div class="scroll" ref=${frame}><div class="space" style=${{ width: `${width}px`, height: `${height}px` }}>
    <svg class="lines" width=${width} height=${height} aria-hidden="true">${all.filter(({ node }) => places.has(node.parent)).map((each) => html`
      <path key=${each.node.id} class=${`${on.has(each.node.id) ? "on" : ""} ${each.node.passed > 0 ? "waited" : ""}`} d=${line(places.get(each.node.parent), each)} />`)}</svg>
    ${all.map(({ node, x, y, row }) => html`<${Dot} key=${node.id} node=${node} x=${x} y=${y} hover=${setHover} branch=${on.has(node.id) ? "path" : row ? "branch" : "ahead"} kind=${node.id === store.current ? "current" : on.has(node.id) ? "on" : ""} />`)}
  </div></div>${hover !== null && places.has(hover) && html`<${Preview} node=${places.get(hover).node} x=${places.get(hover).x - (frame.current?.scrollLeft ?? 0)} />`}</nav>`;
}

function Preview({ node, x }) {
  const at = Object.values(node.standing ?? {})[0]?.[0];
  return html`<div class="preview" role="tooltip" style=${{ left: `${Math.max(8, Math.min(x - 20, innerWidth - 300))}px` }}>
    <b>${node.line}</b>${node.at !== undefined && html`<small>${moment(node.at)}${node.passed > 0 ? `, ${span(node.passed)} later` : ""}</small>`}
    ${(node.calls ?? []).map((call) => html`<span>${call.handler}: ${call.result}</span>`)}
    ${node.errors.map((error) => html`<span class="wrong">${error.text}</span>`)}
    ${at && html`<span>stands in <code>${at[1]}</code></span>`}
  </div>`;
}
