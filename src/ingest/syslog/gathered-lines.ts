import { FrameRewriter } from '../../syslog/frame-rewriter.ts';
import { Header, scanHeader } from '../../syslog/header.ts';
import { noneRejected, type ReadBody } from '../request-intake.ts';
import type { Access } from '../token-cache.ts';

interface Line {
  readonly bytes: Buffer;
  readonly skippedBytes: number;
}

const header = new Header();

/** What one read of a connection brought for one app: what the body of a request is at the other door. */
export class GatheredLines {
  readonly access: Access;
  /** What came after lines of this app and is not a message. */
  malformed = 0;
  readonly #lines: Line[] = [];
  #bytes = 0;

  constructor(access: Access) {
    this.access = access;
  }

  /** Of the lines, each with its count. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#lines.length;
  }

  /** `skippedBytes` of its text came and were not kept. */
  add(bytes: Buffer, skippedBytes: number): void {
    this.#lines.push({ bytes, skippedBytes });
    this.#bytes += countOf(bytes).length + bytes.length;
  }

  /** As octet-counted frames; long texts cut, the token replaced by the app's name. */
  read(messageBytesMax: number): ReadBody {
    const { token, name } = this.access;
    const body = Buffer.allocUnsafe(this.#bytes);
    const rewriter = new FrameRewriter(body, { messageBytesMax, token, name });
    let { malformed } = this;
    let lines = 0;
    let at = 0;
    for (const { bytes, skippedBytes } of this.#lines) {
      const frameStart = at;
      const start = at + body.write(countOf(bytes), at, 'latin1');
      at = start + bytes.copy(body, start);
      const isKept =
        scanHeader(body, start, at, header) && rewriter.keep(frameStart, at, header, skippedBytes);
      if (isKept) lines++;
      else malformed++;
    }
    const frames = rewriter.frames();
    return {
      parsed: { frames, lines, malformed, cut: rewriter.cut, lastStart: 0, lastEnd: 0 },
      // No sender of syslog names what it sends, so a repeat cannot be recognised.
      key: undefined,
      rejected: malformed > 0 ? { malformed } : noneRejected,
      refusal: undefined,
    };
  }
}

/** RFC 6587 §3.4.1. */
function countOf(bytes: Buffer): string {
  return `${bytes.length} `;
}
