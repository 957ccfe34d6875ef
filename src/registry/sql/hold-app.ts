import type { Transaction } from 'kysely';
import type { AppId } from '../../core/ids.ts';
import type { Schema } from './schema.ts';

/**
 * Locks the app's row for the rest of the transaction, on engines with many writers too, so that counting
 * and adding are one step. False when the app is gone.
 */
export async function holdApp(db: Transaction<Schema>, app: AppId): Promise<boolean> {
  const row = await db
    .updateTable('apps')
    .set((known) => ({ name: known.ref('name') }))
    .where('id', '=', app)
    .where('destroyed_at_ms', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}
