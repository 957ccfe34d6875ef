import type { ReceivedRequest } from './https-receiver.ts';
import { NumberLedger } from './numbered-lines.ts';

/** Reads what an https drain posts, checks every request by itself, and takes repeated batches out by their Frame-Id. */
export class BatchLedger {
  readonly lines = new NumberLedger();
  /** Frame-Id → its body, to see that a repeat is one. */
  readonly #bodies = new Map<string, string>();
  repeatedBatches = 0;
  /** What was wrong with a request by itself. */
  readonly faults: string[] = [];

  add(request: ReceivedRequest): void {
    const { headers, body } = request;
    const frames = framesOf(body);
    if (Number(headers['content-length']) !== body.length) this.faults.push('Content-Length');
    if (Number(headers['logplex-msg-count']) !== frames.length)
      this.faults.push('Logplex-Msg-Count');
    if (headers['content-type'] !== 'application/logplex-1') this.faults.push('Content-Type');
    if (!/^d\.[0-9a-f-]{36}$/.test(String(headers['logplex-drain-token'])))
      this.faults.push('token');
    if (!headers['user-agent']?.startsWith('Logplex/spillway-')) this.faults.push('User-Agent');
    const id = String(headers['logplex-frame-id']);
    if (!/^[0-9a-f]{32}$/.test(id)) this.faults.push('Logplex-Frame-Id');
    const known = this.#bodies.get(id);
    if (known !== undefined) {
      this.repeatedBatches++;
      if (known !== body.toString('latin1'))
        this.faults.push('a repeated Frame-Id with another body');
      return;
    }
    this.#bodies.set(id, body.toString('latin1'));
    for (const frame of frames) this.lines.add(textOf(frame));
  }
}

/** The messages of octet-counted frames. */
function framesOf(body: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const end = space + 1 + Number(body.toString('latin1', at, space));
    if (space < 0 || !(end <= body.length)) throw new RangeError('not octet-counted frames');
    frames.push(body.subarray(space + 1, end));
    at = end;
  }
  return frames;
}

/** The text of a message in logplex's dialect: six fields, then the rest. */
function textOf(frame: Buffer): string {
  let at = 0;
  for (let field = 0; field < 6; field++) at = frame.indexOf(0x20, at) + 1;
  return frame.toString('utf8', at).replace(/\n$/, '');
}
