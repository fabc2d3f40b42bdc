// Publishes orders, one a second, as the services of a real migration do while clients are on two hubs: each to both
// sides of the rollout, which a client at a trusted address may ask for.
//
//   node publisher.js URL

const [url] = process.argv.slice(2);
const items = ['scone', 'tea', 'crumpet', 'jam', 'clotted cream'];

async function publish(order, hub) {
  const event = { order, item: items[order % items.length], hub };
  try {
    const response = await fetch(`${url}/live/orders`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Banyan-Side': hub },
      body: JSON.stringify(event),
    });
    if (response.status !== 202) console.error(`order ${order}, ${hub}: ${response.status} ${await response.text()}`);
  } catch (error) {
    console.error(`order ${order}, ${hub}: ${error.message}`);
  }
}

let order = 0;
setInterval(() => {
  order += 1;
  for (const hub of ['legacy', 'native']) publish(order, hub);
}, 1000);
