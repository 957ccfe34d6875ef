import type { LogBus } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId } from '../core/ids.ts';
import { recordFramesBytesMax } from '../core/record.ts';
import { splitFrames } from '../syslog/frame-parts.ts';
import { parseFrames } from '../syslog/octet-frames.ts';
import { noneRejected } from './request-intake.ts';

export interface PlatformLinesOptions {
  readonly messageBytesMax: number;
}

/** Something that the platform itself has to say in an app's stream: a release, a failed health check, a kill. */
export interface PlatformLine {
  /** LF makes several lines of it. */
  readonly text: string;
  /** Who speaks; visible ASCII. */
  readonly source?: string;
  /** What it is about, for example a process; visible ASCII. */
  readonly procId: string;
}

/** local7.info, as log-shuttle's lines. */
const pri = 190;
const nothing = Buffer.alloc(0);

/** The door for the platform's own lines. They are not limited: the platform does not flood. */
export class PlatformLines {
  readonly #options: PlatformLinesOptions;
  readonly #bus: Pick<LogBus, 'append'>;
  readonly #clock: Clock;

  constructor(options: PlatformLinesOptions, parts: { bus: Pick<LogBus, 'append'>; clock: Clock }) {
    this.#options = options;
    this.#bus = parts.bus;
    this.#clock = parts.clock;
  }

  /**
   * Appends the line as one record (a very long one as several); resolves when it is durable.
   * @throws DependencyError when the log cannot take it now.
   */
  append(app: AppId, line: PlatformLine): Promise<void> {
    const { source = 'gigalixir', procId, text } = line;
    const nowMs = this.#clock.nowMs();
    const head = `<${pri}>1 ${messageTime(nowMs)} host ${field(source)} ${field(procId)} - -`;
    const sent = text
      .replace(/\n$/, '')
      .split('\n')
      .map((part) => octetCounted(`${head} ${part}\n`));
    const { messageBytesMax } = this.#options;
    const rules = { messageBytesMax, token: nothing, name: nothing };
    const { frames, lines } = parseFrames(Buffer.concat(sent), rules);
    const parts = splitFrames(frames, lines, recordFramesBytesMax);
    return this.#bus.append(
      parts.map((part, i) => ({
        kind: 'lines',
        app,
        receivedAtMs: nowMs,
        lines: part.lines,
        rejected: noneRejected,
        requestKey: undefined,
        part: i + 1,
        parts: parts.length,
        notice: undefined,
        frames: part.frames,
      })),
    );
  }
}

function octetCounted(message: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(message)} ${message}`);
}

/** With six digits of fraction, which every receiver reads. */
function messageTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000+00:00`;
}

function field(text: string): string {
  return text.replace(/[^!-~]/g, '_') || '-';
}
