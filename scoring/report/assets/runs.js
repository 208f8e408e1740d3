// The list of runs: search, and anomalies over time.

class RunsChart {
  constructor(host, runs) {
    this.host = host;
    this.runs = runs;
    this.data = [runs.map((run) => run.at), runs.map((run) => (100 * run.anomalies) / run.readings)];
    this.readout = make('p', { class: 'note' }, '\u00a0');
    this.plot = make('div');
    host.append(this.plot, this.readout);
    standing.add(this);
    widths.observe(host);
    this.repaint();
  }

  repaint() {
    this.chart?.destroy();
    this.chart = new uPlot({
      width: this.plot.clientWidth || 300,
      height: 180,
      tzDate: UTC,
      legend: { show: false },
      cursor: { y: false, points: { size: 10, width: 2, fill: 'transparent' } },
      scales: { y: { range: (_, low, high) => [0, Math.min(100, (high || 1) * 1.1)] } },
      axes: [timeAxis(), numberAxis(28, (_, splits) => splits.map((share) => `${short(share)} %`))],
      series: [{}, { stroke: color('anomaly'), width: 1, points: { show: true, size: 6, fill: color('anomaly') } }],
      hooks: { setCursor: [(chart) => this.point(chart.cursor.idx)] },
    }, this.data, this.plot);
  }

  resize() {
    this.chart.setSize({ width: this.plot.clientWidth, height: 180 });
  }

  point(i) {
    const run = this.runs[i];
    this.readout.textContent = run ? `${moment(run.at)}: ${count(run.anomalies)} of ${plural(run.readings, 'reading')} anomalous in ${run.run}` : '\u00a0';
  }
}

const timed = page.runs.map((run) => ({ ...run, at: Date.parse(run.started) / 1000 })).filter((run) => Number.isFinite(run.at)).sort((a, b) => a.at - b.at);

if (timed.length > 1) {
  find('#over-time').hidden = false;
  new RunsChart(find('.when'), timed);
}

for (const link of document.querySelectorAll('tbody a')) link.setAttribute('href', link.getAttribute('href') + signature);

const rows = [...document.querySelectorAll('tbody tr')];
const words = rows.map((row) => row.textContent.toLowerCase());
const search = make('input', { type: 'search', placeholder: 'Search runs', 'aria-label': 'Search runs', autocomplete: 'off', spellcheck: 'false' });
find('#runs .tools').append(search);
search.addEventListener('input', () => {
  const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  rows.forEach((row, i) => { row.hidden = !terms.every((term) => words[i].includes(term)); });
  const shown = rows.filter((row) => !row.hidden).length;
  find('.found').textContent = shown === rows.length ? '' : `${plural(shown, 'run')} of ${count(rows.length)}`;
});
