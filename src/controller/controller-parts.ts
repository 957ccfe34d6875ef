import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AppId, DrainId } from '../core/ids.ts';
import type { DrainRow, DrainSpec, DrainStart } from '../registry/registry.ts';

/** Shows people an app's lines; the controller only lets them in. */
export interface LogStreams {
  /**
   * Answers with 200 and the lines, and resolves when the response has ended. Where the log cannot be read,
   * rejects before anything was sent. `authorised` never rejects; false means that the stream has to end.
   */
  stream(
    request: LogRequest,
    res: ServerResponse,
    authorised: () => Promise<boolean>,
  ): Promise<void>;
  /** Takes over a websocket handshake; `query` is the request's, form-decoded. */
  upgrade(
    request: { readonly app: AppId; readonly query: URLSearchParams },
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    authorised: () => Promise<boolean>,
  ): void;
}

export interface LogRequest {
  readonly app: AppId;
  /** Lines of history; more than kept means all that is kept. */
  readonly numLines: number | 'default';
  readonly follow: boolean;
}

/** Judges the URL and the options of a drain without connecting to it. */
export interface DrainGate {
  check(
    url: string,
    options?: Readonly<Record<string, unknown>>,
  ):
    | { readonly ok: true; readonly spec: DrainSpec }
    | { readonly ok: false; readonly problems: readonly string[] };
  /** The options of a drain with `changes` in them, of which null takes one away. Nothing else of it changes. */
  changed(
    drain: Pick<DrainRow, 'url' | 'options'>,
    changes: Readonly<Record<string, unknown>>,
  ):
    | { readonly ok: true; readonly options: DrainRow['options'] }
    | { readonly ok: false; readonly problems: readonly string[] };
  /** A drain's options as people may see them. */
  shown(options: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
}

/** How drains do. Times are ms since 1970. */
export interface DrainWatch {
  /** Undefined while the drain is being started or stopped. */
  healthOf(drain: DrainId): Promise<DrainHealth | undefined>;
}

export interface DrainHealth {
  readonly state: string;
  /** Lines by the end that they came to, since the drain was added. */
  readonly messages: LinesByEnd;
  /** By how many lines the books are off; 0 unless there is a bug. */
  readonly imbalanceMessages: number;
  readonly backlog: {
    readonly messages: number;
    /** An estimate. */
    readonly bytes: number;
    /** Since the first of them was received. */
    readonly ageMs: number;
  };
  readonly lastSuccessMs: number | undefined;
  readonly lastError: DrainError | undefined;
  readonly nextAttemptMs: number | undefined;
  /** Of the last TLS connection. */
  readonly certificate: ShownCertificate | undefined;
  /** The one that is running, or the last one of this process. */
  readonly replay: DrainReplayStatus | undefined;
}

export type LinesByEnd = Readonly<
  Record<'delivered' | 'filtered' | 'dropped' | 'lost' | 'refused', number>
>;

interface DrainError {
  readonly reason: string;
  readonly status: number | undefined;
  readonly atMs: number;
}

export interface ShownCertificate {
  readonly issuer: string;
  readonly expiresAtMs: number | undefined;
  readonly problem: string | undefined;
}

export interface DrainReplayStatus {
  readonly state: string;
  readonly startedAtMs: number;
  /** Its own lines, in no book of the drain's. */
  readonly messages: LinesByEnd;
  readonly remainingMessages: number;
  readonly lastError: DrainError | undefined;
  readonly nextAttemptMs: number | undefined;
}

/** What owners do to drains, beside changing them in the registry. Undefined: nothing runs for the drain yet. */
export interface DrainCommands {
  /** Resolves when what the registry has of the drain has taken effect, or it takes too long to wait for. */
  settled(drain: DrainId): Promise<void>;
  /** Tries it out; `busy` while that is under way already. */
  test(drain: DrainId): Promise<DrainVerdict | 'busy' | undefined>;
  startReplay(drain: DrainId, from: ReplayFrom): Promise<ReplayAnswer | 'busy' | undefined>;
  /** False when none is running. */
  stopReplay(drain: DrainId): Promise<boolean>;
}

export interface DrainVerdict {
  readonly verdict: 'delivered' | 'written' | 'failed';
  /** In the text of the line that was sent. */
  readonly mark: string;
  readonly steps: readonly (
    | { readonly step: string; readonly ok: true; readonly ms: number }
    | { readonly step: string; readonly ok: false; readonly reason: string }
  )[];
  readonly certificate: ShownCertificate | undefined;
}

/** Lines received since then (ms since 1970), or from a printed position on. */
export type ReplayFrom = { readonly sinceMs: number } | { readonly position: string };

/** `resting`: the drain is paused or disabled; `no position`: not one of the log, or not behind the drain. */
export type ReplayAnswer = 'started' | 'running' | 'resting' | 'no position';

/** Where the app's log ends now: where a drain that is added now starts. */
export interface AppHead {
  headOf(app: AppId): Promise<DrainStart>;
}
