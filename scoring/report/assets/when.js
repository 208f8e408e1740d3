// Anomalies over the time of the run, all drawn sensors together.

class WhenChart {
  constructor(host, { start, step, readings: total, anomalies }) {
    this.host = host;
    this.step = step / 1000;
    this.total = total;
    this.anomalies = anomalies;
    this.data = [
      total.map((_, i) => start / 1000 + (i + 0.5) * this.step),
      total.map((readings, i) => (readings ? (100 * anomalies[i]) / readings : null)),
    ];
    this.readout = make('p', { class: 'note' }, '\u00a0');
    this.plot = make('div');
    host.append(this.plot, this.readout);
    standing.add(this);
    widths.observe(host);
    this.repaint();
  }

  repaint() {
    this.chart?.destroy();
    const half = this.step / 2;
    const [times] = this.data;
    this.chart = new uPlot({
      width: this.plot.clientWidth || 300,
      height: 130,
      tzDate: UTC,
      legend: { show: false },
      cursor: { y: false, drag: { setScale: false, x: false }, points: { show: false } },
      scales: { x: { range: () => [times[0] - half, times.at(-1) + half] }, y: { range: (_, low, high) => [0, Math.min(100, (high || 1) * 1.1)] } },
      axes: [timeAxis(), numberAxis(28, (_, splits) => splits.map((share) => `${short(share)} %`))],
      series: [{}, { fill: color('anomaly'), stroke: color('anomaly'), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.85, 60] }) }],
      hooks: { setCursor: [(chart) => this.point(chart.cursor.idx)] },
    }, this.data, this.plot);
  }

  resize() {
    this.chart.setSize({ width: this.plot.clientWidth, height: 130 });
  }

  point(i) {
    this.readout.textContent = i === null || i === undefined ? '\u00a0'
      : `${moment(this.data[0][i] - this.step / 2)} to ${moment(this.data[0][i] + this.step / 2)}: `
        + `${plural(this.anomalies[i], 'anomalous reading')} of ${count(this.total[i])}`;
  }
}
