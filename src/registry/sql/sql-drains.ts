import type { Insertable, Selectable, Updateable } from 'kysely';
import { appId, drainId, type AppId, type DrainId } from '../../core/ids.ts';
import { Secret } from '../../core/secret.ts';
import type { Place } from '../key-ring.ts';
import type { DrainRow, Drains, DrainSpec, DrainStart, StoredDrainOptions } from '../registry.ts';
import { holdApp } from './hold-app.ts';
import type { Schema } from './schema.ts';
import type { SqlParts } from './sql-parts.ts';

export interface SqlDrainsOptions {
  readonly drainsPerAppMax: number;
}

export class SqlDrains implements Drains {
  readonly #options: SqlDrainsOptions;
  readonly #parts: SqlParts;
  /**
   * What the last list of all drains had. It is asked for at every change of one of them, and to open a thousand rows
   * takes long enough for lines to wait.
   */
  #listed: ReadonlyMap<number, { stored: StoredDrain; row: DrainRow }> = new Map();

  constructor(options: SqlDrainsOptions, parts: SqlParts) {
    this.#options = options;
    this.#parts = parts;
  }

  async list(): Promise<readonly DrainRow[]> {
    const rows = await this.#parts.store.run((db) =>
      db.selectFrom('drains').selectAll().orderBy('id').execute(),
    );
    const listed = this.#readable(rows);
    const opened = new Map(listed.map((row) => [row.id as number, row]));
    this.#listed = new Map(
      rows.flatMap((stored) => {
        const row = opened.get(stored.id);
        return row ? [[stored.id, { stored, row }]] : [];
      }),
    );
    return listed;
  }

  async listOf(app: AppId): Promise<readonly DrainRow[]> {
    const rows = await this.#parts.store.run((db) =>
      db.selectFrom('drains').selectAll().where('app_id', '=', app).orderBy('id').execute(),
    );
    return this.#readable(rows);
  }

  async add(
    app: AppId,
    spec: DrainSpec,
    start: DrainStart,
  ): Promise<DrainRow | 'duplicate' | 'full' | 'gone'> {
    const added = await this.#parts.store.transaction(async (db) => {
      if (!(await holdApp(db, app))) return 'gone';
      const known = await db.selectFrom('drains').selectAll().where('app_id', '=', app).execute();
      // Compared in clear, as there are few: a hash of a URL beside it would let its password be guessed.
      if (this.#readable(known).some(({ url }) => url.reveal() === spec.url)) return 'duplicate';
      if (known.length >= this.#options.drainsPerAppMax) return 'full';
      const row = await db
        .insertInto('drains')
        .values(this.#values(app, spec, start))
        .returningAll()
        .executeTakeFirstOrThrow();
      return this.#drainRow(row);
    });
    if (typeof added !== 'string') this.#parts.changes.tell({ kind: 'drain', drain: added.id });
    return added;
  }

  async remove(app: AppId, drain: DrainId): Promise<boolean> {
    const row = await this.#parts.store.run((db) =>
      db
        .deleteFrom('drains')
        .where('app_id', '=', app)
        .where('id', '=', drain)
        .returning('id')
        .executeTakeFirst(),
    );
    if (row) this.#parts.changes.tell({ kind: 'drain', drain });
    return row !== undefined;
  }

  async pause(app: AppId, drain: DrainId): Promise<DrainRow | undefined> {
    const pausedAtMs = this.#parts.clock.nowMs();
    return this.#update(app, drain, ({ paused_at_ms }) => ({
      paused_at_ms: paused_at_ms ?? pausedAtMs,
    }));
  }

  async resume(app: AppId, drain: DrainId): Promise<DrainRow | undefined> {
    return this.#update(app, drain, ({ resumes }) => ({
      paused_at_ms: null,
      resumes: resumes + 1,
    }));
  }

  async setOptions(
    app: AppId,
    drain: DrainId,
    options: (row: DrainRow) => StoredDrainOptions | undefined,
  ): Promise<DrainRow | 'kept' | undefined> {
    let isKept = false;
    const changed = await this.#update(app, drain, (row) => {
      const wanted = options(this.#drainRow(row));
      isKept = wanted === undefined;
      return wanted && { options_sealed: this.#sealed(wanted, app, row.token) };
    });
    return isKept ? 'kept' : changed;
  }

  async #update(
    app: AppId,
    drain: DrainId,
    step: (row: Selectable<Schema['drains']>) => Updateable<Schema['drains']> | undefined,
  ): Promise<DrainRow | undefined> {
    const changed = await this.#parts.store.transaction(async (db) => {
      const row = await db
        .selectFrom('drains')
        .selectAll()
        .where('app_id', '=', app)
        .where('id', '=', drain)
        .executeTakeFirst();
      const values = row && step(row);
      if (!values) return undefined;
      return db
        .updateTable('drains')
        .set(values)
        .where('id', '=', drain)
        .returningAll()
        .executeTakeFirstOrThrow();
    });
    if (!changed) return undefined;
    this.#parts.changes.tell({ kind: 'drain', drain });
    return this.#drainRow(changed);
  }

  /**
   * One row that cannot be opened, damaged on disk perhaps, must not stop the drains of everybody else; nor its own,
   * as long as it is known from before: a drain that is not listed is removed, and its books with it.
   */
  #readable(rows: readonly StoredDrain[]): readonly DrainRow[] {
    return rows.flatMap((row) => {
      try {
        return [this.#drainRow(row)];
      } catch (error) {
        this.#parts.logger.error({ drainId: row.id, err: error }, 'registry.drain_unreadable');
        return this.#listed.get(row.id)?.row ?? [];
      }
    });
  }

  #values(app: AppId, spec: DrainSpec, start: DrainStart): Insertable<Schema['drains']> {
    const token = `d.${this.#parts.chance.uuid()}`;
    return {
      app_id: app,
      token,
      url_sealed: this.#parts.keyRing.seal(spec.url, drainPlace(app, token, 'url')),
      masked: spec.masked,
      options_sealed: this.#sealed(spec.options, app, token),
      start_position: start.position,
      start_app_seq: start.appSeq,
      created_at_ms: this.#parts.clock.nowMs(),
    };
  }

  #sealed(options: StoredDrainOptions, app: AppId, token: string): string {
    return this.#parts.keyRing.seal(JSON.stringify(options), drainPlace(app, token, 'options'));
  }

  #drainRow(row: StoredDrain): DrainRow {
    const listed = this.#listed.get(row.id);
    return listed && isSame(listed.stored, row) ? listed.row : this.#opened(row);
  }

  #opened(row: StoredDrain): DrainRow {
    const { keyRing } = this.#parts;
    const app = appId(row.app_id);
    const options = keyRing.open(row.options_sealed, drainPlace(app, row.token, 'options'));
    return {
      id: drainId(row.id),
      app,
      token: row.token,
      url: new Secret(keyRing.open(row.url_sealed, drainPlace(app, row.token, 'url'))),
      masked: row.masked,
      options: JSON.parse(options) as DrainRow['options'],
      start: { position: row.start_position, appSeq: row.start_app_seq },
      createdAtMs: row.created_at_ms,
      isPaused: row.paused_at_ms !== null,
      resumes: row.resumes,
    };
  }
}

type StoredDrain = Selectable<Schema['drains']>;

function isSame(a: StoredDrain, b: StoredDrain): boolean {
  return (Object.keys(a) as (keyof StoredDrain)[]).every((field) => a[field] === b[field]);
}

/** The drain's token stands for the row: it is as unique as the id, and known before the row is stored. */
export function drainPlace(app: AppId, token: string, field: string): Place {
  return { table: 'drains', row: `${app} ${token}`, field };
}
