import { readdirSync, readFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/**
 * How V8 collects garbage here. What a line leaves behind is short-lived, and little of the heap is not; what counts is
 * for how long, and how often, a live line has to wait for a collection. Measured by `npm run bench:laggards`.
 */
export function setV8Flags(): void {
  // Pages of the log live for milliseconds, but for a second or more when many drains begin to catch up. V8 learns
  // from that to make the arrays of pages where only full collections look, and each keeps all of its page until then.
  setFlagsFromString('--no-allocation-site-pretenuring');
  // The event loop waits for the helpers of a young collection, which wait for a core: alone it is done sooner.
  setFlagsFromString('--no-parallel-scavenge');
  // A full one comes when there is three times as much as the last one left, whatever V8 thinks of our haste.
  setFlagsFromString('--heap-growing-percent=200');
}

/**
 * V8's helper threads (they mark, sweep and compile) give way to the event loop and to the disk's threads where cores
 * are few: all alike, they leave the loop hardly anything of a single core while they mark. On Linux, where each thread
 * has a niceness of its own; elsewhere nothing happens.
 */
export function makeHelpersGiveWay(): void {
  for (const thread of threads()) {
    try {
      const name = readFileSync(`/proc/self/task/${thread}/comm`, 'latin1').trim();
      if (name === 'V8Worker')
        setPriority(Number(thread), constants.priority.PRIORITY_BELOW_NORMAL);
    } catch {
      // It has ended, or this is not allowed here: nothing is lost but milliseconds.
    }
  }
}

function threads(): readonly string[] {
  try {
    return readdirSync('/proc/self/task');
  } catch {
    return [];
  }
}
