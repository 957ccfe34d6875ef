import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { systemClock } from '../../../src/core/clock.ts';
import { Secret } from '../../../src/core/secret.ts';
import { createDrain } from '../../../src/drains/create-drain.ts';
import { DrainGate } from '../../../src/drains/drain-gate.ts';
import { planDrain, type DrainPlan } from '../../../src/drains/drain-plan.ts';
import type { Batch, Delivery } from '../../../src/drains/drain.ts';
import { AddressPolicy } from '../../../src/drains/egress/address-policy.ts';
import { createEncoder } from '../../../src/drains/formats/create-encoder.ts';
import { createLineFilter } from '../../../src/drains/formats/line-filter.ts';
import { FrameBuilder } from '../../../src/drains/formats/frame-builder.ts';
import { TcpQueues } from '../../../src/drains/syslog/tcp-queues.ts';
import { CertificateAuthority, type Credentials } from '../../support/certificates.ts';
import { HttpsReceiver, type ReceivedRequest } from '../../support/https-receiver.ts';
import { testEgress } from '../egress/egress-kit.ts';
import { line, stored } from '../formats/format-kit.ts';
import { httpsOptions } from '../https/https-kit.ts';
import { RecordedEvents, syslogOptions } from '../syslog/syslog-kit.ts';

const docs = join(import.meta.dirname, '../../../docs/drains');
const token = 'd.fc6b856b-3332-4546-93de-7d0ee272c3bd';
const batchPlan = { bytesMax: 100_000, linesMax: 500, waitMsMax: 20 };
const never = new AbortController().signal;

/** The texts whose bytes the pages show. */
export const shownTexts = ['Hello, Spillway.', '{"level":"error","msg":"Grüße"}'];

/** Texts that one receiver or another is known to misread. */
export const awkwardTexts = [
  '[info] up',
  '[x@1 y="z"] text',
  '- item',
  '<13>in text',
  '1 fish',
  '  spaces  ',
  'tab\there',
  '\u001b[31mred\u001b[0m',
  'Grüße €',
  '',
  '"quotes" \\ ]',
  'x'.repeat(10_000),
];

/** Blocks of a page in a language, without their fences. */
export function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(docs, `${page}.md`), 'utf8');
  return [...text.matchAll(/^```(\S+)\n([^]*?)\n```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , block = '']) => block);
}

/** URLs of the page's `drains:add` lines. `$(base64 -w0 FILE)` is run as the shell would, with these files. */
export function urlsOf(page: string, files: Readonly<Record<string, string>> = {}): string[] {
  return blocks(page, 'sh').map((line) => {
    const match = /^gigalixir drains:add -a demo (['"])(.*)\1$/.exec(line);
    if (!match) throw new Error(`no drains:add line: ${line}`);
    return (match[2] ?? '').replace(/\$\(base64 -w0 (\S+)\)/g, (_, file: string) =>
      Buffer.from(files[file] ?? '').toString('base64'),
    );
  });
}

/** Where lines go instead of to the URL's host, and what the installation is like. */
export interface DeliverTo {
  readonly port: number;
  readonly extraPem?: string;
  readonly batchId?: string;
  /** The operator allows the option `insecure`. */
  readonly insecure?: boolean;
  /** Beside those in the URL. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** What follows from a URL that is let in as the API would, but for its host. */
export function planOf(url: string, to: DeliverTo): DrainPlan {
  const { insecure = false, options = {} } = to;
  const gate = new DrainGate({
    plain: false,
    insecure,
    addresses: new AddressPolicy({ allow: [] }),
  });
  const verdict = gate.check(url, options);
  if (!verdict.ok) throw new Error(verdict.problems.join());
  const { spec } = verdict;
  const local = spec.url.replace(
    /^([a-z+]+:\/\/(?:[^/@]*@)?)[^/:?]+(?::\d+)?/,
    `$1127.0.0.1:${to.port}`,
  );
  return planDrain(
    { url: new Secret(local), options: spec.options, token },
    {
      policy: { plain: false, insecure, addresses: testEgress().policy },
      httpsBatch: batchPlan,
      syslogBatch: batchPlan,
    },
  );
}

/** Delivers the lines as one batch, as the URL and its options want it. */
export async function deliver(
  url: string,
  to: DeliverTo,
  messages: readonly (string | Buffer)[],
): Promise<Delivery> {
  const { extraPem } = to;
  const { dialer } = testEgress(extraPem === undefined ? {} : { extraPem });
  const plan = planOf(url, to);
  const encoder = createEncoder(plan.options, token);
  const out = new FrameBuilder();
  out.begin({ bytesMax: Infinity, linesMax: Infinity });
  encoder.encode(stored(...messages), 0, messages.length, out, createLineFilter(plan.options));
  encoder.finish(out);
  const batch: Batch = {
    id: to.batchId ?? '000000070000000002a5000000000002',
    to: { logId: '0123456789abcdef', partition: 0, offset: 8, line: 0 },
    messages: out.messages,
    body: out.take(),
  };
  const drain = createDrain(
    plan,
    { https: { ...httpsOptions, userAgent: 'Logplex/spillway-0.1.0' }, syslog: syslogOptions },
    {
      dialer,
      clock: systemClock,
      tcpQueues: new TcpQueues({ readingGapMs: 0 }, { clock: systemClock }),
    },
    new RecordedEvents(),
  );
  const delivery = await drain.deliver(batch, never);
  await drain.close(never);
  return delivery;
}

/** One request with these texts to an https receiver. */
export async function request(url: string, texts: readonly string[]): Promise<ReceivedRequest> {
  const authority = new CertificateAuthority();
  await using receiver = await HttpsReceiver.listen(authority.issue());
  const to = { port: receiver.port, extraPem: authority.pem };
  const delivery = await deliver(
    url,
    to,
    texts.map((text) => line(text)),
  );
  const [received] = receiver.requests;
  if (delivery.kind !== 'delivered' || !received) throw new Error(delivery.kind);
  return received;
}

/** The body as it was before compression. */
export function bodyOf({ headers, body }: ReceivedRequest): Buffer {
  return headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
}

/** A request as the pages show it: `␊` is LF. */
export function shownRequest(received: ReceivedRequest): string {
  const { method, url, rawHeaders } = received;
  const headers = rawHeaders.flatMap((name, i) =>
    i % 2 === 0 && !/^(?:host|connection|content-length)$/i.test(name)
      ? [`${name}: ${rawHeaders[i + 1]}`]
      : [],
  );
  return [`${method} ${url} HTTP/1.1`, ...headers, '', shownBytes(bodyOf(received))].join('\n');
}

export function shownBytes(bytes: Buffer): string {
  return bytes.toString().replaceAll('\n', '␊\n').trimEnd();
}

/** Credentials, and the files that a page's command names. */
export function tlsFiles(): { server: Credentials; files: Record<string, string>; ca: string } {
  const authority = new CertificateAuthority();
  const client = authority.issue();
  const files = { 'ca.pem': authority.pem, 'client.pem': client.cert, 'client.key': client.key };
  return { server: authority.issue(), files, ca: authority.pem };
}
