import { expect, test } from 'vitest';
import { appId, drainId } from '../../../src/core/ids.ts';
import { Secret } from '../../../src/core/secret.ts';
import type { DrainEvent } from '../../../src/drains/events/drain-event.ts';
import { postEvent } from '../../../src/drains/events/event-webhook.ts';
import { HttpsReceiver } from '../../support/https-receiver.ts';

const event: DrainEvent = {
  kind: 'disabled',
  drain: drainId(7),
  app: appId(1),
  maskedUrl: 'https://***:***@ex.com/in',
  reason: undefined,
  status: undefined,
  atMs: Date.UTC(2026, 0, 1),
};

function post(url: string, appName: string | undefined = 'demo'): Promise<void> {
  return postEvent(
    event,
    { url: new Secret(url), userAgent: 'Logplex/spillway-test', responseBytesMax: 1000 },
    { appName: () => Promise.resolve(appName) },
    AbortSignal.timeout(5000),
  );
}

test('an event is one JSON object, with the credentials of the URL beside it', async () => {
  await using receiver = await HttpsReceiver.listen();
  await post(receiver.url('/hook?a=b', 'me:p%40ss'));
  const [request] = receiver.requests;
  expect(request).toMatchObject({ method: 'POST', url: '/hook?a=b' });
  expect(request?.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': 'Logplex/spillway-test',
    authorization: `Basic ${Buffer.from('me:p@ss').toString('base64')}`,
  });
  expect(JSON.parse(String(request?.body))).toEqual({
    event: 'drain.disabled',
    app: 'demo',
    drain: 7,
    url: 'https://***:***@ex.com/in',
    reason: null,
    status: null,
    at: '2026-01-01T00:00:00.000Z',
  });
});

test('nobody is told of an app that is gone', async () => {
  await using receiver = await HttpsReceiver.listen();
  await postEvent(
    event,
    { url: new Secret(receiver.url()), userAgent: 'x', responseBytesMax: 1000 },
    { appName: () => Promise.resolve(undefined) },
    AbortSignal.timeout(5000),
  );
  expect(receiver.requests).toEqual([]);
});

test('what is no 2xx has not taken it, and redirects are not followed', async () => {
  await using receiver = await HttpsReceiver.listen();
  for (const status of [302, 404, 500]) {
    receiver.answer = () => ({ status, headers: { location: '/elsewhere' } });
    await expect(post(receiver.url())).rejects.toThrow(`answered ${status}`);
  }
  expect(receiver.requests).toHaveLength(3);
});

test('an error says nothing of the URL', async () => {
  const receiver = await HttpsReceiver.listen();
  const url = receiver.url('/hook?key=s3cret', 'me:pa55word');
  await receiver[Symbol.asyncDispose]();
  const error = await post(url).catch((thrown: unknown) => thrown as Error);
  expect(String((error as Error).stack)).toContain('ECONNREFUSED');
  expect(JSON.stringify([String(error), (error as Error).cause])).not.toMatch(/s3cret|pa55word/);
});
