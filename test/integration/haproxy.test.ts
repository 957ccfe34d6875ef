import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { authority, batch, httpsDrain, never } from '../drains/https/https-kit.ts';
import { BatchLedger } from '../support/batch-ledger.ts';
import { CertificateAuthority, type Credentials } from '../support/certificates.ts';
import { Haproxy, hasHaproxy, haproxyInstall } from '../support/haproxy.ts';
import { HttpsReceiver, type Answer } from '../support/https-receiver.ts';
import { testNeeding } from '../support/needs.ts';
import { freePort, Pipeline } from '../support/pipeline.ts';
import { eventually } from '../support/spillway-process.ts';

const withHaproxy = testNeeding('HAProxy', hasHaproxy, haproxyInstall);
const lineCount = 6_000;

withHaproxy(
  'HAProxy in front of a receiver that goes away, hangs, refuses and comes back: every line, in order, none twice but as the same batch',
  { timeout: 120_000 },
  async () => {
    await using pipeline = await Pipeline.start();
    const ledger = new BatchLedger();
    let receiver = await HttpsReceiver.listen();
    const take = (target: HttpsReceiver, answer: () => Answer | Promise<Answer>): void => {
      target.answer = async (request) => {
        const result = await answer();
        if (result.status < 300) ledger.add(request);
        return result;
      };
    };
    take(receiver, () => ({ status: 204 }));
    const port = await freePort();
    await using haproxy = await Haproxy.start({
      directory: pipeline.directory,
      port,
      receiverPort: receiver.port,
      credentials: pipeline.authority.issue(),
    });
    await pipeline.client.addDrain('demo', `https://localhost:${port}/logs`);
    const piped = pipeline.pipe(lineCount, { app: 'demo', pod: 'pod' }, 500);
    const reached = (share: number): Promise<void> =>
      eventually('it goes on', () => ledger.lines.highest > lineCount * share, 60_000);

    await reached(0.1);
    // Nobody behind HAProxy: 503.
    const receiverPort = receiver.port;
    await receiver[Symbol.asyncDispose]();
    await failures(pipeline, 'http_5xx', 1);
    receiver = await HttpsReceiver.listen(undefined, receiverPort);
    take(receiver, () => ({ status: 204 }));
    await reached(0.3);
    // Nobody answers HAProxy: 504.
    take(receiver, () => new Promise(() => {}));
    await failures(pipeline, 'http_5xx', 1);
    let refusals = 0;
    take(receiver, () =>
      ++refusals <= 2 ? { status: 429, headers: { 'retry-after': '1' } } : { status: 204 },
    );
    await failures(pipeline, 'http_429', 2);
    await reached(0.5);
    await haproxy.kill();
    await failures(pipeline, 'connect', 1);
    await haproxy.restart();

    await piped;
    await eventually('it has all', () => ledger.lines.distinct === lineCount, 60_000);
    expect(ledger.lines).toMatchObject({ repeated: 0, outOfOrder: 0 });
    expect(ledger.faults).toEqual([]);
    const { spillway } = pipeline;
    const backlog = (): Promise<number> => spillway.metric('spillway_drain_backlog_messages');
    await eventually('no backlog', async () => (await backlog()) === 0);
    expect(await spillway.metric('spillway_conservation_imbalance_messages')).toBe(0);
    await receiver[Symbol.asyncDispose]();
  },
);

/** Resolves when so many more attempts have failed for that reason. */
async function failures(pipeline: Pipeline, reason: string, count: number): Promise<void> {
  const failed = (): Promise<number> =>
    pipeline.spillway.metric('spillway_drain_failures_total', `"${reason}"`);
  const before = await failed();
  await eventually(`it fails: ${reason}`, async () => (await failed()) >= before + count, 60_000);
}

withHaproxy(
  'HAProxy that asks for a client certificate: none, a strange one, the right one',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'spillway-haproxy-'));
    const clients = new CertificateAuthority('Clients');
    await using receiver = await HttpsReceiver.listen();
    const port = await freePort();
    await using haproxy = await Haproxy.start({
      directory,
      port,
      receiverPort: receiver.port,
      credentials: authority.issue(),
      clientCa: clients.pem,
    });
    const deliver = async (options: string): Promise<unknown> => {
      await using drain = httpsDrain(`https://localhost:${port}/${options}`);
      return await drain.deliver(batch(), never);
    };
    expect(await deliver('')).toEqual({
      kind: 'retry',
      reason: 'tls',
      certificate: 'client certificate required',
    });
    expect(await deliver(identity(authority.issue()))).toEqual({
      kind: 'retry',
      reason: 'tls',
      certificate: 'client certificate refused',
    });
    expect(await deliver(identity(clients.issue()))).toEqual({ kind: 'delivered', rejected: 0 });
    expect(receiver.requests).toHaveLength(1);
    await haproxy.kill();
    await rm(directory, { recursive: true, force: true });
  },
);

function identity({ cert, key }: Credentials): string {
  const base64 = (text: string): string => encodeURIComponent(Buffer.from(text).toString('base64'));
  return `#client_cert=${base64(cert)}&client_key=${base64(key)}`;
}
