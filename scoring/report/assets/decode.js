// Decodes the columns of scoring/report/encoding.py: a number type, a colon, little-endian bytes in base64.

const TYPES = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array };

function decode(text) {
  const raw = atob(text.slice(3));
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return new TYPES[text.slice(0, 2)](bytes.buffer);
}

/** Running sums. */
function runningSums(first, step, numbers) {
  const sums = new Float64Array(numbers.length);
  let sum = first;
  for (let i = 0; i < numbers.length; i += 1) {
    sum += step * numbers[i];
    sums[i] = sum;
  }
  return sums;
}

/** One sensor's readings: seconds since 1970, values and scores, and which of them are anomalies. */
function readings(chart) {
  const { decimals, offset, data } = chart.values;
  const numbers = decode(data);
  const power = 10 ** (decimals ?? 0);
  return {
    times: runningSums(chart.times.first, chart.times.step, decode(chart.times.data)).map((ms) => ms / 1000),
    values: decimals === null ? numbers : Float64Array.from(numbers, (number) => (offset + number) / power),
    scores: decode(chart.scores),
    marks: [...runningSums(0, 1, decode(chart.marks))],
    value: (number) => (decimals === null ? String(Number(number.toPrecision(6))) : number.toFixed(decimals)),
  };
}
