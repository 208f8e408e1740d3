// The fleet over days: a row per sensor, of which only those near the window exist.

const SHARES = [[0, 'none', ''], [0.01, 'below 1 %', '·'], [0.05, '1 to 5 %', '•'], [0.2, '5 to 20 %', '●'], [1, '20 % and more', '■'], [Infinity, 'every reading', '■']];
const NARROW = matchMedia('(max-width: 48rem)');
const LEAST_CELL = 11; // pixels of a day
const MOST_PRINTED = 100;

/** The level of a share of anomalies: 0 for none, 5 for every reading. */
const level = (anomalies, readings) => (anomalies === 0 ? 0 : anomalies >= readings ? 5 : SHARES.findIndex(([below], place) => place > 0 && anomalies / readings < below));

const nameOf = (i) => `${page.devices[page.device[i]]}/${page.sensor[i]}`;

/** The days of a sensor: readings, anomalies, rejects and the run of each. */
function daysOf(i) {
  const readings = page.readings.rows[page.readings.of[i]];
  const runs = page.run.rows[page.run.of[i]];
  const days = page.dates.map((date, day) => ({ date, readings: readings[day], run: page.runs[runs[day]], anomalies: 0, rejected: 0, quiet: false }));
  const marks = page.marks[i];
  for (let at = 0; at < marks.length; at += 3) Object.assign(days[marks[at]], { anomalies: marks[at + 1], rejected: marks[at + 2] });
  const first = days.findIndex((day) => day.run !== undefined);
  days.forEach((day, at) => { day.quiet = first >= 0 && at > first && day.readings === 0 && day.rejected === 0; day.before = day.run === undefined && !day.quiet; });
  return days;
}

function describe(i, day) {
  const start = `Device ${page.devices[page.device[i]]}, sensor ${page.sensor[i]}, ${day.date}: `;
  if (day.quiet) return `${start}no readings`;
  if (day.before) return `${start}not known yet`;
  const rejected = day.rejected ? `, ${plural(day.rejected, 'row')} rejected` : '';
  return `${start}${count(day.anomalies)} of ${plural(day.readings, 'reading')} anomalous${rejected}`;
}

/** What scored a sensor last, and since when. */
const modelOf = (i) => (page.model[i] ? `model ${page.model[i]} since ${page.times[page.model_since[i]] || 'an unknown time'}` : 'no model');

/** The report of a run at a sensor. */
function address(run, i) {
  const at = [page.devices[page.device[i]], page.sensor[i]].map(encodeURIComponent).join('/');
  return `${encodeURIComponent(run)}/report.html${signature}#${at}`;
}

class FleetMap {
  constructor(section) {
    this.host = section.querySelector('.map');
    this.found = section.querySelector('.found');
    this.words = page.sensor.map((_, i) => nameOf(i).toLowerCase());
    this.group = null;
    this.row = 0;
    this.day = page.dates.length - 1;
    this.drawn = new Map();
    this.legend(section.querySelector('.legend'));
    this.controls(section.querySelector('.tools'));
    this.listen();
    this.refresh();
  }

  legend(host) {
    const sample = (kind, glyph, what) => host.append(make('span', {}, make('i', { class: `day ${kind}` }, glyph), what));
    SHARES.forEach(([, label, glyph], place) => sample(`s${place}`, glyph, place ? label : 'no anomalies'));
    sample('quiet', '', 'silent: no readings');
    sample('s0 rejects', '✕', 'rows rejected');
  }

  controls(host) {
    this.search = make('input', { type: 'search', placeholder: 'Filter by device or sensor, such as site-7/', 'aria-label': 'Filter by device or sensor', autocomplete: 'off', spellcheck: 'false' });
    this.search.addEventListener('input', () => this.refresh());
    const counts = page.groups.map((_, group) => page.group.filter((each) => each === group).length);
    const button = (group, glyph, label) => {
      const made = make('button', { type: 'button', 'aria-pressed': String(group === null) }, make('span', { class: 'glyph', 'aria-hidden': 'true' }, glyph), label);
      made.addEventListener('click', () => { this.choose(group, made); });
      return made;
    };
    this.buttons = [button(null, '', `All ${count(page.sensor.length)}`)];
    page.groups.forEach(({ glyph, name }, group) => { if (counts[group]) this.buttons.push(button(group, glyph, `${name} ${count(counts[group])}`)); });
    this.pointed = make('p', { class: 'pointed', 'aria-live': 'polite' }, '\u00a0');
    host.append(this.search, make('div', { class: 'groups', role: 'group', 'aria-label': 'Show only' }, ...this.buttons), this.pointed);
  }

  choose(group, pressed) {
    this.group = group;
    for (const each of this.buttons) each.setAttribute('aria-pressed', String(each === pressed));
    this.refresh();
  }

  /** Show the sensors of a device ("site-7/") or one sensor ("site-7/flow"). */
  ask(query) {
    this.search.value = query;
    this.choose(null, this.buttons[0]);
  }

  refresh() {
    const asked = this.search.value.trim().toLowerCase();
    const fits = asked.includes('/') ? (word) => word.startsWith(asked) : (word) => word.includes(asked);
    this.shown = page.sensor.map((_, i) => i).filter((i) => (this.group === null || page.group[i] === this.group) && fits(this.words[i]));
    this.found.textContent = this.shown.length === this.words.length ? '' : this.shown.length ? `${plural(this.shown.length, 'sensor')} of ${count(this.words.length)}` : 'No sensor matches. Filter by device or sensor, such as 1/3.';
    this.row = 0;
    this.layout();
  }

  /** Sizes for the width of the window: as many days, the last ones, as there is room for. */
  layout() {
    this.height = NARROW.matches ? 50 : 26;
    this.width = this.host.clientWidth;
    const room = this.width - (NARROW.matches ? 16 : 430);
    this.days = Math.max(1, Math.min(page.dates.length, Math.floor(room / (LEAST_CELL + 2))));
    this.host.setAttribute('aria-rowcount', this.shown.length);
    this.host.style.height = `${this.height * this.shown.length + 24}px`;
    this.host.replaceChildren(this.head());
    this.drawn.clear();
    this.draw();
  }

  head() {
    const dates = page.dates.slice(-this.days);
    const every = Math.ceil(dates.length / (NARROW.matches ? 4 : 6));
    const labels = dates.map((date, at) => make('span', {}, (dates.length - 1 - at) % every === 0 && at < dates.length - 1 ? date.slice(5) : ''));
    const row = make('div', { class: 'row head', role: 'presentation' }, make('span', { class: 'glyph' }), make('a'), make('span', { class: 'status' }), make('span', { class: 'cells' }, ...labels));
    row.style.top = '0px';
    row.style.height = '24px';
    return row;
  }

  /** Create the rows near the window, and remove the others. */
  draw(all = 0) {
    const top = this.host.getBoundingClientRect().top + 24;
    const first = all ? 0 : Math.max(0, Math.floor(-top / this.height) - 20);
    const last = all || Math.min(this.shown.length, Math.ceil((innerHeight - top) / this.height) + 20);
    for (const [at, row] of this.drawn) if (at < first || at >= last) { row.remove(); this.drawn.delete(at); }
    const added = document.createDocumentFragment();
    for (let at = first; at < Math.min(last, this.shown.length); at += 1) if (!this.drawn.has(at)) added.append(this.make(at));
    this.host.append(added);
    this.point();
  }

  make(at) {
    const i = this.shown[at];
    const group = page.groups[page.group[i]];
    const days = daysOf(i);
    const latest = days.findLast((day) => day.run !== undefined);
    const name = make('a', latest ? { href: address(latest.run, i), tabindex: '-1', title: `Last reading ${page.last[i] || 'unknown'}, ${modelOf(i)}` } : { tabindex: '-1' }, bdi(nameOf(i)));
    const cells = days.slice(-this.days).map((day) => this.cell(i, day));
    const row = make('div', { class: 'row', role: 'row', id: `row-${at}`, 'data-at': at, 'data-group': page.group[i], 'aria-rowindex': at + 1 },
      make('span', { class: 'glyph', 'aria-hidden': 'true' }, group.glyph), name, make('span', { class: 'status', role: 'gridcell' }, page.status[i]), make('span', { class: 'cells', role: 'presentation' }, ...cells));
    row.style.top = `${24 + at * this.height}px`;
    row.style.height = `${this.height}px`;
    this.drawn.set(at, row);
    return row;
  }

  cell(i, day) {
    const place = level(day.anomalies, day.readings);
    const kind = day.quiet ? 'quiet' : day.before ? 'before' : `s${place}${day.rejected ? ' rejects' : ''}`;
    const glyph = day.quiet || day.before ? '' : day.rejected ? '✕' : SHARES[place][2];
    return make('span', { class: `day ${kind}`, role: 'gridcell', 'data-date': day.date, 'aria-label': describe(i, day) }, glyph);
  }

  listen() {
    addEventListener('scroll', () => this.draw(), { passive: true });
    new ResizeObserver(() => { if (this.host.clientWidth !== this.width && !this.printing) this.layout(); }).observe(this.host);
    this.host.addEventListener('mouseover', ({ target }) => { const cell = target.closest('[data-date]'); if (cell) this.show(Number(cell.closest('.row').dataset.at), cell); });
    this.host.addEventListener('click', ({ target }) => {
      const cell = target.closest('[data-date]');
      if (cell) this.open(Number(cell.closest('.row').dataset.at), cell.dataset.date);
    });
    this.host.addEventListener('keydown', (event) => this.key(event));
    this.host.addEventListener('focus', () => this.point());
    this.host.addEventListener('blur', () => this.point());
    document.addEventListener('click', ({ target }) => { const link = target.closest?.('[data-query]'); if (link) this.ask(link.dataset.query); });
    addEventListener('beforeprint', () => { this.printing = true; document.documentElement.dataset.theme = 'light'; this.draw(MOST_PRINTED); });
    addEventListener('afterprint', () => { this.printing = false; delete document.documentElement.dataset.theme; this.draw(); });
  }

  open(at, date) {
    const day = daysOf(this.shown[at]).find((each) => each.date === date);
    if (day?.run !== undefined) location.assign(address(day.run, this.shown[at]));
  }

  key(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-20, 0], PageDown: [20, 0], Home: [-Infinity, 0], End: [Infinity, 0] };
    if (event.ctrlKey || event.metaKey || event.altKey || !this.shown.length) return;
    if (event.key === 'Enter') this.open(this.row, page.dates[this.day]);
    if (!moves[event.key]) return;
    event.preventDefault();
    const within = (low, high, number) => Math.max(low, Math.min(high, number));
    this.row = within(0, this.shown.length - 1, this.row + moves[event.key][0]);
    this.day = within(page.dates.length - this.days, page.dates.length - 1, this.day + moves[event.key][1]);
    const top = this.host.getBoundingClientRect().top + 24 + this.row * this.height;
    const bar = find('#sensors .tools').getBoundingClientRect();
    const edge = Math.max(0, getComputedStyle(find('#sensors .tools')).position === 'sticky' ? bar.height : 0);
    if (top < edge) scrollBy(0, top - edge);
    if (top + this.height > innerHeight) scrollBy(0, top + this.height - innerHeight);
    this.draw();
  }

  /** Mark the row and the day that the keyboard is at. */
  point() {
    for (const each of this.host.querySelectorAll('.current')) each.classList.remove('current');
    if (document.activeElement !== this.host) return;
    const row = this.drawn.get(this.row);
    const cell = row?.querySelector(`[data-date="${page.dates[this.day]}"]`);
    if (!cell) return;
    row.classList.add('current');
    cell.classList.add('current');
    this.host.setAttribute('aria-activedescendant', row.id);
    this.show(this.row, cell);
  }

  /** Describe a cell, and the model of its sensor. */
  show(at, cell) {
    this.pointed.textContent = `${cell.getAttribute('aria-label')} · ${modelOf(this.shown[at])}`;
  }
}

new FleetMap(find('#sensors'));

for (const each of document.querySelectorAll('a.file')) each.setAttribute('href', each.getAttribute('href') + signature);
