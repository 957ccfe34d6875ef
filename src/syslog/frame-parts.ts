/** Some whole frames that lie side by side. */
export interface FramesPart {
  readonly frames: Buffer;
  readonly lines: number;
}

/**
 * Cuts valid octet-counted frames into parts of at most `bytesMax`, between frames. Each part is a view of
 * `frames`. A single frame that is longer is a part of its own.
 */
export function splitFrames(frames: Buffer, lines: number, bytesMax: number): FramesPart[] {
  if (frames.length <= bytesMax) return lines > 0 ? [{ frames, lines }] : [];
  const parts: FramesPart[] = [];
  let start = 0;
  let partLines = 0;
  for (let at = 0; at < frames.length;) {
    const end = frameEnd(frames, at);
    if (end - start > bytesMax && partLines > 0) {
      parts.push({ frames: frames.subarray(start, at), lines: partLines });
      start = at;
      partLines = 0;
    }
    partLines++;
    at = end;
  }
  parts.push({ frames: frames.subarray(start), lines: partLines });
  return parts;
}

function frameEnd(frames: Buffer, start: number): number {
  let count = 0;
  let at = start;
  for (let byte = frames[at++]; byte !== 0x20 && byte !== undefined; byte = frames[at++]) {
    count = count * 10 + byte - 0x30;
  }
  return at + count;
}
