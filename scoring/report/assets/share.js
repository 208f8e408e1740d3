// The share of anomalies over time: for the list of runs, and for the time of one run.

class ShareChart {
  /** `look` returns options of uPlot in the current colours; `describe` returns the text for a point. */
  constructor(host, height, data, look, describe) {
    Object.assign(this, { host, height, data, look, describe });
    this.readout = make('p', { class: 'note' }, '\u00a0');
    this.plot = make('div');
    host.append(this.plot, this.readout);
    activeCharts.add(this);
    widths.observe(host);
    this.repaint();
  }

  repaint() {
    this.chart?.destroy();
    const { scales, cursor, series } = this.look();
    this.chart = new uPlot({
      width: this.plot.clientWidth || 300,
      height: this.height,
      tzDate: UTC,
      legend: { show: false },
      padding: [null, LABEL_ROOM, null, null],
      cursor: { y: false, ...cursor },
      scales: { ...scales, y: { range: (_, low, high) => [0, Math.min(100, (high || 1) * 1.1)] } },
      axes: [timeAxis(), numberAxis(28, (_, splits) => splits.map((share) => `${short(share)} %`))],
      series: [{}, series],
      hooks: { setCursor: [(chart) => this.point(chart.cursor.idx)] },
    }, this.data, this.plot);
  }

  resize() {
    this.chart.setSize({ width: this.plot.clientWidth, height: this.height });
  }

  point(i) {
    this.readout.textContent = i === null || i === undefined ? '\u00a0' : this.describe(i);
  }
}
