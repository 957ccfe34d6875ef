import type { ServerResponse } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { ApiError, errorBody } from './api-error.ts';
import type { ControllerMetrics } from './controller-metrics.ts';
import { KnownPaths, unavailable } from './known-paths.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The answer may take hours, and says nothing about how fast we are. */
    isStream?: boolean;
  }
}

/** What holds for every request: headers that must not come twice, safe defaults, one shape of errors. */
export function requestRules(
  api: FastifyInstance,
  parts: {
    readonly logger: Logger;
    readonly clock: Clock;
    readonly metrics: ControllerMetrics;
  },
): void {
  const paths = new KnownPaths();
  const startedMs = new WeakMap<FastifyRequest, number>();
  paths.watch(api);

  api.addHook('onRequest', (request, reply, done) => {
    startedMs.set(request, parts.clock.monotonicMs());
    void reply.headers(safeHeaders);
    done(repeatedHeader(request.raw.rawHeaders));
  });

  api.addHook('onResponse', (request, reply, done) => {
    const ms = parts.clock.monotonicMs() - (startedMs.get(request) ?? 0);
    const isStream = request.routeOptions.config.isStream === true;
    parts.metrics.answered(reply.statusCode, isStream ? undefined : ms / 1000);
    // The pattern of the route, never the URL: it may carry a password or a token.
    const route = request.routeOptions.url ?? 'none';
    const fields = { method: request.method, route, status: reply.statusCode, ms: Math.round(ms) };
    parts.logger.debug(fields, 'controller.answered');
    done();
  });

  api.setErrorHandler<FastifyError>((error, request, reply) => {
    errorAnswer(error, request, reply, parts.logger);
  });

  api.setNotFoundHandler((request) => {
    const allowed = paths.methodsOf(request.url);
    if (allowed.length === 0 || allowed.includes(request.method)) {
      throw unavailable(request.method, request.url);
    }
    throw new ApiError(405, `${request.method} is not possible here.`, {
      allow: allowed.join(', '),
    });
  });
}

/** JSON and nothing else; no body at all is fine, also on DELETE and whatever its type is said to be. */
export function bodyParser(api: FastifyInstance): void {
  api.removeAllContentTypeParsers();
  api.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    (_request, body, done) => {
      try {
        done(null, body.length === 0 ? undefined : JSON.parse(body.toString('utf8')));
      } catch {
        done(new ApiError(400, 'The body is not valid JSON.'));
      }
    },
  );
  api.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (_request, body, done) => {
    if (body.length === 0) done(null, undefined);
    else done(new ApiError(415, 'The body must be JSON (Content-Type: application/json).'));
  });
}

/** Answers with what went wrong. */
export function errorAnswer(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): void {
  const answer = asApiError(error);
  if (answer.status >= 500) {
    const route = request.routeOptions.url ?? 'none';
    logger.error({ method: request.method, route, err: error }, 'controller.failed');
  }
  const headers = { ...safeHeaders, ...answer.headers, 'content-type': jsonType };
  // What is left of a refused body is not worth reading.
  if (answer.status === 413 || answer.status === 400) {
    void reply.header('connection', 'close');
  }
  void reply.status(answer.status).headers(headers).send(errorBody(answer.messages));
}

/** The same for a response that a stream had taken over: before its first byte there is still an answer. */
export function streamFailed(error: unknown, res: ServerResponse, logger: Logger): void {
  logger.error({ err: error }, 'controller.stream_failed');
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const answer = asApiError(error);
  res.writeHead(answer.status, { ...answer.headers, 'content-type': jsonType });
  res.end(errorBody(answer.messages));
}

/** RFC 9112 §3.2.2: a request through a proxy names the whole URL; a server accepts that form too. */
export function withoutOrigin(target: string): string {
  const match = /^https?:\/\/[^/?#]*(.*)$/i.exec(target);
  if (!match) return target;
  const rest = match[1] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Node takes the first of two such headers, a proxy in front may have judged the second. */
export function repeatedHeader(rawHeaders: readonly string[]): ApiError | undefined {
  for (const name of ['authorization', 'host']) {
    const count = rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === name);
    if (count.length > 1) return new ApiError(400, `The ${name} header came more than once.`);
  }
  return undefined;
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof AppError && error.retryable) {
    return new ApiError(503, 'This is not possible now. Please try again later.', {
      'retry-after': '5',
    });
  }
  const status = (error as { statusCode?: unknown }).statusCode;
  if (status === 413) return new ApiError(413, 'The body is too large.');
  if (status === 414) return new ApiError(414, 'The path is too long.');
  if (status === 415) return new ApiError(415, 'The body must be JSON.');
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new ApiError(status, 'The request is malformed.');
  }
  return new ApiError(500, 'Something went wrong on our side.');
}

const safeHeaders = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' };
const jsonType = 'application/json; charset=utf-8';
