import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AppId, DrainId } from '../core/ids.ts';
import type { DrainSpec, DrainStart } from '../registry/registry.ts';

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
  readonly messages: Readonly<
    Record<'delivered' | 'filtered' | 'dropped' | 'lost' | 'refused', number>
  >;
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
  readonly lastError: { readonly reason: string; readonly atMs: number } | undefined;
  readonly nextAttemptMs: number | undefined;
}

/** Where the app's log ends now: where a drain that is added now starts. */
export interface AppHead {
  headOf(app: AppId): Promise<DrainStart>;
}
