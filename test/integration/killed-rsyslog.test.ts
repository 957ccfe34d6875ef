import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { authority } from '../drains/syslog/syslog-kit.ts';
import { DrainRig, type DrainRigOptions } from '../support/drain-rig.ts';
import { hasTimeForAll, testNeeding } from '../support/needs.ts';
import { NumberLedger } from '../support/numbered-lines.ts';
import { freePort, pause } from '../support/pipeline.ts';
import { hasRsyslog, Rsyslog } from '../support/rsyslog.ts';
import { eventually } from '../support/spillway-process.ts';

const withRsyslog = testNeeding('rsyslog', hasRsyslog, 'apt-get install rsyslog rsyslog-gnutls');
const kills = hasTimeForAll ? 12 : 5;
const everyMs = hasTimeForAll ? 20_000 : 2_500;
const timeout = kills * everyMs + 60_000;

/**
 * Sends numbered lines at 2,000 a second to an rsyslog over TLS that is killed again and again, every other time
 * after it has not read for a moment; resolves with what it has when nothing more is coming.
 */
async function sendThroughKills(
  syslog: DrainRigOptions['syslog'],
): Promise<{ sent: number; ledger: NumberLedger }> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-rsyslog-'));
  const rsyslog = await startRsyslog(directory);
  const rig = new DrainRig(`syslog+tls://127.0.0.1:${rsyslog.port}`, {
    worker: { retryMsMax: 200 },
    egress: { extraPem: authority.pem },
    ...(syslog ? { syslog } : {}),
  });
  try {
    const sender = new SteadySender(rig);
    for (let kill = 0; kill < kills; kill++) {
      await pause(everyMs);
      if (kill % 2 === 0) rsyslog.signal('SIGSTOP');
      if (kill % 2 === 0) await pause(300);
      await rsyslog.stop('SIGKILL');
      await rsyslog.restart();
    }
    const sent = await sender.stop();
    await eventually('nothing is unconfirmed', () => rig.delivered === sent, 30_000);
    await pause(500);
    return { sent, ledger: await ledgerOf(rsyslog) };
  } finally {
    await rig[Symbol.asyncDispose]();
    await rsyslog[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
}

class SteadySender {
  #next = 0;
  #isStopped = false;
  readonly #running: Promise<void>;

  constructor(rig: DrainRig) {
    this.#running = this.#run(rig);
  }

  async stop(): Promise<number> {
    this.#isStopped = true;
    await this.#running;
    return this.#next;
  }

  async #run(rig: DrainRig): Promise<void> {
    while (!this.#isStopped) {
      const texts = Array.from({ length: 50 }, () => `n=${this.#next++} ${'x'.repeat(100)}`);
      await rig.append(texts);
      await pause(25);
    }
  }
}

async function startRsyslog(directory: string): Promise<Rsyslog> {
  const { cert, key } = authority.issue();
  const at = (file: string): string => join(directory, file);
  await writeFile(at('ca.pem'), authority.pem);
  await writeFile(at('cert.pem'), cert);
  await writeFile(at('key.pem'), key);
  const files = { caFile: at('ca.pem'), certFile: at('cert.pem'), keyFile: at('key.pem') };
  return Rsyslog.start({ directory, port: await freePort(), ...files });
}

async function ledgerOf(rsyslog: Rsyslog): Promise<NumberLedger> {
  const ledger = new NumberLedger();
  for (const line of await rsyslog.lines()) ledger.add(line.slice(line.indexOf('|') + 1));
  return ledger;
}

withRsyslog(
  'an rsyslog that is killed again and again under load loses nothing of ours, and its order stays',
  { timeout },
  async () => {
    const { sent, ledger } = await sendThroughKills(undefined);
    expect(ledger.missing(sent)).toEqual([]);
    expect(ledger.outOfOrder).toBe(0);
    expect(ledger.others).toBe(0);
  },
);

withRsyslog('without the unconfirmed window the same would lose lines', { timeout }, async () => {
  const { sent, ledger } = await sendThroughKills({ windowMs: 0, windowBytesMax: 0 });
  expect(ledger.missing(sent).length).toBeGreaterThan(0);
});
