// Every anomaly that a chart marks, as a CSV file that the page creates.

function anomaliesCsv() {
  const field = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = ['TS,Device,Sensor,Value,Score'];
  page.sensors.device.forEach((device, i) => {
    if (page.sensors.chart[i] === null) return;
    const { times, scores, marks, values, value } = readings(page.charts[page.sensors.chart[i]]);
    for (const mark of marks) {
      const at = new Date(times[mark] * 1000).toISOString();
      rows.push([at, field(device), field(page.sensors.sensor[i]), value(values[mark]), scores[mark]].join(','));
    }
  });
  return `${rows.join('\n')}\n`;
}

function offerAnomalies(button) {
  button.hidden = !page.sensors.anomalies.some(Boolean);
  button.addEventListener('click', () => {
    const address = URL.createObjectURL(new Blob([anomaliesCsv()], { type: 'text/csv' }));
    make('a', { href: address, download: 'anomalies.csv' }).click();
    URL.revokeObjectURL(address);
  });
}
