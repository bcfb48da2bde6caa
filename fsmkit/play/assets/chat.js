// The chat, as Telegram's users know it.
import { Component, html, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { Icon } from "./icons.js";
import { act, ask, changed, chatOf, hour, notice, press, set, store, who } from "./store.js";

const TAGS = { bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code", pre: "pre",
  blockquote: "blockquote", expandable_blockquote: "blockquote", spoiler: "span", text_mention: "strong" };

function linkOf(type, text, url) {
  if (type === "text_link") return url;
  if (type === "url") return /^https?:/i.test(text) ? text : `http://${text}`;
  if (type === "email") return `mailto:${text}`;
  return null;
}

// Offsets count UTF-16 units, as JavaScript's strings do. Entities nest, they do not cross.
function marked(text, entities, say) {
  if (!entities.length) return text;
  const first = entities[0];
  const inside = entities.slice(1).filter((each) => each.offset < first.offset + first.length);
  const after = entities.slice(1 + inside.length);
  const end = first.offset + first.length;
  const shift = (by) => (each) => ({ ...each, offset: each.offset - by });
  const body = text.slice(first.offset, end);
  const within = marked(body, inside.map(shift(first.offset)), say);
  return [text.slice(0, first.offset), wrapped(first, body, within, say), marked(text.slice(end), after.map(shift(end)), say)];
}

function wrapped(entity, body, within, say) {
  const { type } = entity;
  if (type === "bot_command") return html`<button type="button" class="command" onClick=${() => say(body)}>${within}</button>`;
  const link = linkOf(type, body, entity.url);
  if (link !== null && /^(https?|tg|mailto):/i.test(link)) {
    return html`<a href=${link} target="_blank" rel="noopener noreferrer">${within}</a>`;
  }
  const tag = TAGS[type];
  if (tag) return html`<${tag} class=${type}>${within}<//>`;
  return html`<span class="entity">${within}</span>`;
}

const MEDIA_ICONS = { photo: "photo", location: "location", contact: "contact", poll: "poll", voice: "voice",
  sticker: "sticker", invoice: "pay" };

function Media({ media, place }) {
  if (!media) return null;
  if (media.file) return html`<img class="picture" src=${`file/${media.file}`} alt=${media.name || media.kind} />`;
  if (media.kind === "poll") {
    return html`<div class="poll"><strong>${media.name}</strong>${media.options.map((option, number) => html`
      <button type="button" class="option" onClick=${() => act({ do: "gesture", kind: "poll_answer", what: String(number), fields: { poll_id: media.poll } }, place)}>${option}</button>`)}</div>`;
  }
  return html`<span class=${`media ${media.kind}`}><${Icon} name=${MEDIA_ICONS[media.kind] ?? "document"} />${media.name || media.kind}</span>`;
}

class Bubble extends Component {
  shouldComponentUpdate(next) {
    return ["message", "fresh", "first", "named", "user"].some((name) => next[name] !== this.props[name]);
  }

  render({ message, fresh, place, named, user }) {
    const { media, rows, text } = message;
    if (media?.kind === "service") return html`<div class="service" data-testid="bubble" data-from=${message.from}>${media.name}</div>`;
    const own = message.from === "person" && message.user === user;
    const live = new Set((fresh || "").split(",").map(Number));
    let number = -1;
    const button = (shown) => {
      number += 1;
      const at = number;
      if (shown.kind === "url") return html`<a class="key" data-testid="button" href=${/^(https?|tg):/i.test(shown.url) ? shown.url : "#"} target="_blank" rel="noopener noreferrer">${shown.text}<${Icon} name="link" /></a>`;
      const stale = shown.kind === "data" && fresh !== "all" && !(fresh !== "" && live.has(at));
      const pressed = () => shown.kind === "data" ? press(message.id, at, place)
        : shown.kind === "pay" ? act({ do: "gesture", kind: "pre_checkout_query", what: media?.payload ?? "" }, place)
        : notice("toast", "This button does something in Telegram's own app.");
      return html`<button type="button" class=${stale ? "key stale" : "key"} data-testid="button" data-stale=${stale ? "true" : "false"} title=${stale ? "From an earlier state: a press would change nothing" : undefined} onClick=${pressed}>${shown.text}</button>`;
    };
    return html`<div class=${`message ${own ? "own" : ""} ${message.ghost ? "ghost" : ""}`}>
      <div class="bubble" data-testid="bubble" data-from=${message.from} data-message=${message.id}>
        ${named && !own && html`<span class="author">${message.who}</span>`}
        ${message.reply && html`<span class="reply">${message.reply}</span>`}
        <${Media} media=${media} place=${place} />
        <span class="text">${marked(text, message.entities, (words) => act({ do: "say", text: words }, place))}</span>
        <span class="time">${message.ghost ? "deleted" : message.edited ? "edited" : ""} ${hour(message.date)}</span>
      </div>
      ${rows.length > 0 && html`<div class="keys">${rows.map((row) => html`<div class="row">${row.map(button)}</div>`)}</div>`}
    </div>`;
  }
}

const ATTACHED = [
  ["photo", "Photo", { do: "content", kind: "photo" }],
  ["document", "File", { do: "content", kind: "document" }],
  ["album", "Album", { do: "album" }],
  ["location", "Place", { do: "content", kind: "location" }],
  ["contact", "Contact", { do: "content", kind: "contact" }],
  ["voice", "Voice message", { do: "content", kind: "voice" }],
  ["sticker", "Sticker", { do: "content", kind: "sticker" }],
  ["poll", "Poll", { do: "content", kind: "poll", fields: { id: "1", question: "Poll?", options: [{ text: "Yes", voter_count: 0 }, { text: "No", voter_count: 0 }], total_voter_count: 0, is_closed: false, is_anonymous: false, type: "regular", allows_multiple_answers: false } }],
];

function AttachMenu({ place, close }) {
  const done = (action) => () => { close(); act(action, place); };
  const messages = [...(store.chats.get(chatOf(place)) ?? new Map()).values()];
  const invoice = messages.reverse().find((each) => each.media?.kind === "invoice");
  return html`<div class="menu attach" role="menu">
    ${ATTACHED.map(([icon, text, action]) => html`<button role="menuitem" type="button" onClick=${done(action)}><${Icon} name=${icon} />${text}</button>`)}
    <button role="menuitem" type="button" onClick=${done({ do: "gesture", kind: "message_reaction", what: "\u{1F44D}" })}><${Icon} name="heart" />React to the last message</button>
    ${invoice && html`<button role="menuitem" type="button" onClick=${done({ do: "gesture", kind: "pre_checkout_query", what: invoice.media.payload })}><${Icon} name="pay" />Pay ${invoice.media.name}</button>`}
    <button role="menuitem" type="button" onClick=${() => { close(); set({ dialog: { kind: "edit", place } }); }}><${Icon} name="pencil" />Edit your last message…</button>
    <button role="menuitem" type="button" onClick=${() => { close(); set({ dialog: { kind: "inline", place } }); }}><${Icon} name="inline" />Type after the bot's name…</button>
    ${store.bot.events.map((event) => html`<button role="menuitem" type="button" data-event=${event.name} onClick=${() => { close(); set({ dialog: { kind: "event", place, event } }); }}><${Icon} name="outside" />Event from outside: ${event.name}…</button>`)}
  </div>`;
}

function ReplyKeyboard({ place }) {
  const shown = store.keyboards[chatOf(place)];
  if (!shown) return null;
  const done = (key) => key.asks === "contact" || key.asks === "location" ? { do: "content", kind: key.asks } : { do: "say", text: key.text };
  return html`<div class="keyboard">${shown.rows.map((row) => html`<div class="row">${row.map((key) => html`
    <button type="button" class="key" data-testid="keyboard-button" onClick=${() => act(done(key), place)}>${key.text}</button>`)}</div>`)}</div>`;
}

export function Chat({ place }) {
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const log = useRef(null), input = useRef(null), history = useRef({ at: -1, said: [] });
  const chat = chatOf(place);
  const messages = [...(store.chats.get(chat) ?? new Map()).values(), ...(store.ghosts.get(chat) ?? [])].sort((a, b) => a.id - b.id);
  const fresh = store.fresh === null ? null : store.fresh[chat] ?? {};
  const last = messages.length ? messages[messages.length - 1] : null;
  useLayoutEffect(() => { log.current.scrollTop = log.current.scrollHeight; }, [store.current, chat, last, messages.length]);
  useLayoutEffect(() => {
    input.current.style.height = "auto";
    input.current.style.height = `${Math.min(input.current.scrollHeight + 2, 120)}px`;
  }, [text]);
  useEffect(() => { setOpen(false); }, [store.current]);
  const send = () => {
    if (!text.trim()) return;
    history.current.said.unshift(text);
    history.current.at = -1;
    act({ do: "say", text }, place);
    setText("");
  };
  const typed = (event) => {
    const { at, said } = history.current;
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); send(); }
    else if (event.key === "Escape") event.target.blur();
    else if (step && (!text || at >= 0) && at + step >= -1 && at + step < said.length) {
      event.preventDefault();
      history.current.at = at + step;
      setText(said[at + step] ?? "");
    }
  };
  const offers = store.offers[who(store.user, place)] ?? [];
  const typing = store.notices.find((each) => each.kind === "typing");
  const group = place !== null;
  const testid = (name) => store.place === place ? name : `${name}-other`;
  return html`<section class="chat" data-testid=${testid("chat")} onfocusin=${() => store.place !== place && set({ place })}>
    <header class="chat-head"><${Icon} name=${group ? "group" : "person"} /><strong>${group ? "Group" : "Private chat"}</strong>
      ${group ? html`<button type="button" class="quiet" title="Close the group" onClick=${() => set({ groupOpen: false, place: null })}><${Icon} name="close" /></button>`
      : !store.groupOpen && html`<button type="button" class="quiet text" data-testid="group-open" onClick=${() => set({ groupOpen: true, place: store.groups[0] })}><${Icon} name="group" />Open a group</button>`}
    </header>
    <div class="log" role="log" aria-label="Messages" ref=${log} tabindex="0"><div class="messages">
      ${!messages.length && html`<p class="empty">Nothing has been said yet.${offers.length > 0 && " Try one of these:"}</p>
        <div class="starters">${offers.slice(0, 3).map((offer) => html`<button type="button" onClick=${() => act(offer.action, place)}>${offer.text}</button>`)}</div>`}
      ${messages.map((message) => html`<${Bubble} key=${message.id} message=${message} place=${place} named=${group} user=${store.user} fresh=${fresh === null ? "all" : (fresh[message.id] ?? []).join(",")} />`)}
      ${typing && store.place === place && html`<p class="typing">${typing.text}…</p>`}
    </div></div>
    <${ReplyKeyboard} place=${place} />
    ${offers.length > 0 && messages.length > 0 && html`<div class="offers" aria-label="What could be said now">${offers.map((offer) => html`
      <button type="button" class="offer" data-testid=${testid("offer")} title=${offer.about} onClick=${() => act(offer.action, place)}>${offer.text}</button>`)}</div>`}
    ${store.mishap && store.place === place && html`<p class="mishap"><${Icon} name="kill" /><span>${mishapText(store.mishap)}</span><button type="button" class="quiet" aria-label="Do not" onClick=${() => set({ mishap: null })}><${Icon} name="close" /></button></p>`}
    <form class="composer" onSubmit=${(event) => { event.preventDefault(); send(); }}>
      <button type="button" class="round" aria-label="Send something else" title="Photo, file, place, …" aria-expanded=${open} data-testid=${testid("attach")} onClick=${() => setOpen(!open)}><${Icon} name="plus" /></button>
      ${open && html`<${AttachMenu} place=${place} close=${() => setOpen(false)} />`}
      <textarea ref=${input} rows="1" data-testid=${testid("input")} aria-label="Message" placeholder=${store.keyboards[chat]?.hint || "Message"} value=${text} onInput=${(event) => setText(event.target.value)} onKeyDown=${typed}></textarea>
      <button type="submit" class="round send" data-testid=${testid("send")} aria-label="Send" disabled=${!text.trim()}><${Icon} name="send" /></button>
    </form>
  </section>`;
}

export function mishapText({ at, nth, wait }) {
  if (at === "refused") return wait ? `Next: Telegram puts message ${nth} off for ${wait} s` : `Next: Telegram refuses message ${nth}`;
  return `Next: killed before ${at === "store" ? "store operation" : "reply"} ${nth}`;
}

export function People() {
  return html`<div class="tabs" role="tablist" aria-label="People">
    ${store.people.map((user) => {
      const node = store.nodes.get(store.current);
      const at = node?.standing?.[who(user, store.place)]?.[0];
      return html`<button type="button" role="tab" aria-selected=${user === store.user} data-testid="person-tab" data-user=${user} onClick=${() => set({ user })}>
        ${user === 1 ? "You" : `User ${user}`}${at && html`<small>${at[1]}</small>`}</button>`;
    })}
    <button type="button" class="quiet" data-testid="person-add" aria-label="A new person" title="A new person (n)" onClick=${addPerson}><${Icon} name="plus" /></button>
  </div>`;
}

export async function addPerson() {
  const found = await ask({ do: "person" });
  if (found) set({ user: found.user });
  changed();
}
