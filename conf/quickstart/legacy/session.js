// A cookie that names the client, as such services have it: Banyan's rollout uses it as its sticky key.

import { randomUUID } from 'node:crypto';

function hasCookie(request) {
  return /(?:^|;\s*)uid=[^;]/.test(request.headers.cookie ?? '');
}

export function session() {
  return (request, response, next) => {
    response.set('X-Content-Type-Options', 'nosniff');
    if (!hasCookie(request)) {
      response.cookie('uid', randomUUID(), { httpOnly: true, sameSite: 'lax', maxAge: 365 * 86400e3 });
    }
    next();
  };
}
