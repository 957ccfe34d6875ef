import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { LogBus } from '../bus/bus.ts';
import type { Sink } from '../bus/sink.ts';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { AppId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { Service } from '../core/service.ts';
import { Admission } from './admission.ts';
import { AppTails } from './app-tails.ts';
import { FlushTick } from './flush-tick.ts';
import { type HistoryOptions, historyStart, resumeStart, type Start } from './history.ts';
import { HttpOutlet } from './http-outlet.ts';
import { type Authorised, OpenSessions } from './open-sessions.ts';
import type { Outlet, OutletListener } from './outlet.ts';
import { answerRefusal, answerRefusedUpgrade, type Refusal, refusal } from './refusal.ts';
import type { TailMetrics } from './tail-metrics.ts';
import { TailSession } from './tail-session.ts';
import { WebsocketOutlet } from './websocket-outlet.ts';
import { isOriginAllowed, parseWebsocketQuery, type WebsocketQuery } from './websocket-request.ts';

export interface TailOptions extends HistoryOptions {
  /** Lines for a client are collected for so long before they are written. */
  readonly coalesceMs: number;
  /** What may wait for one client, what its socket holds included. */
  readonly clientQueueBytesMax: number;
  /** Live records of one app that wait to be handed on; beyond it they are read from the log instead. */
  readonly appQueueBytesMax: number;
  /** A client that takes nothing for so long while lines wait for it is cut. */
  readonly stallMsMax: number;
  /** Whether a session may still see its app is asked this often. */
  readonly authoriseEveryMs: number;
  readonly pingEveryMs: number;
  /** Whether an app has lines that the router never handed out is looked up this often. */
  readonly checkEveryMs: number;
  /** On this process, and for one app. */
  readonly sessionsMax: number;
  readonly appSessionsMax: number;
  /** Origins that may open websockets beside the one that the request was sent to. */
  readonly originsAllowed: readonly string[];
}

interface TailParts {
  readonly bus: LogBus;
  readonly attach: (app: AppId, sink: Sink) => () => void;
  readonly clock: Clock;
  readonly metrics: TailMetrics;
  readonly logger: Logger;
}

/** A client that has been let in. */
interface Admitted {
  readonly app: AppId;
  readonly follow: boolean;
  readonly start: Start;
  readonly authorised: Authorised;
  isGone(): boolean;
  openOutlet(listener: OutletListener): Outlet;
}

interface WebsocketClient {
  readonly app: AppId;
  readonly query: WebsocketQuery;
  readonly ws: WebSocket;
  readonly socket: Socket;
  readonly authorised: Authorised;
}

/** All tail sessions of this process. */
export class TailHub implements Service {
  readonly #options: TailOptions;
  readonly #parts: TailParts;
  readonly #tails: AppTails;
  readonly #admission: Admission;
  readonly #websockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: websocketPayloadBytesMax,
    autoPong: false,
  });
  readonly #sessions: OpenSessions;

  constructor(options: TailOptions, parts: TailParts) {
    this.#options = options;
    this.#parts = parts;
    this.#admission = new Admission(options);
    this.#sessions = new OpenSessions(options, parts);
    this.#tails = new AppTails(options, { ...parts, tick: new FlushTick(options, parts) });
  }

  problem(): undefined {
    return undefined;
  }

  /**
   * Streams the app's lines as one response; resolves when the connection is closed. Before any 200 it may answer
   * 429 or 503 with the API's errors.
   */
  async stream(
    request: { app: AppId; numLines: number | 'default'; follow: boolean },
    res: ServerResponse,
    authorised: Authorised,
  ): Promise<void> {
    const { app, numLines } = request;
    const { bus, clock } = this.#parts;
    const refused = this.#admission.enter(app);
    if (refused) return answerRefusal(res, refused);
    try {
      await this.#serve({
        app,
        // HEAD has nothing to stay for.
        follow: request.follow && res.req.method !== 'HEAD',
        start: await historyStart(this.#options, bus, { app, numLines, nowMs: clock.nowMs() }),
        authorised,
        isGone: () => res.destroyed,
        openOutlet: (listener) => new HttpOutlet(res, { clock, listener }),
      });
    } catch (error) {
      if (!res.headersSent) answerRefusal(res, this.#unable(app, error));
    } finally {
      this.#admission.leave(app);
    }
  }

  /**
   * Answers an upgrade with a websocket of the same lines. Query: `num_lines`, `follow` (default true), and
   * `position`, the last line that the client has. Refusals, before the 101: 403 (Origin), 422, 429, 503.
   */
  upgrade(
    request: { app: AppId; query: URLSearchParams },
    req: IncomingMessage,
    socket: Socket,
    head: Buffer,
    authorised: Authorised,
  ): void {
    const { app } = request;
    socket.on('error', () => socket.destroy());
    const query = parseWebsocketQuery(request.query);
    if (!isOriginAllowed(req, this.#options.originsAllowed)) {
      return answerRefusedUpgrade(socket, refusal(403, 'this origin may not open a websocket'));
    }
    if (!query.ok) return answerRefusedUpgrade(socket, { status: 422, errors: query.problems });
    const refused = this.#admission.refusal(app);
    if (refused) return answerRefusedUpgrade(socket, refused);
    this.#websockets.handleUpgrade(req, socket, head, (ws) => {
      void this.#serveWebsocket({ app, query: query.value, ws, socket, authorised });
    });
  }

  /**
   * Ends every stream properly once it has every line that is durable now, and refuses new ones. What has not ended
   * when `signal` aborts is cut, so that its client can see that something is missing.
   */
  async close(signal: AbortSignal): Promise<void> {
    this.#admission.close();
    const expired = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([this.#sessions.finish(), expired]);
    await this.#sessions.destroy();
    this.#websockets.close();
  }

  async #serveWebsocket(client: WebsocketClient): Promise<void> {
    const { app, query, ws, socket, authorised } = client;
    // Until there is an outlet; a close that comes before it is seen by `isGone`.
    ws.on('error', () => undefined);
    if (this.#admission.enter(app)) return ws.close(tryAgainLater);
    try {
      const start = await this.#websocketStart(app, query);
      await this.#serve({
        app,
        follow: query.follow,
        start,
        authorised,
        isGone: () => ws.readyState === ws.CLOSED,
        openOutlet: (listener) => {
          const outlet = new WebsocketOutlet(this.#options, { ws, socket, listener });
          if (start.gap) outlet.writeGap(start.gap);
          return outlet;
        },
      });
    } catch (error) {
      const { status, errors } = this.#unable(app, error);
      ws.close(status === 503 ? tryAgainLater : internalError, errors['']?.[0]);
    } finally {
      this.#admission.leave(app);
    }
  }

  #websocketStart(app: AppId, query: WebsocketQuery): Promise<Start> {
    const { bus, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const { numLines, position: after } = query;
    return after
      ? resumeStart(this.#options, bus, { app, after, nowMs })
      : historyStart(this.#options, bus, { app, numLines, nowMs });
  }

  /** @throws AppError when the log cannot be read now, or the hub has closed; nothing has been written then. */
  async #serve(client: Admitted): Promise<void> {
    const { app, follow, start } = client;
    try {
      const live = follow ? await this.#tails.acquire(app) : undefined;
      const end = follow
        ? undefined
        : { headSeq: await this.#headSeq(app), linesMax: start.linesMax };
      if (client.isGone()) return;
      this.#admission.assertOpen();
      const { clientQueueBytesMax, stallMsMax } = this.#options;
      const session = new TailSession(
        { app, start: start.position, end, clientQueueBytesMax, stallMsMax },
        { ...this.#parts, live, openOutlet: (listener) => client.openOutlet(listener) },
      );
      await this.#sessions.run(session, { live, authorised: client.authorised });
    } finally {
      if (follow) this.#tails.release(app);
    }
  }

  async #headSeq(app: AppId): Promise<number> {
    const { bus } = this.#parts;
    return (await bus.bounds(bus.partitionOf(app), app)).head.appSeq;
  }

  #unable(app: AppId, error: unknown): Refusal {
    if (error instanceof AppError && error.retryable) {
      return refusal(503, 'the logs cannot be read now, try again later');
    }
    this.#parts.logger.error({ app, err: error }, 'tail.failed');
    return refusal(500, 'internal error');
  }
}

/** Clients have nothing to say but pongs and a close. */
const websocketPayloadBytesMax = 4096;
/** RFC 6455 §7.4.1 and the registry of close codes. */
const internalError = 1011;
const tryAgainLater = 1013;
