import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CertificateAuthority } from '../support/certificates.ts';
import { HttpsReceiver } from '../support/https-receiver.ts';
import { SyslogReceiver } from '../support/syslog-receiver.ts';
import { deliver } from '../drains/profiles/profile-kit.ts';

const protocol = readFileSync(join(import.meta.dirname, '../../docs/protocol.md'), 'utf8');
const authority = new CertificateAuthority();
const head = '<190>1 2026-01-01T00:00:00.123456+00:00 demo-7f9c demo demo-7f9c - -';

/** The request that one line makes, as the page has it: header and body, `␊` for LF. */
async function requestOf(fragment: string): Promise<string> {
  await using receiver = await HttpsReceiver.listen(authority.issue());
  const to = {
    port: receiver.port,
    extraPem: authority.pem,
    batchId: '000000070000000002a5000000000001',
  };
  await deliver(`https://receiver.example.com/in#${fragment}`, to, [`${head} Hello, Spillway.\n`]);
  const { method, url, rawHeaders = [], body } = receiver.requests[0] ?? {};
  const headers = rawHeaders.flatMap((name, i) =>
    i % 2 === 0 && !/^(?:host|connection)$/i.test(name) ? [[name, rawHeaders[i + 1]]] : [],
  );
  return [
    `${method} ${url} HTTP/1.1`,
    'Host: receiver.example.com',
    ...headers.map(
      ([name = '', value]) => `${name === 'content-length' ? 'Content-Length' : name}: ${value}`,
    ),
    '',
    String(body).replaceAll('\n', '␊'),
  ].join('\n');
}

test.each(['format=rfc5424&framing=lf', 'format=ndjson', 'format=otlp'])(
  'the page has the request of %s byte for byte',
  async (fragment) => {
    expect(protocol).toContain(`\n\`\`\`\n${await requestOf(fragment)}\n\`\`\`\n`);
  },
);

test('the page has the body and the count of a request to an https drain', async () => {
  const [, length, body] = /Content-Length: (\d+)\n\n(.*)$/.exec(await requestOf('')) ?? [];
  expect(protocol).toContain(`\nContent-Length: ${length}\n\n${body}\n`);
});

test('the page has the frame of a syslog drain', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const to = { port: receiver.port, extraPem: authority.pem };
  await deliver('syslog+tls://receiver.example.com', to, [`${head} Hello\n`]);
  await receiver.until(() => receiver.messages.length > 0);
  const [message] = receiver.messages;
  expect(protocol).toContain(`\n${message?.length} ${String(message).replace('\n', '␊')}\n`);
});
