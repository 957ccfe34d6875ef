import type { LogRecord, RejectedCounts } from '../core/record.ts';
import { recordFramesBytesMax } from '../core/record.ts';
import { splitFrames, type FramesPart } from '../syslog/frame-parts.ts';
import { readAsLogplex } from '../syslog/logplex-frames.ts';
import { parseFrames, type ParsedFrames } from '../syslog/octet-frames.ts';
import { answers, type Answer, type RequestOutcome } from './answers.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { PartlyStored } from './repeats.ts';
import type { RequestHead } from './request-head.ts';
import { requestKey } from './request-key.ts';
import type { Access } from './token-cache.ts';

export interface IntakeOptions {
  readonly messageBytesMax: number;
  /** Logplex's all-or-nothing answers. */
  readonly strict: boolean;
}

/** A body that has been read, before it is known whether it is new. */
export interface ReadBody {
  readonly parsed: ParsedFrames;
  readonly key: Buffer | undefined;
  readonly rejected: RejectedCounts;
  /** Set when nothing of it is stored. */
  readonly refusal: Answer | undefined;
}

/** What a body comes to: what to store, and how the request ends once that is durable. */
export interface Intake {
  readonly records: readonly LogRecord[];
  /** In `records`. */
  readonly lines: number;
  /** Everything of the request that is not stored. */
  readonly rejected: RejectedCounts;
  /** Texts that were cut. */
  readonly cut: number;
  /** Undefined is 204. */
  readonly refusal: Answer | undefined;
  readonly outcome: RequestOutcome;
}

/** Shared, so that "nothing was rejected" is one comparison. */
export const noneRejected: RejectedCounts = Object.freeze({});

export function readBody(
  options: IntakeOptions,
  body: Buffer,
  access: Access,
  head: RequestHead,
): ReadBody {
  const { messageBytesMax } = options;
  const { token, name, app } = access;
  const parsed = parseFrames(body, { messageBytesMax, token, name });
  const { lastStart, lastEnd, lines } = parsed;
  const key =
    head.requestId === undefined
      ? undefined
      : requestKey({
          app,
          requestId: head.requestId,
          bytes: body.length,
          frames: lines,
          lastFrame: body.subarray(lastStart, lastEnd),
        });
  const verdict = options.strict
    ? judgeAsLogplex(body, parsed, head.messageCount)
    : judge(parsed, head.messageCount);
  return { parsed, key, ...verdict };
}

type Verdict = Pick<ReadBody, 'rejected' | 'refusal'>;
const allGood: Verdict = { rejected: noneRejected, refusal: undefined };

/** Good frames are kept beside bad ones; only a body in which nothing is good is refused. */
function judge(parsed: ParsedFrames, announced: number | undefined): Verdict {
  const { lines, malformed } = parsed;
  const found = lines + malformed;
  const mismatch =
    announced === undefined || Number.isNaN(announced) ? 0 : Math.abs(announced - found);
  if (malformed === 0 && mismatch === 0) return allGood;
  const rejected = {
    ...(malformed > 0 ? { malformed } : {}),
    ...(mismatch > 0 ? { count_mismatch: mismatch } : {}),
  };
  return { rejected, refusal: lines === 0 ? answers.malformed : undefined };
}

/** All of a request or nothing, in logplex's order: its framing first, then the count. */
function judgeAsLogplex(
  body: Buffer,
  parsed: ParsedFrames,
  announced: number | undefined,
): Verdict {
  const { lines, malformed } = parsed;
  const { frames, hasMalformed } = readAsLogplex(body);
  const found = Math.max(1, lines + malformed);
  if (hasMalformed) return { rejected: { malformed: found }, refusal: answers.malformed };
  if (announced !== undefined && announced !== frames) {
    return { rejected: { count_mismatch: found }, refusal: answers.countMismatch };
  }
  return malformed === 0 ? allGood : { rejected: { malformed }, refusal: undefined };
}

/**
 * What a new request stores: its records, cut to size, as far as the app's rate allows. A request of which nothing
 * is stored leaves an empty record with its counts; one in which there was nothing leaves nothing.
 */
export function takeIn(
  read: ReadBody,
  access: Access,
  receivedAtMs: number,
  limiter: Pick<RateLimiter, 'take'>,
): Intake {
  const { parsed, refusal } = read;
  const all = refusal ? [] : splitFrames(parsed.frames, parsed.lines, recordFramesBytesMax);
  const kept = all.findIndex(
    ({ frames, lines }) => !limiter.take(access.app, frames.length, lines),
  );
  const stored = kept < 0 ? all : all.slice(0, kept);
  const limited = kept < 0 ? 0 : linesOf(all.slice(kept));
  const rejected = limited > 0 ? { ...read.rejected, rate_limited: limited } : read.rejected;
  const isEmpty = stored.length === 0;
  const parts = isEmpty && rejected !== noneRejected ? [nothing] : stored;
  const records = parts.map(({ frames, lines }, i): LogRecord => {
    return {
      kind: isEmpty ? 'empty' : 'lines',
      app: access.app,
      receivedAtMs,
      lines,
      rejected: i === 0 ? rejected : noneRejected,
      requestKey: read.key,
      part: i + 1,
      parts: parts.length,
      notice: undefined,
      frames,
    };
  });
  const outcome = refusal?.outcome ?? (records.length > 0 ? 'stored' : 'empty');
  return { records, lines: linesOf(stored), rejected, cut: parsed.cut, refusal, outcome };
}

const nothing: FramesPart = { frames: Buffer.alloc(0), lines: 0 };

/** How a repeat ends whose first copy is stored whole. */
export function repeated(read: ReadBody): Intake {
  const { rejected, refusal } = read;
  return { records: [], lines: 0, rejected, cut: 0, refusal, outcome: 'repeated' };
}

/** What a repeat adds to its first copy, of which some parts are in the log: those that are missing, unlimited. */
export function takeInMissing(
  read: ReadBody,
  access: Access,
  receivedAtMs: number,
  known: PartlyStored,
): Intake {
  const unlimited = { take: () => true };
  const whole = takeIn(read, access, receivedAtMs, unlimited);
  const records = whole.records
    .filter(({ part }) => part <= known.parts && !known.stored.has(part))
    .map((record) => ({ ...record, parts: known.parts }));
  return { ...whole, records, lines: linesOf(records), cut: 0, outcome: 'repeated' };
}

function linesOf(parts: readonly { readonly lines: number }[]): number {
  let lines = 0;
  for (const part of parts) lines += part.lines;
  return lines;
}
