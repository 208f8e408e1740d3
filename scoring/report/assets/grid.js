// The fleet as a grid: a cell per sensor, coloured by its share of anomalies, patterned where it was not scored.

const SHARES = [[0, 'none'], [0.01, 'below 1 %'], [0.05, '1 to 5 %'], [0.2, '5 to 20 %'], [1, '20 % and more'], [Infinity, 'every reading']];

const LARGE = 300; // up to this many cells have room for a number
const MOST_ROWS = 120; // more devices are shown on request
const MOST_COLUMNS = 24;

/** Glyph and meaning of a sensor that was not scored, undefined of one that was. */
const unscored = (i) => page.unscored[page.sensors.status[i]];

function cellClass(i) {
  const { status, readings: total, anomalies } = page.sensors;
  if (unscored(i)) return status[i];
  const share = total[i] ? anomalies[i] / total[i] : 0;
  return `s${share === 0 ? 0 : share === 1 ? 5 : SHARES.findIndex(([below], place) => place > 0 && share < below)}`;
}

const cellText = (i) => unscored(i)?.glyph ?? page.sensors.percent[i];

const fullName = (i) => `Device ${page.sensors.device[i]}, sensor ${page.sensors.sensor[i]}`;

function describe(i) {
  const { readings: total, anomalies } = page.sensors;
  if (unscored(i)) return `${fullName(i)}: ${unscored(i).what}`;
  return `${fullName(i)}: ${count(anomalies[i])} of ${plural(total[i], 'reading')} anomalous (${page.sensors.percent[i]})`;
}

class FleetGrid {
  constructor(section, open) {
    this.open = open;
    this.host = section.querySelector('.fleet');
    this.pointed = section.querySelector('.pointed');
    const { device, sensor } = page.sensors;
    const natural = new Intl.Collator('en', { numeric: true }).compare;
    const devices = new Map();
    device.forEach((name, i) => (devices.has(name) ? devices.get(name).push(i) : devices.set(name, [i])));
    this.columns = [...new Set(sensor)].sort(natural);
    for (const cells of devices.values()) cells.sort((a, b) => natural(sensor[a], sensor[b]));
    this.byAttention = [...devices]; // sensors come sorted, so a device has the place of its worst sensor
    this.byName = [...devices].sort(([a], [b]) => natural(a, b));
    this.large = device.length <= LARGE;
    this.aligned = this.large && this.columns.length <= MOST_COLUMNS && device.length >= 0.4 * devices.size * this.columns.length;
    this.host.classList.add(this.large ? 'large' : 'small', this.aligned ? 'aligned' : 'packed');
    const longest = Math.max(...this.byName.map(([name]) => name.length));
    this.host.style.setProperty('--label', `${Math.min(11, Math.max(8, longest * 0.5 + 1))}rem`);
    this.legend(section.querySelector('.legend'));
    this.draw(false);
    this.listen();
    section.hidden = false;
  }

  legend(host) {
    const seen = new Set(page.sensors.device.map((_, i) => cellClass(i)));
    SHARES.forEach(([, label], place) => host.append(make('span', {}, make('i', { class: `cell s${place}` }), label)));
    for (const [status, { glyph, what }] of Object.entries(page.unscored)) {
      if (seen.has(status)) host.append(make('span', {}, make('i', { class: `cell ${status}` }, glyph), what));
    }
  }

  draw(all) {
    const shown = all || this.byName.length <= MOST_ROWS ? this.byName : this.byAttention.slice(0, MOST_ROWS);
    const rows = document.createDocumentFragment();
    if (this.aligned) {
      rows.append(make('div', { class: 'row head', role: 'row' }, make('b', { role: 'columnheader' }, 'Device / sensor'),
        ...this.columns.map((name) => make('span', { role: 'columnheader', title: `Sensor ${name}` }, bdi(name)))));
    }
    for (const [name, members] of shown) rows.append(this.row(name, members));
    this.host.setAttribute('role', 'grid');
    this.host.setAttribute('aria-label', 'Sensors by device');
    this.host.replaceChildren(rows);
    this.cells = [...this.host.querySelectorAll('[data-i]')];
    this.cells[0]?.setAttribute('tabindex', '0');
    this.more?.remove();
    if (shown.length < this.byName.length) {
      this.more = make('button', { type: 'button' }, `Show all ${count(this.byName.length)} devices, not only the ${MOST_ROWS} that need attention most`);
      this.more.addEventListener('click', () => { this.draw(true); this.cells[0].focus(); });
      this.pointed.after(this.more);
    }
  }

  row(name, members) {
    const cells = this.aligned
      ? this.columns.map((column) => members.find((i) => page.sensors.sensor[i] === column)).map((i) => (i === undefined ? make('span', { class: 'cell none' }) : this.cell(i)))
      : members.map((i) => this.cell(i));
    const label = make('b', { role: 'rowheader', title: `Device ${name}` }, bdi(name));
    return make('div', { class: 'row', role: 'row' }, label, ...(this.aligned ? cells : [make('span', { class: 'cells', role: 'presentation' }, ...cells)]));
  }

  cell(i) {
    const kind = cellClass(i);
    const text = this.large ? cellText(i) : `${unscored(i)?.glyph ?? ''}${page.sensors.sensor[i]}`;
    return make('span', { class: `cell ${kind}`, role: 'gridcell', tabindex: '-1', 'data-i': i, 'aria-label': describe(i) }, text);
  }

  listen() {
    const at = (event) => event.target.closest?.('[data-i]');
    const point = (event) => { const cell = at(event); if (cell) this.pointed.textContent = describe(Number(cell.dataset.i)); };
    this.host.addEventListener('mouseover', point);
    this.host.addEventListener('focusin', point);
    this.host.addEventListener('click', (event) => { const cell = at(event); if (cell) this.open(Number(cell.dataset.i)); });
    this.host.addEventListener('keydown', (event) => this.key(event, at(event)));
  }

  key(event, cell) {
    if (!cell) return;
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.open(Number(cell.dataset.i));
      return;
    }
    const next = this.next(cell, event.key);
    if (!next) return;
    event.preventDefault();
    this.host.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1');
    next.setAttribute('tabindex', '0');
    next.focus();
  }

  /** Left and right move along all cells, up and down to the nearest cell of the row above or below. */
  next(cell, key) {
    const place = this.cells.indexOf(cell);
    if (key === 'ArrowLeft') return this.cells[place - 1];
    if (key === 'ArrowRight') return this.cells[place + 1];
    if (key === 'Home') return this.cells[0];
    if (key === 'End') return this.cells.at(-1);
    if (key !== 'ArrowUp' && key !== 'ArrowDown') return undefined;
    const row = cell.closest('.row');
    const other = key === 'ArrowUp' ? row.previousElementSibling : row.nextElementSibling;
    const x = cell.getBoundingClientRect().left;
    const distance = (candidate) => Math.abs(candidate.getBoundingClientRect().left - x);
    return [...(other?.querySelectorAll('[data-i]') ?? [])].sort((a, b) => distance(a) - distance(b))[0];
  }
}
