import { expect, test } from 'vitest';
import type { FailureReason } from '../../src/drains/drain.ts';
import {
  acknowledge,
  drip,
  flood,
  HostileReceiver,
  say,
  sayAndClose,
  sayAndReset,
  silent,
  type Behaviour,
} from '../support/hostile-receiver.ts';
import { DrainRig, type DrainRigOptions } from '../support/drain-rig.ts';
import { eventually } from '../support/spillway-process.ts';
import { authority } from './https/https-kit.ts';

/** As in production, but sooner. */
const soon: DrainRigOptions = {
  https: { deliverMsMax: 400, responseBodyMsMax: 100, retryAfterMsMin: 10, retryAfterMsMax: 20 },
  syslog: { windowMs: 100, tickMs: 20 },
  egress: { connectMsMax: 300, extraPem: authority.pem },
};

type Scheme = 'http' | 'https' | 'syslog' | 'syslog+tls';

interface Row {
  readonly scheme: Scheme;
  /** The receiver speaks TLS, whatever the scheme. */
  readonly tls?: boolean;
  readonly behaviour: Behaviour;
  readonly reason: FailureReason;
}

const hanging: Readonly<Record<string, Row>> = {
  'hangs before TLS': { scheme: 'https', behaviour: silent, reason: 'timeout' },
  'hangs after TLS': { scheme: 'https', tls: true, behaviour: silent, reason: 'timeout' },
  'hangs after the request': { scheme: 'http', behaviour: silent, reason: 'timeout' },
  'hangs within its headers': {
    scheme: 'http',
    behaviour: say('HTTP/1.1 200 OK\r\nContent-Le'),
    reason: 'timeout',
  },
  'answers a byte now and then': {
    scheme: 'https',
    tls: true,
    behaviour: drip('HTTP/1.1 200 OK\r\nX-Pad: ', 5),
    reason: 'timeout',
  },
  'hangs before the TLS of syslog': {
    scheme: 'syslog+tls',
    behaviour: silent,
    reason: 'timeout',
  },
};

const answering: Readonly<Record<string, Row>> = {
  'closes without a word': {
    scheme: 'http',
    behaviour: (socket) => socket.resume().end(),
    reason: 'closed',
  },
  'closes as soon as it can': {
    scheme: 'https',
    tls: true,
    behaviour: (socket) => void socket.resume().end(),
    reason: 'closed',
  },
  'talks nonsense before it is asked': {
    scheme: 'http',
    behaviour: (socket) => void socket.resume().write('220 hello\r\n'),
    reason: 'protocol',
  },
  resets: { scheme: 'http', behaviour: sayAndReset('HTTP/1.1 2'), reason: 'closed' },
  'does not speak HTTP': { scheme: 'http', behaviour: say('220 hello\r\n'), reason: 'protocol' },
  'does not speak TLS': { scheme: 'https', behaviour: say('220 hello\r\n'), reason: 'tls' },
  'sends 100 Continue unasked': {
    scheme: 'https',
    tls: true,
    behaviour: say('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'),
    reason: 'protocol',
  },
  'gives early hints without end': {
    scheme: 'http',
    behaviour: flood('', 'HTTP/1.1 103 Early Hints\r\n\r\n'),
    reason: 'protocol',
  },
  'sends headers without end': {
    scheme: 'https',
    tls: true,
    behaviour: flood('HTTP/1.1 200 OK\r\nX-Pad: '),
    reason: 'protocol',
  },
  'sends a length that is none': {
    scheme: 'http',
    behaviour: say('HTTP/1.1 200 OK\r\nContent-Length: one\r\n\r\n'),
    reason: 'protocol',
  },
  'fails with a body without end': {
    scheme: 'http',
    behaviour: flood('HTTP/1.1 500 Oops\r\n\r\n'),
    reason: 'http_5xx',
  },
  'fails as HTTP/1.0': {
    scheme: 'http',
    behaviour: sayAndClose('HTTP/1.0 503 Busy\r\nRetry-After: 0\r\n\r\n'),
    reason: 'http_5xx',
  },
  'refuses before it has read': {
    scheme: 'https',
    tls: true,
    behaviour: (socket) => {
      socket.on('data', () => undefined);
      socket.end('HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n');
    },
    reason: 'http_429',
  },
  'ends each stream of syslog': {
    scheme: 'syslog',
    behaviour: sayAndClose(''),
    reason: 'closed',
  },
  'resets each stream of syslog': {
    scheme: 'syslog',
    behaviour: sayAndReset('x'),
    reason: 'closed',
  },
  'talks without end at the other end of syslog': {
    scheme: 'syslog+tls',
    tls: true,
    behaviour: flood(''),
    reason: 'protocol',
  },
};

function listen({ behaviour, tls }: Row): Promise<HostileReceiver> {
  return HostileReceiver.listen(behaviour, tls === true ? authority.issue() : undefined);
}

/** Sockets that keep the process alive, and what is under way on them. */
function sockets(): string[] {
  return process.getActiveResourcesInfo().filter((kind) => /TCPSocket|TCPConnect|TLS/.test(kind));
}

async function expectNothingLeft(rig: DrainRig, receiver: HostileReceiver): Promise<void> {
  await receiver.until(() => receiver.open.size === 0);
  expect(rig.clock.pending).toBe(0);
}

test.each(Object.entries({ ...hanging, ...answering }))(
  'a receiver that %s is found, closed and tried again, until it behaves; and then nothing is left',
  { timeout: 20_000 },
  async (_, row) => {
    const receiver = await listen(row);
    const rig = new DrainRig(`${row.scheme}://127.0.0.1:${receiver.port}`, soon);
    await rig.append(['one', 'two']);
    await receiver.until(() => receiver.connections >= 4);
    expect(rig.worker.condition.lastError?.reason).toBe(row.reason);
    // The one before the last may still be on its way out.
    expect(receiver.open.size).toBeLessThanOrEqual(2);
    expect(rig.delivered).toBe(0);
    await receiver[Symbol.asyncDispose]();

    const isTls = row.scheme === 'https' || row.scheme === 'syslog+tls';
    const behaviour = row.scheme.startsWith('http') ? acknowledge : silent;
    const credentials = isTls ? authority.issue() : undefined;
    const healed = await HostileReceiver.listen(behaviour, credentials, receiver.port);
    await eventually('the lines are delivered', () => rig.delivered === 2);
    await rig[Symbol.asyncDispose]();
    await expectNothingLeft(rig, healed);
    await healed[Symbol.asyncDispose]();
    await eventually('no socket is left', () => sockets().length === 0);
  },
);

test.each(Object.entries(hanging))(
  'a drain is removed at once while its receiver %s, and nothing is left',
  async (_, row) => {
    await using receiver = await listen(row);
    // As in production: nothing of this ends by itself within the test.
    const rig = new DrainRig(`${row.scheme}://127.0.0.1:${receiver.port}`, {
      egress: { extraPem: authority.pem },
    });
    await rig.append(['one', 'two']);
    await receiver.until(() => receiver.heard > 0);
    await rig[Symbol.asyncDispose]();
    await expectNothingLeft(rig, receiver);
  },
);
