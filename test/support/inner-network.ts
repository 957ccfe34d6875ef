import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { DnsServer } from '../drains/egress/dns-server.ts';
import { testEgress } from '../drains/egress/egress-kit.ts';
import { spellings } from '../drains/egress/spellings.ts';

/**
 * Runs in a network namespace that has addresses no drain may reach, each with somebody who listens: dials every
 * spelling of them, and names that resolve to them, and prints what the kernel counted. The last dial is one that the
 * operator allows, so that a count of none means something.
 */
const addresses = process.argv.slice(2);
const canary = createServer((socket) => socket.on('error', () => undefined).destroy());
let arrived = 0;
canary.on('connection', () => arrived++);
canary.listen(443, '::');
await once(canary, 'listening');
await using server = await DnsServer.listen();
const nameOf = (at: number): string => `n${at}.example.com`;
server.answer = (name) => addresses.filter((_, at) => nameOf(at) === name);

const hosts = [
  ...spellings().map((host) => host.replace(/^\[(.*)\]$/, '$1')),
  ...addresses,
  ...addresses.map((_, at) => nameOf(at)),
];
const { dialer } = testEgress({ allow: [] }, { dns: server.client() });
const never = new AbortController().signal;
const results = await Promise.all(
  hosts.flatMap((host) =>
    [undefined, { verify: false }].map((tls) => dialer.connect({ host, port: 443, tls }, never)),
  ),
);
const guarded = { connected: results.filter(({ ok }) => ok).length, opened: opened(), arrived };

const { dialer: allowing } = testEgress({ allow: addresses.slice(0, 1) }, { dns: server.client() });
const control = await allowing.connect({ host: nameOf(0), port: 443, tls: undefined }, never);
process.stdout.write(
  JSON.stringify({ dials: results.length, guarded, control: control.ok, afterwards: opened() }),
);
process.exit();

/** Connections that this namespace has tried to open: every SYN of a connect counts (RFC 4022 tcpActiveOpens). */
function opened(): number {
  const [names = '', values = ''] = readFileSync('/proc/self/net/snmp', 'latin1')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'));
  return Number(values.split(' ')[names.split(' ').indexOf('ActiveOpens')]);
}
