// Icons are drawn: a sign of a font that is missing would be a box.
import { Component, html } from "./preact.js";

// Draws anew only where something that it was given is another thing: hundreds of steps stay as they are.
export const memo = (draw) => class extends Component {
  shouldComponentUpdate(next) { return Object.keys(next).some((name) => next[name] !== this.props[name]); }
  render(given) { return draw(given); }
};


const SHAPES = {
  plus: "M8 3v10M3 8h10",
  send: "M2.5 8 14 2.5 10.5 14 7.8 9.2z",
  clock: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2M8 4.8V8l2.3 1.6",
  skip: "M3 3.5 9.5 8 3 12.5zM12.5 3.5v9",
  again: "M5.5 5.5h7v7h-7zM3.5 10.5v-7h7",
  restart: "M13 8a5 5 0 1 1-1.6-3.7M13 2.2v3h-3",
  kill: "M8.8 1.8 3.8 9h3.6l-.6 5.2L12.2 7H8.4z",
  down: "M8 2.5v8M4.8 7.5 8 10.7l3.2-3.2M3 13.5h10",
  moon: "M12.8 9.6A5.3 5.3 0 0 1 6.4 3.2a5.3 5.3 0 1 0 6.4 6.4z",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
  help: "M6.1 6.1a2 2 0 1 1 2.8 1.9c-.6.3-.9.7-.9 1.5M8 11.9v.1",
  close: "m4 4 8 8M12 4l-8 8",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  minus: "M3 8h10",
  photo: "M2.5 3.5h11v9h-11zM2.5 11l3.2-3.4 2.6 2.6 2-2 3.2 3M10.5 6.2v.1",
  document: "M4 1.8h5.2L12.5 5v9.2H4zM9 1.8V5.2h3.5",
  location: "M8 14.2S12.6 9.6 12.6 6.5a4.6 4.6 0 0 0-9.2 0C3.4 9.6 8 14.2 8 14.2M8 5v3M6.5 6.5h3",
  contact: "M8 8a2.6 2.6 0 1 0 0-5.2A2.6 2.6 0 0 0 8 8M2.8 13.6c.5-2.6 2.5-3.8 5.2-3.8s4.7 1.2 5.2 3.8",
  album: "M4.5 4.5h9v9h-9zM2.5 11v-8.500h8.500",
  poll: "M3 13.500V9M8 13.500V3M13 13.500V6",
  voice: "M8 2a1.900 1.900 0 0 0-1.900 1.900v3.600a1.900 1.900 0 0 0 3.800 0V3.900A1.900 1.900 0 0 0 8 2M3.800 7.500a4.200 4.200 0 0 0 8.400 0M8 11.700V14",
  sticker: "M8 2.200a5.800 5.800 0 1 0 5.800 5.800C10 8 8 6 8 2.200",
  pay: "M2 4h12v8.500H2zM2 6.800h12",
  heart: "M8 13.300C4 10.400 2.300 8.400 2.300 6.100a2.900 2.900 0 0 1 5.700-1 2.900 2.900 0 0 1 5.700 1c0 2.300-1.700 4.300-5.700 7.200z",
  pencil: "m3 13 .600-2.800 7-7L12.800 5.400l-7 7z",
  outside: "M9.500 2.500h4v4M13.500 2.500 7.500 8.500M6.500 3.500h-4v10h10v-4",
  inline: "M11 8a3 3 0 1 1-3-3 3 3 0 0 1 3 3v.800a1.700 1.700 0 0 0 3 0V8a6 6 0 1 0-2.400 4.800",
  person: "M8 8a2.600 2.600 0 1 0 0-5.200A2.600 2.600 0 0 0 8 8M2.800 13.600c.500-2.600 2.500-3.800 5.200-3.800s4.700 1.200 5.200 3.800",
  group: "M6 7.500a2.200 2.200 0 1 0 0-4.400 2.200 2.200 0 0 0 0 4.400M1.800 13c.300-2.300 2-3.500 4.200-3.500s3.900 1.200 4.200 3.500M10.500 7.300a2 2 0 1 0-.6-3.800M11.800 9.800c1.500.300 2.200 1.400 2.400 3",
  link: "M6 10 11.500 4.500M7 4.500h4.500V9",
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${SHAPES[name]} /></svg>`;
