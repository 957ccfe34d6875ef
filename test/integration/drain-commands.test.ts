import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { selfSigned } from '../support/certificates.ts';
import { HttpsReceiver, type ReceivedRequest } from '../support/https-receiver.ts';
import { Pipeline } from '../support/pipeline.ts';
import { postLogs } from '../support/platform-client.ts';
import { frame } from '../support/records.ts';
import { eventually } from '../support/spillway-process.ts';

interface Shown {
  readonly id: number;
  readonly token: string;
  readonly state: string;
  readonly options?: object;
  readonly messages: Record<string, number>;
  readonly backlog: { readonly messages: number };
  readonly imbalance: number;
  readonly last_error: string | null;
  readonly last_error_status: number | null;
  readonly certificate: { readonly issuer: string; readonly problem: string | null } | null;
  readonly replay: { readonly state: string; readonly remaining: number } | null;
}

/** The pipeline's drain, told what to do. */
class Drain {
  readonly received: string[] = [];
  readonly requests: ReceivedRequest[] = [];
  status = 204;
  /** Only bodies in logplex's format are taken. */
  isStrict = false;
  readonly #pipeline: Pipeline;
  readonly #id: number;

  private constructor(pipeline: Pipeline, id: number) {
    this.#pipeline = pipeline;
    this.#id = id;
    pipeline.https.answer = (request) => {
      this.requests.push(request);
      const isStrange = request.headers['content-type'] !== 'application/logplex-1';
      if (this.isStrict && isStrange) return { status: 415 };
      if (this.status < 300) this.received.push(...textsIn(request.body));
      return { status: this.status };
    };
  }

  static async of(pipeline: Pipeline): Promise<Drain> {
    const [{ id } = { id: 0 }] = await pipeline.client.drains('demo');
    return new Drain(pipeline, id);
  }

  command(method: string, suffix: string, status: number, body?: object): Promise<unknown> {
    return this.#pipeline.client.call(method, `${this.path}${suffix}`, status, body);
  }

  get path(): string {
    return `/api/apps/demo/drains/${this.#id}`;
  }

  async shown(): Promise<Shown> {
    return (await this.command('GET', '', 200)) as Shown;
  }

  async post(...texts: string[]): Promise<void> {
    const { spillway, token } = this.#pipeline;
    const body = texts.map((text) => frame(text)).join('');
    expect((await postLogs(spillway.publicUrl, token, body)).status).toBe(204);
  }

  async has(...texts: string[]): Promise<void> {
    await eventually(`the receiver has ${texts.join()}`, () =>
      texts.every((text) => this.received.includes(text)),
    );
  }

  /** Waits until what has arrived is accounted for. */
  async settled(): Promise<Shown> {
    await eventually('no backlog', async () => (await this.shown()).backlog.messages === 0);
    return this.shown();
  }

  /** Waits until the state is this one, and for its books, which are always right. */
  async is(state: string): Promise<Shown> {
    await eventually(`the drain is ${state}`, async () => (await this.shown()).state === state);
    const shown = await this.shown();
    expect(shown.imbalance).toBe(0);
    return shown;
  }
}

function textsIn(body: Buffer): string[] {
  return [...body.toString().matchAll(/web\.1 - (.*)\n/g)].map(([, text = '']) => text);
}

test('a paused drain gets nothing, also after a kill, and everything once it is resumed', async () => {
  await using pipeline = await Pipeline.start();
  const drain = await Drain.of(pipeline);
  await drain.post('before');
  await drain.has('before');
  expect(await drain.command('POST', '/pause', 200)).toMatchObject({ state: 'paused' });
  const requests = drain.requests.length;
  await drain.post('one', 'two');
  await pipeline.restart('SIGKILL');
  await drain.post('three');
  expect(await drain.is('paused')).toMatchObject({
    messages: { delivered: 1 },
    backlog: { messages: 3 },
  });
  expect(drain.requests).toHaveLength(requests);
  expect(await drain.command('POST', '/resume', 200)).not.toMatchObject({ state: 'paused' });
  await drain.has('three');
  expect(drain.received).toEqual(['before', 'one', 'two', 'three']);
  expect(await drain.is('live')).toMatchObject({ messages: { delivered: 4, dropped: 0, lost: 0 } });
});

test('a held drain tries at once when it is resumed', async () => {
  await using pipeline = await Pipeline.start();
  const drain = await Drain.of(pipeline);
  drain.status = 401;
  await drain.post('kept');
  expect(await drain.is('held')).toMatchObject({
    last_error: 'http_4xx',
    last_error_status: 401,
    certificate: { issuer: 'Test Authority', problem: null },
  });
  const [first] = drain.requests;
  drain.status = 204;
  await drain.command('POST', '/resume', 200);
  await drain.has('kept');
  const id = 'logplex-frame-id';
  expect(drain.requests.at(-1)?.headers[id]).toBe(first?.headers[id]);
  await drain.is('live');
});

test('other options apply to the next batch, and to the one that was turned away; the rest stays', async () => {
  await using pipeline = await Pipeline.start();
  const drain = await Drain.of(pipeline);
  await drain.post('first');
  await drain.has('first');
  const before = await drain.shown();
  await drain.command('PATCH', '', 200, { options: { format: 'ndjson', gzip: false } });
  drain.isStrict = true;
  await drain.post('second');
  await drain.is('held');
  const turnedAway = drain.requests.at(-1);
  expect(JSON.parse(String(turnedAway?.body))).toMatchObject({ message: 'second' });
  const changed = await drain.command('PATCH', '', 200, { options: { format: null } });
  expect(changed).toMatchObject({ id: before.id, token: before.token, options: { gzip: false } });
  await drain.has('first', 'second');
  expect(await drain.is('live')).toMatchObject({ messages: { delivered: 2 } });
  const wrong = { options: { colour: 'red', concurrency: 20 } };
  await expect(drain.command('PATCH', '', 422, wrong)).resolves.toBeUndefined();
  const refused = await pipeline.client.request('PATCH', drain.path, wrong);
  expect(await refused.text()).toMatch(/colour.*concurrency/);
});

test('a test shows each step, and neither the books nor the log know of it', async () => {
  await using pipeline = await Pipeline.start();
  const drain = await Drain.of(pipeline);
  const verdict = (await drain.command('POST', '/test', 200)) as { mark: string };
  const ms = expect.any(Number) as number;
  expect(verdict).toEqual({
    verdict: 'delivered',
    mark: expect.any(String) as string,
    steps: ['resolve', 'connect', 'tls', 'deliver'].map((step) => ({ step, ok: true, ms })),
    certificate: {
      issuer: 'Test Authority',
      expires_at: expect.stringMatching(/^20\d\d-/) as string,
      problem: null,
    },
  });
  expect(String(drain.requests[0]?.body)).toContain(`Spillway drain test ${verdict.mark}\n`);
  expect(await drain.shown()).toMatchObject({ messages: { delivered: 0 }, imbalance: 0 });
  const log = await pipeline.client.request(
    'GET',
    '/api/apps/demo/logs?num_lines=100&follow=False',
  );
  expect(await log.text()).toBe('');

  await using other = await HttpsReceiver.listen(selfSigned());
  await pipeline.client.addDrain('demo', other.url('/', 'user:pa55word'));
  const path = '/api/apps/demo/drains/2/test';
  const failed = await pipeline.client.call('POST', path, 200);
  expect(failed).toMatchObject({
    verdict: 'failed',
    steps: [{}, {}, { step: 'tls', ok: false, error: 'tls', certificate: 'self-signed' }],
    certificate: { issuer: 'receiver', problem: 'self-signed' },
  });
  expect(JSON.stringify([failed, pipeline.spillway.log])).not.toContain('pa55word');
});

test('a replay sends lines again, with other Frame-Ids, beside the books', async () => {
  await using pipeline = await Pipeline.start();
  const drain = await Drain.of(pipeline);
  await drain.post('old');
  await drain.has('old');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const since = new Date().toISOString();
  const texts = Array.from({ length: 1200 }, (_, n) => `line ${n}`);
  await drain.post(...texts);
  await drain.has(...texts);
  const { messages } = await drain.settled();
  const ids = drain.requests.map(({ headers }) => headers['logplex-frame-id']);
  drain.received.length = drain.requests.length = 0;

  expect(await drain.command('POST', '/replay', 202, { since })).toMatchObject({});
  await drain.post('meanwhile');
  await eventually(
    'the replay is over',
    async () => (await drain.shown()).replay?.state === 'finished',
  );
  await drain.has('meanwhile');
  expect(drain.received.filter((text) => text !== 'meanwhile')).toEqual(texts);
  expect(drain.received).toHaveLength(texts.length + 1);
  for (const { headers } of drain.requests) expect(ids).not.toContain(headers['logplex-frame-id']);
  await drain.settled();
  const after = await drain.is('live');
  expect(after.messages).toEqual({ ...messages, delivered: (messages['delivered'] ?? 0) + 1 });
  expect(after.replay).toMatchObject({ remaining: 0, messages: { delivered: texts.length } });
  await drain.command('POST', '/replay', 422, { position: '0123456789abcdef-0-0-0' });
  await drain.command('DELETE', '/replay', 404);
});

test('a replay goes on after a kill, and is stopped when asked to', async () => {
  await using pipeline = await Pipeline.start();
  const drain = await Drain.of(pipeline);
  const since = new Date(Date.now() - 60_000).toISOString();
  await drain.post('one', 'two');
  await drain.has('one', 'two');
  drain.received.length = 0;
  drain.status = 500;
  await drain.command('POST', '/replay', 202, { since });
  await drain.command('POST', '/replay', 409, { since });
  await eventually('it was tried', () => drain.requests.at(-1) !== undefined);
  await pipeline.restart('SIGKILL');
  drain.status = 204;
  await drain.has('one', 'two');
  drain.status = 500;
  await eventually(
    'the replay is over',
    async () => (await drain.shown()).replay?.state === 'finished',
  );
  await drain.command('POST', '/replay', 202, { since });
  await drain.command('DELETE', '/replay', 200);
  expect((await drain.shown()).replay).toMatchObject({ state: 'stopped' });
});

test('the owner hears of it in the stream and by mail, the operator by webhook', async () => {
  await using webhook = await HttpsReceiver.listen();
  await using pipeline = await Pipeline.start({
    SPILLWAY_EVENTS_WEBHOOK_URL: webhook.url('/hook?key=1', 'ops:s3cret'),
  });
  const drain = await Drain.of(pipeline);
  drain.status = 403;
  await drain.post('kept');
  await drain.is('held');
  await eventually('the webhook is called', () => webhook.requests.length === 1);
  drain.status = 204;
  await drain.command('POST', '/resume', 200);
  await eventually('and again', () => webhook.requests.length === 2);
  const [held, recovered] = webhook.requests;
  const url = `https://127.0.0.1:${pipeline.https.port}/logs`;
  expect(JSON.parse(String(held?.body))).toEqual({
    event: 'drain.held',
    app: 'demo',
    drain: 1,
    url,
    reason: 'http_4xx',
    status: 403,
    at: expect.stringMatching(/^20/) as string,
  });
  expect(held?.url).toBe('/hook?key=1');
  expect(held?.headers.authorization).toBe(`Basic ${Buffer.from('ops:s3cret').toString('base64')}`);
  expect(JSON.parse(String(recovered?.body))).toMatchObject({ event: 'drain.recovered' });
  const outbox = join(pipeline.dataDir, 'outbox');
  const mails = async (): Promise<string[]> => {
    const names = (await readdir(outbox)).filter((name) => name.endsWith('.eml'));
    return Promise.all(names.map((name) => readFile(join(outbox, name), 'utf8')));
  };
  for (const subject of ['Drain 1 of demo is held', 'Drain 1 of demo has recovered']) {
    await eventually(`a mail with "${subject}"`, async () =>
      (await mails()).some(
        (mail) => mail.includes(`Subject: ${subject}\n`) && mail.includes('To: dev@example.com'),
      ),
    );
  }
  const stream = async (): Promise<string> => {
    const path = '/api/apps/demo/logs?num_lines=100&follow=False';
    return (await pipeline.client.request('GET', path)).text();
  };
  await eventually('the stream has both notices', async () =>
    /L19 \(drain held\): error="status 403"[^]*L19 \(drain recovered\)/.test(await stream()),
  );
  expect(JSON.stringify(pipeline.spillway.log)).not.toContain('s3cret');
  const top = await (await fetch(`${pipeline.spillway.adminUrl}/drains?top=1`)).text();
  expect(JSON.parse(top)).toMatchObject({ drains: [{ drain: 1, app: 1, kind: 'https' }] });
  expect(top).not.toContain('127.0.0.1');
});
