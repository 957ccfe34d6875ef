/**
 * Lines of one length whose number and time of sending stand at the same place before their end, so that a receiver
 * finds them without parsing, in every format.
 */
const lineBytes = 215;
const numberDigits = 10;
const timeDigits = 16;
/** The number, the time, and the LF. */
const tailBytes = numberDigits + 1 + timeDigits + 1;

/** Microseconds of a clock that all processes of the machine share. */
export function nowMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** An octet-counted frame of 215 bytes, its count included, as log-shuttle makes it. */
export function numberedFrame(number: number, micros: number): string {
  const header = '<190>1 2026-01-01T00:00:00.123456+00:00 pod-7f9c-abcde bench web.1 - - ';
  const length = lineBytes - 4;
  const filler = 'x'.repeat(length - header.length - tailBytes - 1);
  const digits = String(number).padStart(numberDigits, '0');
  return `${length} ${header}${filler} ${digits} ${String(micros).padStart(timeDigits, '0')}\n`;
}

/** The number and the time in the frame that ends before `end`. */
export function readNumbers(bytes: Buffer, end: number): { number: number; micros: number } {
  const at = end - tailBytes;
  return {
    number: digitsAt(bytes, at, numberDigits),
    micros: digitsAt(bytes, at + numberDigits + 1, timeDigits),
  };
}

function digitsAt(bytes: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) value = value * 10 + (bytes[i] ?? 0) - 48;
  return value;
}

/** Calls `visit` with the end of each whole octet-counted frame; returns where the rest begins. */
export function eachFrame(bytes: Buffer, visit: (end: number) => void): number {
  let at = 0;
  for (;;) {
    let length = 0;
    let i = at;
    for (; i < bytes.length && bytes[i] !== 32; i++) length = length * 10 + (bytes[i] ?? 0) - 48;
    const end = i + 1 + length;
    if (i >= bytes.length || end > bytes.length) return at;
    visit(end);
    at = end;
  }
}
