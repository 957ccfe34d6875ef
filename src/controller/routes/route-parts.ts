import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Chance } from '../../core/chance.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Access, Need } from '../access.ts';
import { clientAddress } from '../client-address.ts';
import type {
  AppHead,
  DrainCommands,
  DrainGate,
  DrainWatch,
  LogStreams,
} from '../controller-parts.ts';
import type { Allowance } from '../allowance.ts';
import type { BackgroundMail } from '../mail/background-mail.ts';
import type { PasswordCheck } from '../password-check.ts';
import type { Passwords } from '../passwords.ts';
import type { Signup } from '../signup.ts';

/** What the routes are made of. Each takes what it needs. */
export interface RouteParts {
  readonly registry: Registry;
  readonly access: Access;
  readonly passwords: Passwords;
  readonly passwordCheck: PasswordCheck;
  readonly signup: Signup;
  readonly backgroundMail: BackgroundMail;
  readonly mailAllowance: Allowance;
  readonly logStreams: LogStreams;
  readonly drainGate: DrainGate;
  readonly appHead: AppHead;
  readonly drainWatch: DrainWatch;
  readonly drainCommands: DrainCommands;
  readonly testAllowance: Allowance;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
}

export type Routes<P extends keyof RouteParts, O = void> = (
  api: FastifyInstance,
  parts: Pick<RouteParts, P>,
  options: O,
) => void;

/** The app that the path names, for whoever asks, if they may. */
export function appOf(
  request: FastifyRequest,
  access: Access,
  need: Need,
): ReturnType<Access['app']> {
  const { app } = request.params as { app: string };
  return access.app(request.headers.authorization, app, need);
}

export function userOf(request: FastifyRequest, access: Access): ReturnType<Access['user']> {
  return access.user(request.headers.authorization);
}

export function addressOf(request: FastifyRequest): string {
  return clientAddress(request.ip);
}

/** The query, form-decoded. */
export function queryOf(request: FastifyRequest): URLSearchParams {
  const at = request.url.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : request.url.slice(at + 1));
}
