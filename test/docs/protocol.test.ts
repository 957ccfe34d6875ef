import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { expect, test } from 'vitest';
import { drainFormats } from '../../src/drains/url/option-values.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { HttpsReceiver } from '../support/https-receiver.ts';
import { deliver } from '../drains/profiles/profile-kit.ts';

const protocol = readFileSync(join(import.meta.dirname, '../../docs/protocol.md'), 'utf8');
const authority = new CertificateAuthority();
const head = '<190>1 2026-01-01T00:00:00.123456+00:00 demo-7f9c demo demo-7f9c - -';

/** The request that one line makes, as the page has it: header and body, `␊` for LF. */
async function requestOf(to: string): Promise<string> {
  await using receiver = await HttpsReceiver.listen(authority.issue());
  const batchId = '000000070000000002a5000000000001';
  const place = { port: receiver.port, extraPem: authority.pem, batchId };
  await deliver(`https://${to}`, place, [`${head} Hello, Spillway.\n`]);
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

/** What a syslog drain writes for one line. */
async function frameOf(fragment: string): Promise<string> {
  const server = createServer(authority.issue()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const written = new Promise<string>((resolve) => {
    server.once('secureConnection', (socket) =>
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes.toString());
        socket.destroy();
      }),
    );
  });
  const { port } = server.address() as AddressInfo;
  const place = { port, extraPem: authority.pem };
  const url = `syslog+tls://receiver.example.com#${fragment}`;
  const [bytes] = await Promise.all([written, deliver(url, place, [`${head} Hello, Spillway.\n`])]);
  server.close();
  return bytes.replace('\n', '␊');
}

/** Blocks of a section, each with the paragraph before it. */
function section(title: string): { intro: string; block: string }[] {
  const [, text = ''] = protocol.split(`\n## ${title}\n`);
  const [own = ''] = text.split('\n## ');
  return [...own.matchAll(/([^]*?)\n```\n([^]*?)\n```\n/g)].map(([, intro = '', block = '']) => ({
    intro,
    block,
  }));
}

test.each([
  ['format=logplex', 'drain:password@receiver.example.com/in?source=demo'],
  ['format=rfc5424', 'receiver.example.com/in#format=rfc5424'],
  ['framing=lf', 'receiver.example.com/in#format=rfc5424&framing=lf'],
  ['format=ndjson', 'receiver.example.com/in#format=ndjson'],
  ['format=otlp', 'receiver.example.com/in#format=otlp'],
])('the page has the request of %s byte for byte', async (name, to) => {
  const shown = section('Out: https drains').filter(({ intro }) => intro.includes(`\`${name}\``));
  expect(shown.map(({ block }) => block)).toEqual([await requestOf(to)]);
});

test.each([
  ['format=rfc5424', ''],
  ['framing=lf', 'framing=lf'],
  ['sd=[id@32473 key="value"]', 'sd=[id@32473%20key="value"]'],
  ['format=logplex', 'format=logplex'],
])('the page has the frame of %s byte for byte', async (name, fragment) => {
  const shown = section('Out: syslog drains').filter(({ intro }) => intro.includes(`\`${name}\``));
  expect(shown.map(({ block }) => block)).toEqual([await frameOf(fragment)]);
});

test('every format has its request there, and each that syslog can have its frame', () => {
  const names = (title: string): string[] =>
    section(title).flatMap(({ intro }) => /`format=(\w+)`/.exec(intro)?.[1] ?? []);
  expect(names('Out: https drains')).toEqual([...drainFormats]);
  expect(names('Out: syslog drains').sort()).toEqual(['logplex', 'rfc5424']);
});
