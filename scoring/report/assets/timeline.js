// Share of anomalies over the time of the run, all sensors with a chart together.

function drawTimeline(host, { start, step, readings: total, anomalies }) {
  const seconds = step / 1000;
  const half = seconds / 2;
  const times = total.map((_, i) => start / 1000 + (i + 0.5) * seconds);
  const shares = total.map((readings, i) => (readings ? (100 * anomalies[i]) / readings : null));
  const look = () => ({
    cursor: { drag: { setScale: false, x: false }, points: { show: false } },
    scales: { x: { range: () => [times[0] - half, times.at(-1) + half] } },
    series: { fill: color('anomaly'), stroke: color('anomaly'), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.85, 60] }) },
  });
  const describe = (i) => `${formatTime(times[i] - half)} to ${formatTime(times[i] + half)}: `
    + `${plural(anomalies[i], 'anomalous reading')} of ${count(total[i])}`;
  return new ShareChart(host, 130, [times, shares], look, describe);
}
