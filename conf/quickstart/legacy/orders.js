// A REST resource in memory: GET /, GET /ID, POST /, PUT /ID, DELETE /ID. Single orders carry an ETag, and
// PUT and DELETE honour If-Match.

import { createHash } from 'node:crypto';
import express from 'express';

function etagOf(order) {
  return `"${createHash('sha1').update(JSON.stringify(order)).digest('base64url')}"`;
}

function isOrder(body) {
  return typeof body?.item === 'string' && Number.isInteger(body.quantity) && body.quantity > 0;
}

function mismatch(request, order) {
  const wanted = request.get('If-Match');
  return wanted !== undefined && wanted !== '*' && wanted !== etagOf(order);
}

export function orders() {
  const all = new Map([[1, { id: 1, item: 'tea', quantity: 2 }]]);
  let nextId = 2;
  const router = express.Router();
  router.use(express.json());

  router.param('id', (request, response, next, text) => {
    request.order = all.get(Number(text));
    if (!request.order) return response.status(404).json({ error: 'no such order' });
    return next();
  });
  router.get('/', (request, response) => response.json([...all.values()]));
  router.get('/:id', (request, response) => response.set('ETag', etagOf(request.order)).json(request.order));
  router.post('/', (request, response) => {
    if (!isOrder(request.body)) return response.status(422).json({ error: 'needs item and quantity' });
    const order = { id: nextId, item: request.body.item, quantity: request.body.quantity };
    nextId += 1;
    all.set(order.id, order);
    return response
      .status(201)
      .location(`${request.baseUrl}/${order.id}`)
      .set('ETag', etagOf(order))
      .json(order);
  });
  router.put('/:id', (request, response) => {
    if (!isOrder(request.body)) return response.status(422).json({ error: 'needs item and quantity' });
    if (mismatch(request, request.order)) return response.status(412).json({ error: 'changed meanwhile' });
    Object.assign(request.order, { item: request.body.item, quantity: request.body.quantity });
    return response.set('ETag', etagOf(request.order)).json(request.order);
  });
  router.delete('/:id', (request, response) => {
    if (mismatch(request, request.order)) return response.status(412).json({ error: 'changed meanwhile' });
    all.delete(request.order.id);
    return response.status(204).end();
  });
  return router;
}
