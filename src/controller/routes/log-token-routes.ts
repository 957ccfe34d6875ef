import type { AppRow, Registry } from '../../registry/registry.ts';
import type { Secret } from '../../core/secret.ts';
import { invalid, unauthorised } from '../api-error.ts';
import { bodyFields } from '../request-fields.ts';
import { appOf, type Routes } from './route-parts.ts';

export interface LogTokenRoutesOptions {
  /** Where containers post their lines. */
  readonly logsUrl: string;
  /** How long the tokens before the newest one stay good, unless a rotation says less. */
  readonly tokenGraceMs: number;
}

/** The token with which an app's containers send their lines. */
export const logTokenRoutes: Routes<'registry' | 'access' | 'logger', LogTokenRoutesOptions> = (
  api,
  { registry, access, logger },
  { logsUrl, tokenGraceMs },
) => {
  api.get('/api/apps/:app/logplex_token', async (request) => {
    const { app } = await appOf(request, access, 'change');
    return shown(await currentToken(registry, app));
  });

  api.post('/api/apps/:app/logplex_token/rotate', async (request, reply) => {
    const { app } = await appOf(request, access, 'change');
    const graceMs = graceOf(bodyFields(request.body)['grace_seconds']);
    const token = await registry.logTokens.rotate(app.id, graceMs);
    if (!token) throw unauthorised();
    logger.info({ appId: app.id, graceMs }, 'controller.token_rotated');
    return reply.status(201).send(shown(token));
  });

  function shown(token: Secret): object {
    return { data: { token: token.reveal(), url: logsUrl } };
  }

  /** `grace_seconds` may end the old tokens sooner: 0, at once, for one that leaked. */
  function graceOf(seconds: unknown): number {
    if (seconds === undefined || seconds === null) return tokenGraceMs;
    const graceMs = typeof seconds === 'number' ? seconds * 1000 : NaN;
    if (!(graceMs >= 0 && graceMs <= tokenGraceMs)) {
      throw invalid(`grace_seconds must be a number from 0 to ${tokenGraceMs / 1000}.`);
    }
    return Math.round(graceMs);
  }
};

async function currentToken(registry: Registry, app: AppRow): Promise<Secret> {
  const token = await registry.logTokens.current(app.id);
  if (!token) throw unauthorised();
  return token;
}
