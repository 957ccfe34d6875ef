import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { optionRules } from '../../src/drains/url/option-rules.ts';
import { CertificateAuthority, type Credentials } from '../support/certificates.ts';
import { HttpsReceiver } from '../support/https-receiver.ts';
import { line } from './formats/format-kit.ts';
import { deliver, planOf } from './profiles/profile-kit.ts';

/** The operator's own, and one that only a drain's owner knows. */
const operators = new CertificateAuthority();
const owners = new CertificateAuthority();
const client = owners.issue();
const base64 = (pem: string): string => encodeURIComponent(Buffer.from(pem).toString('base64'));

/** What a receiver, and the worker, see of a drain. */
interface Seen {
  /** How the delivery ended: its kind, or why it failed. */
  readonly end: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly batch: { bytesMax: number; linesMax: number; waitMsMax: number };
  /** Requests that may be under way at the same time: `create-drain.test.ts` has them. */
  readonly atOnce: number;
}

interface Effect {
  readonly names: readonly string[];
  readonly fragment: string;
  readonly json: Readonly<Record<string, unknown>>;
  /** What the effect needs, there or not: it is not what is tested. */
  readonly beside?: string;
  readonly receiver?: Credentials & object;
  readonly texts?: readonly string[];
  readonly isThere: (seen: Seen) => boolean;
}

const effects: readonly Effect[] = [
  {
    names: ['format'],
    fragment: 'format=otlp',
    json: { format: 'otlp' },
    isThere: ({ body }) => body.startsWith('{"resourceLogs":'),
  },
  {
    names: ['framing'],
    fragment: 'framing=lf',
    json: { framing: 'lf' },
    texts: ['two\nlines'],
    isThere: ({ body }) => /^<190>1 .* two lines\n$/.test(body),
  },
  {
    names: ['gzip'],
    fragment: 'gzip=1',
    json: { gzip: true },
    isThere: ({ headers }) => headers['content-encoding'] === 'gzip',
  },
  {
    names: ['headers'],
    fragment: 'headers.X-Key=a%20b',
    json: { headers: { 'X-Key': 'a b' } },
    isThere: ({ headers }) => headers['x-key'] === 'a b',
  },
  {
    names: ['sd'],
    beside: 'format=rfc5424',
    fragment: 'sd=%5Ba@1%20b=%22c%22%5D',
    json: { sd: '[a@1 b="c"]' },
    isThere: ({ body }) => body.includes(' demo web.1 - [a@1 b="c"] Hello'),
  },
  {
    names: ['insecure'],
    fragment: 'insecure',
    json: { insecure: true },
    receiver: owners.issue({ hosts: ['elsewhere.example'] }),
    isThere: ({ end }) => end === 'delivered',
  },
  {
    names: ['sni'],
    fragment: 'sni=elsewhere.example',
    json: { sni: 'elsewhere.example' },
    receiver: operators.issue({ hosts: ['elsewhere.example'] }),
    isThere: ({ end }) => end === 'delivered',
  },
  {
    names: ['ca'],
    fragment: `ca=${base64(owners.pem)}`,
    json: { ca: owners.pem },
    receiver: owners.issue(),
    isThere: ({ end }) => end === 'delivered',
  },
  {
    names: ['client_cert', 'client_key'],
    fragment: `client_cert=${base64(client.cert)}&client_key=${base64(client.key)}`,
    json: { client_cert: client.cert, client_key: client.key },
    receiver: {
      ...operators.issue(),
      ...{ ca: owners.pem, requestCert: true, rejectUnauthorized: true },
    },
    isThere: ({ end }) => end === 'delivered',
  },
  {
    names: ['hostname'],
    fragment: 'hostname=demo%2deu',
    json: { hostname: 'demo-eu' },
    isThere: ({ body }) => body.includes('+00:00 demo-eu demo web.1 '),
  },
  {
    names: ['max_message_bytes'],
    fragment: 'max_message_bytes=1024',
    json: { max_message_bytes: 1024 },
    texts: ['x'.repeat(2000)],
    isThere: ({ body }) => body.endsWith(' bytes cut]\n') && body.length < 1035,
  },
  {
    names: ['source'],
    fragment: 'source=other,another',
    json: { source: ['other', 'another'] },
    isThere: ({ body }) => body === '',
  },
  {
    names: ['process'],
    fragment: 'process=worker',
    json: { process: ['worker'] },
    isThere: ({ body }) => body === '',
  },
  {
    names: ['severity'],
    fragment: 'severity=err',
    json: { severity: 'err' },
    isThere: ({ body }) => body === '',
  },
  {
    names: ['strip_ansi'],
    fragment: 'strip_ansi',
    json: { strip_ansi: true },
    texts: ['\u001b[31mred\u001b[0m'],
    isThere: ({ body }) => body.endsWith(' - red\n'),
  },
  {
    names: ['strip_prefix'],
    fragment: 'strip_prefix=1',
    json: { strip_prefix: true },
    texts: ['web.1  | up'],
    isThere: ({ body }) => body.endsWith(' - up\n'),
  },
  {
    names: ['batch_bytes'],
    fragment: 'batch_bytes=2048',
    json: { batch_bytes: 2048 },
    isThere: ({ batch }) => batch.bytesMax === 2048,
  },
  {
    names: ['batch_lines'],
    fragment: 'batch_lines=7',
    json: { batch_lines: 7 },
    isThere: ({ batch }) => batch.linesMax === 7,
  },
  {
    names: ['batch_ms'],
    fragment: 'batch_ms=50',
    json: { batch_ms: 50 },
    isThere: ({ batch }) => batch.waitMsMax === 50,
  },
  {
    names: ['concurrency'],
    fragment: 'concurrency=3',
    json: { concurrency: 3 },
    isThere: ({ atOnce }) => atOnce === 3,
  },
];

async function see(
  effect: Effect,
  fragment: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<Seen> {
  await using receiver = await HttpsReceiver.listen(effect.receiver ?? operators.issue());
  const to = { port: receiver.port, extraPem: operators.pem, insecure: true, options };
  const url = `https://receiver.example.com/in#${[effect.beside ?? '', fragment].join('&')}`;
  const texts = effect.texts ?? ['Hello'];
  const delivery = await deliver(
    url,
    to,
    texts.map((text) => line(text)),
  );
  const { headers = {}, body = Buffer.alloc(0) } = receiver.requests[0] ?? {};
  return {
    end: 'reason' in delivery ? delivery.reason : delivery.kind,
    headers,
    body: (headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString(),
    batch: planOf(url, to).batch,
    atOnce: planOf(url, to).options.concurrency,
  };
}

test.each(effects.map((effect) => [effect.names.join(' with '), effect] as const))(
  '%s does what it says, from the URL and from JSON, and nothing does it without',
  async (_, effect) => {
    const without = await see(effect, '');
    expect(effect.isThere(without)).toBe(false);
    const fromUrl = await see(effect, effect.fragment);
    expect(fromUrl).toSatisfy(effect.isThere);
    const isShaping = effect.names.some((name) => optionRules.get(name)?.isShaping === true);
    const isDelivered = without.end === 'delivered';
    expect(isShaping).toBe(isDelivered && fromUrl.body !== without.body);
    const fromJson = await see(effect, '', effect.json);
    const { date: _date, host: _host, ...headers } = fromUrl.headers;
    expect(fromJson).toMatchObject({ ...fromUrl, headers });
  },
);

test('no option is left out', () => {
  const shown = effects.flatMap(({ names }) => names);
  expect(shown.sort()).toEqual([...optionRules.keys()].sort());
});
