// What the bucket holds: articles (JSON), pages with accents (HTML) and thumbnails (bytes that are not
// UTF-8).

import { PutObjectCommand } from '@aws-sdk/client-s3';

// A valid 1x1 GIF followed by its number, so that every thumbnail differs.
function thumbnail(number) {
  const gif = Buffer.from('R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64');
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(number);
  return Buffer.concat([gif, tail]);
}

function* objects(count) {
  for (let number = 1; number <= count; number += 1) {
    const name = String(number).padStart(4, '0');
    const text = 'Lorem ipsum. '.repeat(20);
    const article = { id: number, title: `Article ${number}`, diggs: (number * 7919) % 1000, text };
    yield { key: `articles/${name}.json`, type: 'application/json', body: JSON.stringify(article) };
    if (number % 4 === 0) yield { key: `thumbs/${name}.gif`, type: 'image/gif', body: thumbnail(number) };
    if (number % 10 === 0) {
      const body = `<h1>Déjà vu № ${number}</h1>`;
      yield { key: `pages/${name}.html`, type: 'text/html; charset=utf-8', body };
    }
  }
}

// Puts all objects, 16 at a time; rejects with the first failure.
export async function fill(client, bucket, count) {
  const queue = objects(count);
  const puts = async () => {
    for (const { key, type, body } of queue) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: type }));
    }
  };
  await Promise.all(Array.from({ length: 16 }, puts));
}
