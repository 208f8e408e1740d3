// The list of runs: search, anomalies over time, and whether the next sweep is late.

if (page.swept && page.late_after_seconds && Date.now() - Date.parse(page.swept) > 1000 * page.late_after_seconds) {
  find('.swept').append(' ', make('strong', { class: 'error' }, 'The next one is late: look at the function app.'));
}

const timed = page.runs.map((run) => ({ ...run, at: Date.parse(run.started) / 1000 })).filter((run) => Number.isFinite(run.at)).sort((a, b) => a.at - b.at);

if (timed.length > 1) {
  find('#over-time').hidden = false;
  const look = () => ({
    cursor: { points: { size: 10, width: 2, fill: 'transparent' } },
    series: { stroke: color('anomaly'), width: 1, points: { show: true, size: 6, fill: color('anomaly') } },
  });
  const describe = (i) => `${formatTime(timed[i].at)}: ${count(timed[i].anomalies)} of ${plural(timed[i].readings, 'reading')} anomalous in ${timed[i].run}`;
  const data = [timed.map((run) => run.at), timed.map((run) => (100 * run.anomalies) / run.readings)];
  new ShareChart(find('.timeline'), 180, data, look, describe);
}

for (const link of document.querySelectorAll('tbody a')) link.setAttribute('href', link.getAttribute('href') + signature);

const rows = [...document.querySelectorAll('tbody tr')];
const texts = rows.map((row) => row.textContent.toLowerCase());
const search = make('input', { type: 'search', placeholder: 'Search runs', 'aria-label': 'Search runs', autocomplete: 'off', spellcheck: 'false' });
find('#runs .tools').append(search);
search.addEventListener('input', () => {
  const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  rows.forEach((row, i) => { row.hidden = !terms.every((term) => texts[i].includes(term)); });
  const shown = rows.filter((row) => !row.hidden).length;
  find('.found').textContent = shown === rows.length ? '' : `${plural(shown, 'run')} of ${count(rows.length)}`;
});
