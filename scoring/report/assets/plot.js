// One sensor's charts: values with the normal band above, scores below, one time axis for both.

const FAR = 1e300; // beyond this, ranges overflow

const drawable = (number) => Math.max(-FAR, Math.min(FAR, number));

class SensorPlot {
  /** `episodes` are their [start, end] in seconds; `sensor` names the axis of values. */
  constructor(host, chart, title, sensor, episodes) {
    Object.assign(this, { host, sensor, episodes });
    this.chart = chart;
    this.data = readings(chart);
    const { times, values, scores, marks } = this.data;
    const lowest = scores.reduce((low, score) => (Number.isFinite(score) ? Math.min(low, score) : low), 0);
    this.drawnScores = Array.from(scores, (score) => (Number.isFinite(score) ? score : Math.sign(score) * Math.abs(lowest || 1)));
    this.drawnValues = Array.from(values, drawable);
    this.isMark = new Set(marks);
    this.times = times;
    this.whole = times.length > 1 && times[0] < times.at(-1) ? [times[0], times.at(-1)] : [times[0] - 1, times[0] + 1];
    this.range = this.whole;
    this.at = null;
    this.readout = make('span', { class: 'readout' });
    this.back = this.button('All', 'Show all readings', () => this.zoom(...this.whole));
    this.host.replaceChildren(
      make('div', { class: 'bar' }, this.readout, make('span', { class: 'zoom' },
        ...(marks.length ? [this.button('‹', 'Previous anomaly', () => this.step(-1, true)), this.button('›', 'Next anomaly', () => this.step(1, true))] : []),
        this.button('−', 'Zoom out', () => this.magnify(2)), this.button('+', 'Zoom in', () => this.magnify(0.5)), this.back)),
      this.valuesBox = make('div', { class: 'values' }),
      this.scoresBox = make('div', { class: 'scores' }),
    );
    this.host.setAttribute('role', 'group');
    this.host.setAttribute('tabindex', '0');
    this.host.setAttribute('aria-label', `${title}: chart of readings. Left and right arrows step through readings, with Shift through anomalies; plus and minus zoom, 0 shows all readings.`);
    this.host.addEventListener('keydown', this.onKey = (event) => this.key(event));
    activeCharts.add(this);
    widths.observe(host);
    this.repaint();
  }

  button(label, title, act) {
    const button = make('button', { type: 'button', title, 'aria-label': title }, label);
    button.addEventListener('click', act);
    return button;
  }

  /** Rebuild both charts in the current colours, over the same range of time. */
  repaint() {
    this.upper?.destroy();
    this.lower?.destroy();
    const { times, drawnValues, drawnScores } = this;
    const only = (series) => series.map((number, i) => (this.isMark.has(i) ? number : null));
    this.upper = new uPlot(this.options(170, false, {
      hooks: { drawClear: [(u) => this.band(u), (u) => this.spans(u)], draw: [(u) => this.marked(u)] },
      range: (u, low, high) => this.valueRange(low, high),
      label: `Sensor ${this.sensor}`,
    }), [times, drawnValues, only(drawnValues)], this.valuesBox);
    this.lower = new uPlot(this.options(110, true, {
      hooks: { drawClear: [(u) => this.zero(u), (u) => this.spans(u)] },
      range: (u, low, high) => { const pad = (Math.max(high, 0) - Math.min(low, 0)) * 0.08 || 1; return [Math.min(low, 0) - pad, Math.max(high, 0) + pad]; },
      label: 'score',
    }), [times, drawnScores, only(drawnScores)], this.scoresBox);
    this.zoom(...this.range);
  }

  options(height, withTime, { hooks, range, label }) {
    const anomaly = color('anomaly');
    return {
      width: this.valuesBox.clientWidth || 300,
      height,
      tzDate: UTC,
      padding: [6, LABEL_ROOM, withTime ? 0 : 2, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => { this.zoom(...this.whole); return null; } },
        points: { size: 9, width: 2, fill: 'transparent' },
      },
      scales: { x: { range: () => this.range }, y: { range } },
      axes: [timeAxis(withTime), numberAxis(withTime ? 22 : 30, undefined, label)],
      series: [{},
        { stroke: color('reading'), width: 1, points: { show: this.times.length < 40, size: 4 } },
        { stroke: anomaly, fill: anomaly, paths: () => null, points: { show: true, size: withTime ? 4 : 6, fill: anomaly, width: 1 } }],
      hooks: {
        ...hooks,
        setCursor: [(u) => this.point(u)],
        setSelect: [(u) => this.selected(u)],
      },
    };
  }

  /** The range of the readings in view, and of the band's edges where they are near. */
  valueRange(low, high) {
    if (low === null || low === undefined) return [0, 1];
    const span = high - low || Math.abs(high) * 0.1 || 1;
    let [bottom, top] = [low, high];
    for (const edge of (this.chart.normal ?? []).flat()) {
      if (edge !== null && edge > low - span * 0.4 && edge < high + span * 0.4) {
        bottom = Math.min(bottom, edge);
        top = Math.max(top, edge);
      }
    }
    const pad = (top - bottom) * 0.07 || span;
    return [drawable(bottom - pad), drawable(top + pad)];
  }

  band(u) {
    const { left, top, width, height } = u.bbox;
    const { ctx } = u;
    const place = (value, open) => (value === null ? open : Math.max(top, Math.min(top + height, u.valToPos(value, 'y', true))));
    ctx.save();
    for (const [low, high] of this.chart.normal ?? []) {
      const [bottom, upper] = [place(low, top + height), place(high, top)];
      ctx.fillStyle = color('normal');
      ctx.fillRect(left, upper, width, bottom - upper);
      ctx.fillStyle = color('edge');
      for (const y of [bottom, upper]) {
        if (y > top && y < top + height) for (let x = left; x < left + width; x += 9) ctx.fillRect(x, Math.round(y), 5, 1);
      }
    }
    ctx.restore();
  }

  /** Upright bands: episodes. */
  spans(u) {
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.fillStyle = color('episode');
    for (const [start, end] of this.episodes) {
      const [from, to] = [u.valToPos(start, 'x', true) - 3, u.valToPos(end, 'x', true) + 3];
      const [first, last] = [Math.max(left, from), Math.min(left + width, to)];
      if (first < last) u.ctx.fillRect(first, top, last - first, height);
    }
    u.ctx.restore();
  }

  zero(u) {
    const { left, top, width, height } = u.bbox;
    const y = Math.max(top, Math.min(top + height, u.valToPos(0, 'y', true)));
    u.ctx.save();
    u.ctx.fillStyle = color('normal');
    u.ctx.fillRect(left, top, width, y - top);
    u.ctx.fillStyle = color('edge');
    for (let x = left; x < left + width; x += 9) u.ctx.fillRect(x, Math.round(y), 5, 1);
    u.ctx.restore();
  }

  /** Store on the element what is drawn: its range of time, and how many anomalies are marked in it. */
  marked(u) {
    const { min, max } = u.scales.x;
    const [, , series] = u.data;
    let marks = 0;
    for (let i = 0; i < series.length; i += 1) {
      if (series[i] !== null && this.times[i] >= min && this.times[i] <= max) marks += 1;
    }
    Object.assign(this.host.dataset, { marks, from: min, to: max });
  }

  zoom(from, to) {
    const [first, last] = this.whole;
    const least = Math.min(last - first, Math.max(0.01, (last - first) / 5000));
    const width = Math.min(last - first, Math.max(to - from, least));
    const start = Math.max(first, Math.min(last - width, (from + to - width) / 2));
    this.range = [start, start + width];
    this.back.disabled = width >= last - first;
    const pad = width * 0.01;
    const shown = [start - pad, start + width + pad];
    this.range = shown[0] <= first && shown[1] >= last ? [first - (last - first) * 0.01, last + (last - first) * 0.01] : shown;
    for (const u of [this.upper, this.lower]) u.setScale('x', { min: this.range[0], max: this.range[1] });
    this.readOut(null);
  }

  selected(u) {
    const { left, width } = u.select;
    if (width < 4) return;
    const [from, to] = [u.posToVal(left, 'x'), u.posToVal(left + width, 'x')];
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.zoom(from, to);
  }

  magnify(factor) {
    const [from, to] = this.range;
    const middle = this.at === null ? (from + to) / 2 : this.times[this.at];
    const half = ((to - from) * factor) / 2;
    this.zoom(middle - half, middle + half);
  }

  /** Move to the next reading, or the next anomaly, in a direction. */
  step(direction, anomaliesOnly) {
    const { times, range } = this;
    const last = times.length - 1;
    let i = this.at ?? (direction > 0 ? times.findIndex((time) => time >= range[0]) - 1 : times.findLastIndex((time) => time <= range[1]) + 1);
    do i += direction; while (anomaliesOnly && i >= 0 && i <= last && !this.isMark.has(i));
    if (i < 0 || i > last) return;
    const width = range[1] - range[0];
    if (times[i] < range[0] || times[i] > range[1]) this.zoom(times[i] - width / 2, times[i] + width / 2);
    const left = this.upper.valToPos(times[i], 'x');
    this.upper.setCursor({ left, top: this.upper.valToPos(this.drawnValues[i], 'y') });
    this.show(i);
  }

  key(event) {
    const acts = {
      ArrowLeft: () => this.step(-1, event.shiftKey), ArrowRight: () => this.step(1, event.shiftKey),
      '+': () => this.magnify(0.5), '=': () => this.magnify(0.5), '-': () => this.magnify(2), 0: () => this.zoom(...this.whole),
    };
    if (event.target !== this.host || event.ctrlKey || event.metaKey || event.altKey || !acts[event.key]) return;
    event.preventDefault();
    this.readout.setAttribute('role', 'status');
    acts[event.key]();
  }

  point(u) {
    const other = u === this.upper ? this.lower : this.upper;
    const { left, top, idx } = u.cursor;
    if (other && this.pointing !== true) {
      this.pointing = true; // the other chart's cursor follows, and must not move this one
      other.setCursor({ left, top: left < 0 ? -10 : 10 });
      this.pointing = false;
      this.show(left < 0 || idx === null || idx === undefined ? null : idx);
    }
    void top;
  }

  show(i) {
    this.at = i;
    this.readOut(i);
  }

  readOut(i) {
    const { values, scores, value } = this.data;
    if (i === null) {
      const shown = this.times.length;
      const all = this.chart.readings;
      this.readout.textContent = this.back.disabled
        ? (shown < all ? `${count(shown)} of ${plural(all, 'reading')} drawn${this.chart.thinned ? ', not every anomaly' : ', every anomaly among them'}` : plural(all, 'reading'))
        : `${formatTime(this.range[0])} to ${formatTime(this.range[1])}`.replace(/\.\d+/g, '');
      return;
    }
    const label = this.isMark.has(i) ? make('b', {}, 'anomaly') : 'normal';
    this.readout.replaceChildren(`${formatTime(this.times[i])} · ${value(values[i])} · score ${short(scores[i])} · `, label);
  }

  resize() {
    for (const [u, height] of [[this.upper, 170], [this.lower, 110]]) u.setSize({ width: this.valuesBox.clientWidth, height });
  }

  destroy() {
    this.host.removeEventListener('keydown', this.onKey);
    activeCharts.delete(this);
    widths.unobserve(this.host);
    this.upper.destroy();
    this.lower.destroy();
    this.host.replaceChildren();
    delete this.host.dataset.marks;
    return this.range;
  }
}
