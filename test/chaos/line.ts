import { crc32 } from 'node:zlib';
import { Random } from './random.ts';

/** What a line says of itself. Apps and sources are numbers from 0; sequences of a source too. */
export interface LineId {
  readonly app: number;
  readonly source: number;
  readonly sequence: number;
}

/** Why a text is not the line that it should be; undefined when it is. */
export type LineFault = 'foreign' | 'length' | 'crc' | 'text';

/** Run(8 hex) app(4) source(3) sequence(9) length(5) CRC(8 hex), each with a space after it; then the filler. */
const prefixBytes = 8 + 1 + 4 + 1 + 3 + 1 + 9 + 1 + 5 + 1 + 8 + 1;
const appAt = 9;
const sourceAt = 14;
const sequenceAt = 18;
const lengthAt = 28;
const crcAt = 34;

const filler = makeFiller();

/** The name under which an app is created, and the PROCID of a source. */
export function appName(app: number): string {
  return `chaos-${app}`;
}

export function procId(source: number): string {
  return `web.${source}`;
}

/**
 * Makes and reads the texts of one run. A text is a function of its id, so that whoever reads it can tell every
 * byte. Fillers have NUL, ESC, UTF-8 and pieces of it.
 */
export class Lines {
  readonly #run: string;

  constructor(run: string) {
    if (!/^[0-9a-f]{8}$/.test(run)) throw new RangeError(`not a run: ${run}`);
    this.#run = run;
  }

  /** The text of a line with its final LF. */
  text({ app, source, sequence }: LineId): Buffer {
    const { at, bytes } = fillerOf(app, source, sequence);
    const length = prefixBytes + bytes;
    const text = Buffer.allocUnsafe(length + 1);
    const names = `${this.#run} ${digits(app, 4)} ${digits(source, 3)}`;
    text.write(`${names} ${digits(sequence, 9)} ${digits(length, 5)} `, 0, 'latin1');
    filler.copy(text, prefixBytes, at, at + bytes);
    text.write(`${hex(crcOf(text, 0, length))} `, crcAt, 'latin1');
    text[length] = 0x0a;
    return text;
  }

  /** Reads the text in bytes[start, end), which ends in LF; the id into `into`. */
  read(
    bytes: Buffer,
    start: number,
    end: number,
    into: { -readonly [K in keyof LineId]: number },
  ): LineFault | undefined {
    if (end - start < prefixBytes + 1 || bytes.toString('latin1', start, start + 8) !== this.#run) {
      return 'foreign';
    }
    into.app = number(bytes, start + appAt, 4);
    into.source = number(bytes, start + sourceAt, 3);
    into.sequence = number(bytes, start + sequenceAt, 9);
    const length = end - start - 1;
    if (number(bytes, start + lengthAt, 5) !== length || bytes[end - 1] !== 0x0a) return 'length';
    const crc = hex(crcOf(bytes, start, start + length));
    if (bytes.toString('latin1', start + crcAt, start + crcAt + 8) !== crc) return 'crc';
    const expected = fillerOf(into.app, into.source, into.sequence);
    const isWhole =
      prefixBytes + expected.bytes === length &&
      bytes.compare(
        filler,
        expected.at,
        expected.at + expected.bytes,
        start + prefixBytes,
        end - 1,
      ) === 0;
    return isWhole ? undefined : 'text';
  }
}

/** Of everything but the CRC itself. */
function crcOf(bytes: Buffer, start: number, end: number): number {
  return crc32(
    bytes.subarray(start + prefixBytes, end),
    crc32(bytes.subarray(start, start + crcAt)),
  );
}

/** Most lines are about 200 bytes; one in about 500 has some thousand. */
function fillerOf(app: number, source: number, sequence: number): { at: number; bytes: number } {
  let hash = Math.imul(app * 1009 + source + 1, 0x9e3779b1) ^ Math.imul(sequence + 1, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35);
  hash = (hash ^ (hash >>> 13)) >>> 0;
  const bytes = hash % 499 === 0 ? 2000 + (hash % 6000) : 40 + (hash % 240);
  return { at: (hash >>> 8) % (filler.length - 8000), bytes };
}

function makeFiller(): Buffer {
  const random = new Random(7, 'filler');
  const odd = ['ü', '你', '🚰', '\0', '\u001b[36m', '\r', '"', '\\', ']'];
  let text = '';
  while (text.length < 40_000) {
    text +=
      random.fraction() < 0.08 ? random.pick(odd) : String.fromCharCode(97 + random.below(26));
  }
  return Buffer.from(text);
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

function number(bytes: Buffer, at: number, width: number): number {
  let value = 0;
  for (let i = at; i < at + width; i++) value = value * 10 + (bytes[i] as number) - 0x30;
  return value;
}
