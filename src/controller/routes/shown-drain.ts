import type { DrainRow } from '../../registry/registry.ts';
import type {
  DrainGate,
  DrainHealth,
  DrainReplayStatus,
  DrainVerdict,
  ShownCertificate,
} from '../controller-parts.ts';

/** The CLI's shape, and the options where there are some. */
export function shownDrain(drain: DrainRow, gate: Pick<DrainGate, 'shown'>): object {
  const { id, token, masked: url, options } = drain;
  const hasOptions = Object.keys(options).length > 0;
  return { id, token, url, ...(hasOptions ? { options: gate.shown(options) } : {}) };
}

/** `starting` until something runs for the drain. */
export function shownState(health: DrainHealth | undefined): string {
  return health?.state ?? 'starting';
}

export function shownHealth(health: DrainHealth): object {
  const { messages, backlog, lastError, certificate, replay } = health;
  return {
    messages,
    backlog: {
      messages: backlog.messages,
      bytes: backlog.bytes,
      age_seconds: Math.round(backlog.ageMs / 1000),
    },
    imbalance: health.imbalanceMessages,
    last_success: time(health.lastSuccessMs),
    last_error: lastError?.reason ?? null,
    last_error_status: lastError?.status ?? null,
    last_error_at: time(lastError?.atMs),
    next_retry: time(health.nextAttemptMs),
    certificate: certificate ? shownCertificate(certificate) : null,
    replay: replay ? shownReplay(replay) : null,
  };
}

export function shownVerdict({ verdict, mark, steps, certificate }: DrainVerdict): object {
  return {
    verdict,
    mark,
    steps: steps.map((step) => {
      if (step.ok) return step;
      const { reason: error, step: name, ...rest } = step;
      return { step: name, ...rest, error };
    }),
    certificate: certificate ? shownCertificate(certificate) : null,
  };
}

export function shownReplay({ state, ...replay }: DrainReplayStatus): object {
  return {
    state,
    started_at: time(replay.startedAtMs),
    messages: replay.messages,
    remaining: replay.remainingMessages,
    last_error: replay.lastError?.reason ?? null,
    next_retry: time(replay.nextAttemptMs),
  };
}

function shownCertificate({ issuer, expiresAtMs, problem }: ShownCertificate): object {
  return { issuer, expires_at: time(expiresAtMs), problem: problem ?? null };
}

function time(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
