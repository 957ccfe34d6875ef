import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import fastify, { type FastifyInstance } from 'fastify';
import type { Chance } from '../core/chance.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Registry } from '../registry/registry.ts';
import { Access } from './access.ts';
import { Allowance } from './allowance.ts';
import { AttemptLimiter, type AttemptLimits } from './attempt-limiter.ts';
import type {
  AppHead,
  DrainCommands,
  DrainGate,
  DrainWatch,
  LogStreams,
} from './controller-parts.ts';
import { ControllerMetrics, type MetricsRegistry } from './controller-metrics.ts';
import { bodyParser, errorAnswer, requestRules, withoutOrigin } from './http-rules.ts';
import { LogUpgrade } from './log-upgrade.ts';
import { BackgroundMail } from './mail/background-mail.ts';
import type { Mailer } from './mail/mailer.ts';
import { PasswordCheck } from './password-check.ts';
import { Passwords, type PasswordsOptions } from './passwords.ts';
import { accountRoutes } from './routes/account-routes.ts';
import { appRoutes } from './routes/app-routes.ts';
import { drainCommandRoutes } from './routes/drain-command-routes.ts';
import { drainRoutes } from './routes/drain-routes.ts';
import { emailChangeRoutes } from './routes/email-change-routes.ts';
import { logRoutes } from './routes/log-routes.ts';
import { logTokenRoutes } from './routes/log-token-routes.ts';
import { permissionRoutes } from './routes/permission-routes.ts';
import { sessionRoutes } from './routes/session-routes.ts';
import { sshKeyRoutes } from './routes/ssh-key-routes.ts';
import { Signup } from './signup.ts';

export interface ControllerOptions {
  /** Without a slash at the end; for links in mails. */
  readonly publicUrl: string;
  /** Where containers post their lines: what `logplex_token` tells. */
  readonly logsUrl: string;
  readonly tokenGraceMs: number;
  readonly bodyBytesMax: number;
  readonly passwords: PasswordsOptions;
  /** Guesses at passwords. */
  readonly passwordAttempts: AttemptLimits;
  /** Mails that somebody can have sent. */
  readonly mailAttempts: AttemptLimits;
  /** Tests of drains; the account is the app. */
  readonly drainTests: AttemptLimits;
  readonly attemptEntriesMax: number;
  readonly mailsPendingMax: number;
  /** Addresses or networks whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
}

export interface ControllerParts {
  readonly registry: Registry;
  readonly mailer: Mailer;
  readonly logStreams: LogStreams;
  readonly drainGate: DrainGate;
  readonly appHead: AppHead;
  readonly drainWatch: DrainWatch;
  readonly drainCommands: DrainCommands;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
  readonly metricsRegistry: MetricsRegistry;
}

/** The HTTP API that the `gigalixir` CLI calls. It has no listener: the public server hands requests over. */
export interface Controller {
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** For the public server's `upgrade` event. */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(signal: AbortSignal): Promise<void>;
}

export async function createController(
  options: ControllerOptions,
  parts: ControllerParts,
): Promise<Controller> {
  const metrics = new ControllerMetrics(parts.metricsRegistry);
  const access = new Access(parts);
  const backgroundMail = new BackgroundMail({ pendingMax: options.mailsPendingMax }, parts);
  const api = createApi(options, { ...parts, metrics });
  addRoutes(api, options, { ...parts, metrics, access, backgroundMail });
  await api.ready();
  const logUpgrade = new LogUpgrade({ ...parts, access });
  return {
    handle: (req, res) => api.routing(req, res),
    upgrade: (req, socket, head) => void logUpgrade.accept(req, socket, head),
    close: async (signal) => {
      await backgroundMail.close(signal);
      await api.close();
    },
  };
}

function createApi(
  options: ControllerOptions,
  parts: Pick<ControllerParts, 'logger' | 'clock'> & { readonly metrics: ControllerMetrics },
): FastifyInstance {
  const api = fastify({
    logger: false,
    bodyLimit: options.bodyBytesMax,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    rewriteUrl: (req) => withoutOrigin(req.url ?? '/'),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 1024 },
    frameworkErrors: (error, request, reply) => errorAnswer(error, request, reply, parts.logger),
  });
  requestRules(api, parts);
  bodyParser(api);
  return api;
}

function addRoutes(
  api: FastifyInstance,
  options: ControllerOptions,
  parts: ControllerParts & {
    readonly metrics: ControllerMetrics;
    readonly access: Access;
    readonly backgroundMail: BackgroundMail;
  },
): void {
  const limiter = (limits: AttemptLimits): AttemptLimiter =>
    new AttemptLimiter({ ...limits, entriesMax: options.attemptEntriesMax }, parts);
  const passwords = new Passwords(options.passwords, parts);
  const attempts = limiter(options.passwordAttempts);
  const allowance = (what: 'mail' | 'drain_test', limits: AttemptLimits): Allowance =>
    new Allowance({ ...parts, what, limiter: limiter(limits) });
  const mailAllowance = allowance('mail', options.mailAttempts);
  const testAllowance = allowance('drain_test', options.drainTests);
  const signup = new Signup({ ...parts, passwords, mailAllowance });
  const passwordCheck = new PasswordCheck({ ...parts, passwords, attempts });
  const all = { ...parts, passwords, passwordCheck, mailAllowance, testAllowance, signup };
  sessionRoutes(api, all);
  accountRoutes(api, all);
  emailChangeRoutes(api, all, options);
  sshKeyRoutes(api, all);
  appRoutes(api, all);
  permissionRoutes(api, all);
  drainRoutes(api, all);
  drainCommandRoutes(api, all);
  logTokenRoutes(api, all, options);
  logRoutes(api, all);
}
