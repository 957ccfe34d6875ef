import type { Chance } from '../../core/chance.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { Changes } from '../changes.ts';
import type { KeyRing } from '../key-ring.ts';
import type { SqlStore } from './sql-store.ts';

/** What all parts of one registry share. */
export interface SqlParts {
  readonly store: SqlStore;
  readonly changes: Changes;
  readonly keyRing: KeyRing;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
}
