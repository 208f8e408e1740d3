// What all charts share: axes, colours, and a redraw when the colours change.

const UTC = (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC');

const DAY = '\n{YYYY}-{MM}-{DD}';
const STAMPS = [
  [31536000, '{YYYY}', null, null, null, null, null, null, 1],
  [2419200, '{MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [86400, '{DD} {MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', DAY, null, DAY, null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', DAY, null, DAY, null, null, null, 1],
  [0.001, '{ss}.{fff}', `${DAY} {HH}:{mm}`, null, `${DAY} {HH}:{mm}`, null, '\n{HH}:{mm}', null, 1],
];

const AXIS_WIDTH = 58;

// Half of a date: a label at the end of a time axis is centred there.
const LABEL_ROOM = 34;

function short(number) {
  if (number === 0) return '0';
  const size = Math.abs(number);
  if (size >= 1e6 || size < 1e-3) return number.toExponential(1).replace('.0e', 'e').replace('e+', 'e');
  return String(Number(number.toPrecision(5)));
}

const line = () => ({ stroke: color('muted'), grid: { stroke: color('line'), width: 1 }, ticks: { stroke: color('line'), width: 1 } });

const timeAxis = (show = true) => ({ ...line(), space: 70, values: show ? STAMPS : () => [], size: show ? 42 : 4 });

const MOST_LABEL = 22; // characters that fit beside the shortest chart

const numberAxis = (space = 30, values = (_, splits) => splits.map(short), label = '') => ({
  ...line(), size: AXIS_WIDTH, space, values,
  ...(label && { label: label.length > MOST_LABEL ? `${label.slice(0, MOST_LABEL - 1)}…` : label, labelSize: 18, labelGap: 0, labelFont: '12px system-ui, sans-serif' }),
});

/** All charts on the page now: each has `resize(width)` and `repaint()`. */
const activeCharts = new Set();

function repaintAll() {
  for (const chart of activeCharts) chart.repaint();
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaintAll);

const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    for (const chart of activeCharts) if (chart.host === target) chart.resize(target.clientWidth);
  }
});
