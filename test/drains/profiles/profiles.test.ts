import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DrainGate } from '../../../src/drains/drain-gate.ts';
import { AddressPolicy } from '../../../src/drains/egress/address-policy.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { SyslogReceiver } from '../../support/syslog-receiver.ts';
import { line } from '../formats/format-kit.ts';
import {
  awkwardTexts,
  blocks,
  bodyOf,
  deliver,
  request,
  shownBytes,
  shownRequest,
  shownTexts,
  tlsFiles,
  urlsOf,
} from './profile-kit.ts';
import { herokuLogs, octetFrames, strictMessage } from './receiver-rules.ts';

const token = 'd.fc6b856b-3332-4546-93de-7d0ee272c3bd';

/** The frames that a syslog receiver gets, each with its count. */
async function frames(url: string, texts: readonly string[]): Promise<Buffer[]> {
  const authority = new CertificateAuthority();
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const to = { port: receiver.port, extraPem: authority.pem };
  const delivery = await deliver(
    url,
    to,
    texts.map((text) => line(text)),
  );
  expect(delivery).toEqual({ kind: 'written' });
  await receiver.until(() => receiver.messages.length >= texts.length);
  return receiver.messages.map((message) =>
    Buffer.concat([Buffer.from(`${message.length} `), message]),
  );
}

const strictly = (counted: readonly Buffer[], frameBytesMax: number) =>
  octetFrames(Buffer.concat(counted), frameBytesMax).map(strictMessage);

test('every page has a profile here', () => {
  const pages = readdirSync(join(import.meta.dirname, '../../../docs/drains')).sort();
  expect(pages).toEqual([
    'README.md',
    'better-stack.md',
    'datadog.md',
    'grafana.md',
    'loggly.md',
    'opentelemetry.md',
    'papertrail.md',
    'rsyslog.md',
    'sumo-logic.md',
    'syslog-ng.md',
    'vector.md',
  ]);
});

test.each([
  ['papertrail', 0, '-'],
  ['vector', 1, '-'],
  ['better-stack', 0, '[logtail@11993 source_token="AbCdEf0123456789AbCdEf01"]'],
  ['sumo-logic', 0, '[4p2rFsIRLiCtVUl9zLNvkwQ0bX7hYtQeWmZc@41123]'],
  ['loggly', 0, '[9c8b7a65-4d3c-2b1a-0f9e-8d7c6b5a4f3e@41058 tag="demo" tag="gigalixir"]'],
])('%s gets RFC 5424 that a strict parser reads, whatever the text', async (page, nth, sd) => {
  const url = urlsOf(page)[nth] ?? '';
  const wire = Buffer.concat(await frames(url, shownTexts));
  expect(blocks(page, 'text')[nth]).toBe(shownBytes(wire));
  expect(strictly(await frames(url, awkwardTexts), 65_536)).toEqual(
    awkwardTexts.map((text) => ({
      hostname: token,
      appName: 'demo',
      procId: 'web.1',
      structuredData: sd,
      text: `${text}\n`,
    })),
  );
});

test.each(['rsyslog', 'syslog-ng'])(
  '%s has a receiver of its own; the page shows its bytes',
  async (page) => {
    const { server, files } = tlsFiles();
    await using receiver = await SyslogReceiver.listen(server);
    const [url = ''] = urlsOf(page, files);
    const lines = shownTexts.map((text) => line(text));
    expect(await deliver(url, { port: receiver.port }, lines)).toEqual({ kind: 'written' });
    await receiver.until(() => receiver.messages.length >= lines.length);
    const wire = receiver.messages.map((message) => `${message.length} ${message.toString()}`);
    expect(blocks(page, 'text')).toEqual([shownBytes(Buffer.from(wire.join('')))]);
  },
);

test.each([['datadog'], ['vector'], ['grafana'], ['opentelemetry']])(
  '%s gets the request of its page',
  async (page) => {
    const [url = ''] = urlsOf(page);
    expect(blocks(page, 'text')[0]).toBe(shownRequest(await request(url, shownTexts)));
  },
);

test("Vector's heroku_logs finds as many lines as were announced, and each text whole", async () => {
  const [url = ''] = urlsOf('vector');
  const texts = awkwardTexts.filter((text) => text !== '');
  const received = await request(url, texts);
  expect(herokuLogs(received, bodyOf(received))).toEqual(texts);
});

test('Alloy finds nothing between the frames, and none that is longer than it reads', async () => {
  const [url = ''] = urlsOf('grafana');
  const longest = 'x'.repeat(10_240);
  const received = await request(url, [...awkwardTexts, longest]);
  const messages = octetFrames(bodyOf(received), 10_240).map(String);
  expect(messages).toHaveLength(awkwardTexts.length + 1);
  expect(messages[0]).toMatch(/^<190>1 \S+ host demo web\.1 - \[info\] up\n$/);
  expect(messages.at(-1)).toMatch(/x{9000} \[… \d+ bytes cut\]\n$/s);
  expect(received.headers['x-scope-orgid']).toBe('team-a');
  expect(received.url).toBe('/heroku/api/v1/drain?app=demo');
});

test('a collector gets one valid record a line', async () => {
  const [url = ''] = urlsOf('opentelemetry');
  const received = await request(url, awkwardTexts);
  expect(received.headers).toMatchObject({
    'content-type': 'application/json',
    'content-encoding': 'gzip',
    authorization: 'Bearer secret',
  });
  const { resourceLogs } = JSON.parse(bodyOf(received).toString()) as {
    resourceLogs: { scopeLogs: { logRecords: { body: { stringValue: string } }[] }[] }[];
  };
  const texts = resourceLogs[0]?.scopeLogs[0]?.logRecords.map(({ body }) => body.stringValue);
  expect(texts).toEqual(awkwardTexts);
});

test('no list shows a token of any page', () => {
  const policy = { plain: false, insecure: false, addresses: new AddressPolicy({ allow: [] }) };
  const gate = new DrainGate(policy);
  for (const page of [
    'datadog',
    'better-stack',
    'sumo-logic',
    'loggly',
    'opentelemetry',
    'rsyslog',
    'vector',
  ]) {
    for (const url of urlsOf(page, tlsFiles().files)) {
      const verdict = gate.check(url);
      if (!verdict.ok) throw new Error(verdict.problems.join());
      const shown = JSON.stringify([verdict.spec.masked, gate.shown(verdict.spec.options)]);
      expect(shown).not.toMatch(
        /0123456789abcdef|AbCdEf0|4p2rFsIR|9c8b7a65|secret|PRIVATE|:password/,
      );
    }
  }
});
