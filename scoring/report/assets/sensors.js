// The list of sensors: search, groups and order; cards and charts are created as the reader scrolls near.

const CHUNK = 24;
const REACH = 240; // a sensor within this many cards is scrolled to; one further down is searched for
const MOST_PRINTED = 60;

const ORDERS = {
  attention: ['What needs attention', null],
  latest: ['Latest anomaly', (a, b) => (page.sensors.last[b] ?? -Infinity) - (page.sensors.last[a] ?? -Infinity) || a - b],
  share: ['Share of anomalies', (a, b) => share(b) - share(a) || a - b],
  name: ['Name', (a, b) => collate(page.sensors.device[a], page.sensors.device[b]) || collate(page.sensors.sensor[a], page.sensors.sensor[b])],
};

const { compare: collate } = new Intl.Collator('en', { numeric: true });

const link = (i) => `#${encodeURIComponent(page.sensors.device[i])}/${encodeURIComponent(page.sensors.sensor[i])}`;

const share = (i) => (page.sensors.readings[i] ? page.sensors.anomalies[i] / page.sensors.readings[i] : 0);

/** When the last anomaly of a sensor was, its episodes, and the model that scored it. */
function details(i) {
  const { last, episodes, model, device, sensor } = page.sensors;
  const parts = [];
  if (last[i] !== null) parts.push(`Last anomaly ${formatTime(last[i])}`);
  if (episodes[i].length) parts.push(`${plural(episodes[i].length, 'episode')}${episodes[i].at(-1)[2] ? ', the last still open' : ''}`);
  if (model[i]) parts.push(`model of ${device[i]}/${sensor[i]}, SHA-256 ${model[i]}…`);
  return parts.join(' · ');
}

class SensorList {
  constructor(section) {
    this.section = section;
    this.cards = section.querySelector('.cards');
    this.found = section.querySelector('.found');
    this.plots = new Map();
    this.ranges = new Map();
    this.group = null;
    this.words = page.sensors.device.map((device, i) => `${device}/${page.sensors.sensor[i]} device ${device} sensor ${page.sensors.sensor[i]}`.toLowerCase());
    this.near = new IntersectionObserver((entries) => this.onVisible(entries), { rootMargin: '600px 0px' });
    this.more = new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) this.append(); }, { rootMargin: '1200px 0px' });
    this.controls(section.querySelector('.tools'));
    this.refresh();
    addEventListener('beforeprint', () => this.print());
    addEventListener('afterprint', () => { this.printing = false; delete document.documentElement.dataset.theme; repaintAll(); });
  }

  controls(host) {
    this.search = make('input', { type: 'search', placeholder: 'Search device or sensor', 'aria-label': 'Search by device or sensor', autocomplete: 'off', spellcheck: 'false' });
    this.search.addEventListener('input', () => { this.refresh(); this.showStart(); });
    this.order = make('select', { 'aria-label': 'Order of sensors' }, ...Object.entries(ORDERS).map(([key, [label]]) => make('option', { value: key }, label)));
    this.order.addEventListener('change', () => this.refresh());
    const counts = page.groups.map((_, group) => page.sensors.group.filter((each) => each === group).length);
    this.buttons = [this.groupButton(null, 'All', '', page.sensors.device.length)];
    page.groups.forEach(({ name, glyph, what }, group) => { if (counts[group]) this.buttons.push(this.groupButton(group, name, glyph, counts[group], what)); });
    this.bar = host;
    host.append(this.search, make('label', {}, 'Order: ', this.order), make('div', { class: 'groups', role: 'group', 'aria-label': 'Show only' }, ...this.buttons));
  }

  groupButton(group, name, glyph, number, what = 'every sensor') {
    const button = make('button', { type: 'button', title: what, 'aria-pressed': String(group === null) }, make('span', { class: 'glyph', 'aria-hidden': 'true' }, glyph), `${name} ${count(number)}`);
    button.addEventListener('click', () => this.choose(group, button));
    return button;
  }

  choose(group, button) {
    this.group = group;
    for (const each of this.buttons) each.setAttribute('aria-pressed', String(each === button));
    this.refresh();
  }

  /** Scroll an element to below the bar, which can stick to the top of the window. */
  bring(element, behavior = 'auto') {
    const covered = getComputedStyle(this.bar).position === 'sticky' ? this.bar.offsetHeight + 8 : 16;
    document.documentElement.style.setProperty('--bar', `${covered}px`);
    element.scrollIntoView({ block: 'start', behavior });
  }

  /** The first card below the bar: a shorter list can leave the reader further down. */
  showStart() {
    if (this.found.getBoundingClientRect().top < this.bar.getBoundingClientRect().bottom) this.bring(this.found);
  }

  /** Rebuild the list for the current search, group and order. */
  refresh() {
    const asked = this.search.value.toLowerCase().trim();
    const terms = asked.split(/\s+/).filter(Boolean);
    const fits = (i) => (this.group === null || page.sensors.group[i] === this.group) && (this.words[i].startsWith(`${asked} `) || terms.every((term) => this.words[i].includes(term)));
    this.shown = this.words.map((_, i) => i).filter(fits);
    const [, compare] = ORDERS[this.order.value];
    if (compare) this.shown.sort(compare);
    if (asked) this.shown.sort((a, b) => this.words[b].startsWith(`${asked} `) - this.words[a].startsWith(`${asked} `));
    for (const [i, plot] of this.plots) { this.ranges.set(i, plot.range); plot.destroy(); }
    this.plots.clear();
    this.near.disconnect();
    this.cards.replaceChildren();
    this.made = 0;
    this.found.textContent = this.shown.length === this.words.length ? '' : this.shown.length ? `${plural(this.shown.length, 'sensor')} of ${count(this.words.length)}` : 'No sensor matches. Search by device or sensor, such as 1/3.';
    this.append();
  }

  append(upTo = this.made + CHUNK) {
    const next = this.shown.slice(this.made, upTo);
    if (!next.length) return;
    this.made += next.length;
    this.cards.append(...next.map((i) => this.card(i)));
    this.more.disconnect();
    if (this.made < this.shown.length) this.more.observe(this.cards.lastElementChild);
  }

  card(i) {
    const { device, sensor, file, why, chart, group } = page.sensors;
    const { glyph, name } = page.groups[group[i]];
    const header = make('header', {}, make('span', { class: `cell ${cellClass(i)}`, title: describe(i) }, cellText(i)),
      make('h3', {}, make('small', {}, 'Device '), bdi(device[i]), make('small', {}, ' · Sensor '), bdi(sensor[i])),
      make('span', { class: 'glyph', title: name, role: 'img', 'aria-label': name }, glyph));
    if (file[i]) header.append(make('a', { class: 'csv', href: encodeURIComponent(file[i]) + signature }, 'CSV'));
    const card = make('article', { class: 'card', 'data-sensor': i, tabindex: '-1', 'aria-label': fullName(i) }, header, make('p', { class: 'why' }, why[i]), make('p', { class: 'when' }, details(i)));
    if (chart[i] !== null) {
      card.append(make('div', { class: 'plot' }, make('div', { class: 'bar' }), make('div', { class: 'values' }), make('div', { class: 'scores' })));
      this.near.observe(card);
    } else if (file[i]) {
      card.append(make('p', { class: 'note' }, 'No chart on this page: its readings are in its CSV.'));
    }
    return card;
  }

  onVisible(entries) {
    for (const { target, isIntersecting } of entries) {
      const i = Number(target.dataset.sensor);
      if (isIntersecting) this.plot(i, target);
      else if (this.plots.has(i) && !this.printing && !target.contains(document.activeElement)) {
        this.ranges.set(i, this.plots.get(i).range);
        this.plots.get(i).destroy();
        this.plots.delete(i);
        target.querySelector('.plot').replaceChildren(make('div', { class: 'bar' }), make('div', { class: 'values' }), make('div', { class: 'scores' }));
      }
    }
  }

  plot(i, card) {
    if (this.plots.has(i)) return;
    const plot = new SensorPlot(card.querySelector('.plot'), page.charts[page.sensors.chart[i]], fullName(i), page.sensors.sensor[i], page.sensors.episodes[i]);
    this.plots.set(i, plot);
    if (this.ranges.has(i)) plot.zoom(...this.ranges.get(i));
  }

  /** Bring a sensor into view, clearing the search where it hides the sensor. */
  open(i, behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth') {
    if (!this.shown.includes(i)) {
      this.search.value = '';
      this.choose(null, this.buttons[0]);
    }
    if (this.shown.indexOf(i) >= REACH) {
      this.search.value = `${page.sensors.device[i]}/${page.sensors.sensor[i]}`;
      this.refresh();
    }
    const place = this.shown.indexOf(i);
    if (place >= this.made) this.append(place + CHUNK);
    const card = this.cards.querySelector(`[data-sensor="${i}"]`);
    this.cards.querySelector('.pointed-at')?.classList.remove('pointed-at');
    card.classList.add('pointed-at');
    this.bring(card, behavior);
    card.focus({ preventScroll: true });
    history.replaceState(null, '', link(i));
  }

  /** Open the sensor that the address names, as `#device/sensor`. */
  openLinked() {
    const i = page.sensors.device.findIndex((_, each) => link(each) === location.hash);
    if (i >= 0) this.open(i, 'auto');
  }

  /** For printing: light colours, and a chart in every card that exists. */
  print() {
    this.printing = true;
    document.documentElement.dataset.theme = 'light';
    for (const card of [...this.cards.querySelectorAll('.card')].slice(0, MOST_PRINTED)) {
      if (card.querySelector('.plot')) this.plot(Number(card.dataset.sensor), card);
    }
    repaintAll();
  }
}
