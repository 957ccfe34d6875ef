import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** A full collection, after which a `WeakRef` has nothing that is not held elsewhere. */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // What a WeakRef was asked for stays to the end of the turn.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
}
