import { drainKinds } from './receiver-process.ts';
import { Random } from './random.ts';
import { faultModes, type FaultMode } from './receiver-mode.ts';
import { otherChance, type ProcessFault, type Scenario } from './scenario.ts';

/** One fault of the process under test, some time after it was last ready. */
export interface PlannedProcessFault {
  readonly kind: ProcessFault;
  readonly afterMs: number;
  /** For those that last. */
  readonly forMs: number;
  /** Killed once more so long after the next start began, in the middle of its recovery. */
  readonly againAfterMs: number | undefined;
}

/** Some receivers misbehave for a while, some time after the last ones had stopped to. */
export interface PlannedReceiverFault {
  readonly mode: FaultMode;
  readonly drains: readonly number[];
  readonly afterMs: number;
  readonly forMs: number;
}

/** The process faults of a run, in order; the last one is a kill, after which everything is well. */
export function* processFaults(scenario: Scenario): Iterable<PlannedProcessFault> {
  const random = new Random(scenario.seed, 'process faults');
  const [min, max] = scenario.killEveryMs;
  const fault = (kind: ProcessFault): PlannedProcessFault => ({
    kind,
    afterMs: random.between(min, max),
    forMs: random.between(1_000, 6_000),
    againAfterMs: random.fraction() < doubleChance ? random.between(50, 900) : undefined,
  });
  const others = scenario.otherFaults;
  for (let kill = 0; kill < scenario.kills; kill++) {
    yield fault('kill');
    // Each of the others after the first kill, so that short runs have them too, and then at times.
    for (const kind of others) {
      if (kill === 0 || random.fraction() < otherChance) yield fault(kind);
    }
  }
}

const doubleChance = 0.1;

/** Without end. Every mode comes first once, in order. */
export function* receiverFaults(scenario: Scenario): Iterable<PlannedReceiverFault> {
  if (scenario.receiverVictims === 0) return;
  const random = new Random(scenario.seed, 'receiver faults');
  const drains = scenario.apps * drainKinds.length;
  for (let n = 0; ; n++) {
    const mode = faultModes[n] ?? random.pick(faultModes);
    const first = random.below(drains);
    // One of each kind at least: neighbours are of different kinds.
    const victims = Math.min(drains, Math.max(scenario.receiverVictims, drainKinds.length));
    const short = scenario.killEveryMs[0] < 5_000;
    yield {
      mode,
      drains: Array.from(
        { length: victims },
        (_, i) => (first + i * (drains > 9 ? 7 : 1)) % drains,
      ),
      afterMs: short ? random.between(100, 400) : random.between(500, 3_000),
      forMs: short ? random.between(800, 1_500) : random.between(3_000, 20_000),
    };
  }
}
