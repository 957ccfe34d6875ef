import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CertificateAuthority } from '../support/certificates.ts';
import { PlatformClient } from '../support/platform-client.ts';
import { Child } from './child.ts';
import type { DrainSnapshot } from './drain-ledger.ts';
import { processFaults, receiverFaults, type PlannedProcessFault } from './fault-plan.ts';
import { appName } from './line.ts';
import { Random } from './random.ts';
import { repeatCauses } from './repeat-causes.ts';
import { drainKinds, type ReceiverCalls } from './receiver-process.ts';
import { faultModes } from './receiver-mode.ts';
import { meetMsMax, type Scenario } from './scenario.ts';
import type { SenderCalls } from './sender-process.ts';
import { SpillwayLife } from './spillway-life.ts';
import { triage, type Triaged } from './triage.ts';
import { judge, type Evidence, type PastFault, type Verdict } from './verdict.ts';

export interface ChaosResult extends Verdict {
  readonly scenario: Scenario;
  readonly commit: string;
  readonly seconds: number;
  readonly facts: readonly (readonly [string, string])[];
  readonly triaged: readonly Triaged[];
}

const livenessMsMax = 5_000;
const watchEveryMs = 2_000;
const triagedMax = 200;

/** One run from an empty data directory to its verdict. `root` is where the sources under test are. */
export async function runChaos(
  scenario: Scenario,
  root: string,
  progress: (line: string) => void,
): Promise<ChaosResult> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-chaos-'));
  const run = new ChaosRun(scenario, { directory, root, progress });
  try {
    return await run.run();
  } finally {
    await run.end();
    await rm(directory, { recursive: true, force: true });
  }
}

class ChaosRun {
  readonly #scenario: Scenario;
  readonly #parts: { directory: string; root: string; progress: (line: string) => void };
  readonly #id: string;
  readonly #startNs = process.hrtime.bigint();
  readonly #sender = new Child<SenderCalls>('sender-process.ts');
  readonly #receiver = new Child<ReceiverCalls>('receiver-process.ts');
  readonly #life: SpillwayLife;
  readonly #dataDir: string;
  readonly #faults: PastFault[] = [];
  readonly #random: Random;
  /** Ids of the drains in the registry, by drain. */
  readonly #drainIds: number[] = [];
  readonly #hit = { kill: 0, others: 0, again: 0 };
  #isLoadOver = false;

  constructor(
    scenario: Scenario,
    parts: { directory: string; root: string; progress: (line: string) => void },
  ) {
    this.#scenario = scenario;
    this.#parts = parts;
    this.#random = new Random(scenario.seed, 'harm');
    this.#id = Math.floor(new Random(scenario.seed, 'run').fraction() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
    this.#dataDir = join(parts.directory, 'data');
    this.#life = new SpillwayLife({
      directory: parts.directory,
      dataDir: this.#dataDir,
      root: parts.root,
      env: {
        SPILLWAY_EGRESS_ALLOW: '127.0.0.0/8,::1/128',
        SPILLWAY_EGRESS_CA_FILE: join(parts.directory, 'ca.pem'),
        ...scenario.env,
      },
    });
  }

  async run(): Promise<ChaosResult> {
    const startedMs = performance.now();
    await this.#prepare();
    await this.#underLoad();
    const livenessMs = await this.#quiet();
    const evidence = await this.#evidence(livenessMs);
    const verdict = judge(evidence, { ...this.#scenario, livenessMsMax });
    await this.#life.stop();
    const triaged =
      verdict.missing.length === 0 || verdict.result !== 'failed'
        ? []
        : await this.#triage(verdict, evidence.drains);
    return {
      ...verdict,
      scenario: this.#scenario,
      commit: commit(),
      seconds: (performance.now() - startedMs) / 1000,
      facts: [...(await this.#facts()), ...repeatCauses(evidence)],
      triaged,
    };
  }

  async end(): Promise<void> {
    this.#sender.end();
    this.#receiver.end();
    await this.#life.abandon();
  }

  /** Spillway, an account, apps, receivers, drains. */
  async #prepare(): Promise<void> {
    const { apps, sources, seed, linesPerSecond, tickMs } = this.#scenario;
    const authority = new CertificateAuthority();
    await writeFile(join(this.#parts.directory, 'ca.pem'), authority.pem);
    const credentials = authority.issue({ hosts: ['localhost', '127.0.0.1'] });
    await this.#life.start();
    const client = await PlatformClient.signUp(this.#life.process.publicUrl, this.#dataDir);
    const ports = await this.#receiver.ask.listen({
      run: this.#id,
      apps,
      sources,
      credentials,
      startNs: this.#startNs,
      tickMs,
    });
    const tokens: string[] = [];
    for (let app = 0; app < apps; app++) {
      tokens.push(await client.createApp(appName(app)));
      for (const [k, kind] of drainKinds.entries()) {
        const port = ports[app * drainKinds.length + k] ?? 0;
        const url =
          kind === 'syslog' ? `syslog+tls://localhost:${port}` : `https://localhost:${port}/`;
        await client.addDrain(appName(app), url);
      }
      const drains = await client.drains(appName(app));
      this.#drainIds.push(...drains.map(({ id }) => id).sort((a, b) => a - b));
    }
    const port = Number(new URL(this.#life.process.publicUrl).port);
    await this.#sender.ask.start({ run: this.#id, seed, port, tokens, sources, linesPerSecond });
  }

  async #underLoad(): Promise<void> {
    const scenario = this.#scenario;
    this.#say('calm');
    await sleep(scenario.calmMs);
    await this.#life.watch();
    this.#say('faults');
    const overrun = scenario.isOverrun ? await this.#firstDrainsDown() : undefined;
    const receivers = this.#harmReceivers();
    const watching = this.#watchAll();
    await sleep(scenario.receiverFaultsOnlyMs);
    const planned = [...processFaults(scenario)];
    const last = planned.pop();
    for (const fault of planned) await this.#harmProcess(fault);
    while ((await this.#sender.ask.progress()).produced < scenario.lines) await sleep(500);
    const untilMs = performance.now() + meetMsMax;
    while (performance.now() < untilMs && !(await this.#haveMetReceivers())) await sleep(500);
    this.#isLoadOver = true;
    await receivers;
    await watching;
    await overrun?.();
    // Everything is well but for a last crash, after which all drains try at once.
    if (last) await this.#harmProcess(last);
    await this.#sender.ask.stop();
  }

  async #watchAll(): Promise<void> {
    for (; !this.#isLoadOver; await sleep(watchEveryMs)) await this.#life.watch();
  }

  async #haveMetReceivers(): Promise<boolean> {
    const hits = await this.#receiver.ask.hits();
    return this.#scenario.receiverVictims === 0 || faultModes.every((mode) => hits[mode] > 0);
  }

  async #harmProcess(fault: PlannedProcessFault): Promise<void> {
    const before = (await this.#sender.ask.progress()).acked;
    await sleep(fault.afterMs);
    const isUnderLoad = (await this.#sender.ask.progress()).acked > before;
    const beganTick = this.#tick();
    this.#say(fault.kind);
    const { isOver, killedTick } = await this.#inflict(fault);
    // What died has its effects from then on.
    const startTick = isOver ? this.#tick() : beganTick;
    if (isOver && fault.againAfterMs !== undefined) this.#say('killed again while starting');
    if (isOver) {
      await this.#life.start(fault.againAfterMs);
      await this.#life.watch();
    }
    const { kind } = fault;
    const endTick = this.#tick();
    this.#faults.push({ kind, startTick, endTick, killedTick, drain: undefined });
    if (fault.againAfterMs !== undefined && isOver) this.#hit.again++;
    if (!isUnderLoad) return;
    if (kind === 'kill') this.#hit.kill++;
    else this.#hit.others++;
  }

  /** Whether the process is gone, and when it was sent SIGKILL. */
  async #inflict({
    kind,
    forMs,
  }: PlannedProcessFault): Promise<{ isOver: boolean; killedTick?: number }> {
    const life = this.#life;
    switch (kind) {
      case 'kill':
        return { isOver: true, killedTick: this.#exactTick(await life.kill()) };
      case 'stop':
        await life.stop();
        return { isOver: true };
      case 'power cut':
        await life.cutPower(this.#random);
        return { isOver: true };
      case 'disk error':
        await life.breakDisk(this.#random);
        return { isOver: true };
      case 'pause':
        await life.pause(forMs);
        return { isOver: false };
      case 'disk full':
        await life.fillDisk(forMs);
        return { isOver: false };
    }
  }

  /** Until the load is over: some receivers misbehave, are well again, others follow. */
  async #harmReceivers(): Promise<void> {
    const { ask } = this.#receiver;
    for (const { mode, drains, afterMs, forMs } of receiverFaults(this.#scenario)) {
      await sleep(afterMs);
      if (this.#isLoadOver) return;
      const startTick = this.#tick();
      for (const drain of drains) await ask.setMode(drain, mode);
      // A drain in a long back-off meets nothing: the first time of a mode goes on until somebody does.
      const untilMs = performance.now() + forMs;
      const met = async (): Promise<boolean> => (await ask.hits())[mode] > 0;
      while (!this.#isLoadOver && (performance.now() < untilMs || !(await met()))) {
        if (performance.now() > untilMs + meetMsMax) break;
        await sleep(100);
      }
      for (const drain of drains) await ask.setMode(drain, 'up');
      const endTick = this.#tick();
      for (const drain of drains)
        this.#faults.push({ kind: 'receiver', startTick, endTick, drain });
    }
  }

  /** The first drain of each app takes nothing until the returned function is called. */
  async #firstDrainsDown(): Promise<() => Promise<void>> {
    const startTick = this.#tick();
    const first = Array.from({ length: this.#scenario.apps }, (_, app) => app * drainKinds.length);
    for (const drain of first) await this.#receiver.ask.setMode(drain, 'down');
    return async () => {
      for (const drain of first) {
        await this.#receiver.ask.setMode(drain, 'up');
        this.#faults.push({ kind: 'receiver', startTick, endTick: this.#tick(), drain });
      }
    };
  }

  /**
   * Waits until everything acknowledged has arrived, or nothing moves any more; then sends one line more from
   * every source. Resolves with the time these took.
   */
  async #quiet(): Promise<number | undefined> {
    this.#say('quiet');
    const untilMs = performance.now() + this.#scenario.quietMsMax;
    let last = '';
    let flat = 0;
    while (performance.now() < untilMs) {
      await sleep(500);
      const sent = await this.#sender.ask.progress();
      const unique = await this.#receiver.ask.unique();
      await this.#life.watch();
      const backlog = (await this.#life.metrics())?.get('spillway_drain_backlog_messages');
      const isThere = unique.every(
        (lines, drain) => lines >= (sent.ackedByApp[Math.floor(drain / drainKinds.length)] ?? 0),
      );
      if (sent.isIdle && isThere && backlog === 0) break;
      const now = JSON.stringify([sent.acked, unique, backlog]);
      flat = now === last ? flat + 1 : 0;
      last = now;
      if (flat >= (backlog === 0 ? flatPolls : stuckPolls)) break;
    }
    const startedMs = performance.now();
    const sequences = await this.#sender.ask.probe();
    while (performance.now() - startedMs < 4 * livenessMsMax) {
      if ((await this.#receiver.ask.lacking(sequences)).length === 0) {
        return performance.now() - startedMs;
      }
      await sleep(50);
    }
    return undefined;
  }

  async #evidence(livenessMs: number | undefined): Promise<Evidence> {
    const { apps, tickMs } = this.#scenario;
    const { counts } = this.#life;
    await this.#life.sumUp();
    const sent = await this.#sender.ask.progress();
    const drains: DrainSnapshot[] = [];
    for (let drain = 0; drain < apps * drainKinds.length; drain++) {
      drains.push(await this.#receiver.ask.snapshot(drain));
    }
    return {
      tickMs,
      sent: await this.#sender.ask.ledgers(),
      drains,
      faults: this.#faults,
      rejected: sent.counts.rejected,
      surprises: Object.values(sent.counts.surprises).reduce((sum, times) => sum + times, 0),
      imbalanceMax: counts.imbalanceMax,
      lostSaid: counts.starts === 1 ? (counts.outcomes.get('lost') ?? 0) : undefined,
      complaints: counts.complaints.length,
      livenessMs,
      coverage: await this.#coverage(sent.acked),
    };
  }

  async #coverage(acked: number): Promise<Evidence['coverage']> {
    const { kills, otherFaults, receiverVictims, reasonsNeeded, isOverrun, lines } = this.#scenario;
    const { counts } = this.#life;
    const hits = await this.#receiver.ask.hits();
    const at = (name: string, found: number, wanted: number) => ({ name, found, wanted });
    return [
      at('lines acknowledged', acked, Math.floor(lines * 0.9)),
      at('kill -9 that hit a Spillway under load', this.#hit.kill, kills),
      ...(kills > 0 && otherFaults.length > 0
        ? [at(`of ${otherFaults.join(', ')}`, this.#hit.others, otherFaults.length)]
        : []),
      ...(receiverVictims > 0
        ? faultModes.map((mode) => at(`receivers ${mode}, met`, hits[mode], 1))
        : []),
      ...reasonsNeeded.map((reason) =>
        at(`attempts that failed with ${reason}`, counts.failures.get(reason) ?? 0, 1),
      ),
      at('drains seen lagging or catching up', counts.laggardsSeen, 1),
      ...(isOverrun ? [at('lines that retention took', counts.outcomes.get('lost') ?? 0, 1)] : []),
    ];
  }

  async #triage(verdict: Verdict, drains: readonly DrainSnapshot[]): Promise<Triaged[]> {
    return triage(verdict.missing.slice(0, triagedMax), {
      id: this.#id,
      dataDir: this.#dataDir,
      drains,
      drainIds: this.#drainIds,
    });
  }

  async #facts(): Promise<readonly (readonly [string, string])[]> {
    const { counts } = this.#life;
    const { produced, acked, counts: sent } = await this.#sender.ask.progress();
    const unique = (await this.#receiver.ask.unique()).reduce((sum, lines) => sum + lines, 0);
    const starts = [...counts.startMs].sort((a, b) => a - b);
    const p95 = starts[Math.floor(starts.length * 0.95)] ?? 0;
    const { apps, sources } = this.#scenario;
    const list = (of: ReadonlyMap<string, number>): string =>
      [...of].map(([name, times]) => `${name} ${times}`).join(', ') || 'none';
    const faults = new Map<string, number>();
    for (const { kind } of this.#faults) faults.set(kind, (faults.get(kind) ?? 0) + 1);
    const lostPart = produced === 0 ? 0 : sent.shuttleLost / produced;
    return [
      ['apps × sources × drains', `${apps} × ${sources} × ${drainKinds.length}`],
      ['lines produced, acknowledged', `${format(produced)}, ${format(acked)}`],
      ['lines delivered, all drains', format(unique)],
      ['requests, failed attempts', `${format(sent.requests)}, ${format(sent.failed)}`],
      ['lines that log-shuttle gave up', `${sent.shuttleLost} (${(lostPart * 100).toFixed(4)} %)`],
      ['faults', list(faults)],
      ['killed again while starting', String(this.#hit.again)],
      ['bytes that power cuts took', format(counts.powerCutBytes)],
      ['start, 95 % within', `${(p95 / 1000).toFixed(1)} s`],
      ['failed attempts of drains', list(counts.failures)],
      ['errors it logged', list(counts.errors)],
      ...counts.complaints.slice(0, 10).map((text) => ['complaint', text] as const),
    ];
  }

  #tick(): number {
    return Math.floor(this.#exactTick(process.hrtime.bigint()));
  }

  #exactTick(atNs: bigint): number {
    return Number(atNs - this.#startNs) / 1e6 / this.#scenario.tickMs;
  }

  #say(what: string): void {
    const seconds = Number(process.hrtime.bigint() - this.#startNs) / 1e9;
    this.#parts.progress(`${seconds.toFixed(1).padStart(8)} s  ${what}`);
  }
}

/** Of half a second each: nothing is owed and nothing comes; something is owed and nothing comes. */
const flatPolls = 6;
const stuckPolls = 40;

function commit(): string {
  try {
    const text = (...args: string[]): string =>
      execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim();
    const dirty =
      text('status', '--porcelain', '--untracked-files=no') === '' ? '' : ' with changes';
    return text('rev-parse', '--short=12', 'HEAD') + dirty;
  } catch {
    return 'unknown';
  }
}

function format(value: number): string {
  return value.toLocaleString('en');
}
