import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AppId } from '../core/ids.ts';
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

/** Where the app's log ends now: where a drain that is added now starts. */
export interface AppHead {
  headOf(app: AppId): Promise<DrainStart>;
}
