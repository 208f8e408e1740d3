// Helpers that build the page. Text from data becomes text nodes and attributes, never markup.

const find = (selector) => document.querySelector(selector);

/** An element; children are elements or texts. Attributes that are null or false are omitted. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/** A name from outside: its writing direction does not affect the text around it. */
const bdi = (text) => make('bdi', {}, text);

const count = (number) => number.toLocaleString('en');

const plural = (number, word) => `${count(number)} ${word}${number === 1 ? '' : 's'}`;

/** Seconds since 1970 as UTC; milliseconds only where there are any. */
function formatTime(seconds) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return '';
  const text = date.toISOString().replace('T', ' ');
  return text.slice(0, text.endsWith('.000Z') ? -5 : -1);
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// A signed address of a container has its signature in the query: links to the files beside the page need it too.
const signature = /[?&]sig=/.test(location.search) ? location.search : '';

const page = JSON.parse(find('#data').textContent);
