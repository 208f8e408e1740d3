// Starts the parts of the page.

const list = new SensorList(find('#sensors'));

if (page.timeline && page.timeline.readings.length > 1) {
  find('#timeline').hidden = false;
  drawTimeline(find('.timeline'), page.timeline);
}

if (page.sensors.device.length) new FleetGrid(find('#fleet'), (i) => list.open(i));

offerAnomalies(find('.anomalies'));
addEventListener('hashchange', () => list.openLinked());
requestAnimationFrame(() => requestAnimationFrame(() => list.openLinked()));

document.addEventListener('click', (event) => {
  const link = event.target.closest?.('[data-open]');
  if (!link) return;
  event.preventDefault();
  list.open(Number(link.dataset.open));
});

for (const link of document.querySelectorAll('a.file')) link.setAttribute('href', link.getAttribute('href') + signature);
