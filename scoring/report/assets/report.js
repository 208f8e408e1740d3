// The page's parts, put in their places.

const list = new SensorList(find('#sensors'));

if (page.when && page.when.readings.length > 1) {
  find('#when').hidden = false;
  drawWhen(find('.when'), page.when);
}

if (page.sensors.device.length) new FleetGrid(find('#fleet'), (i) => list.open(i));

document.addEventListener('click', (event) => {
  const link = event.target.closest?.('[data-open]');
  if (!link) return;
  event.preventDefault();
  list.open(Number(link.dataset.open));
});

for (const link of document.querySelectorAll('a.file')) link.setAttribute('href', link.getAttribute('href') + signature);
