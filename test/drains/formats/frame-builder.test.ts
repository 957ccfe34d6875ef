import { expect, test } from 'vitest';
import { BodyPool } from '../../../src/drains/formats/body-pool.ts';
import { FrameBuilder } from '../../../src/drains/formats/frame-builder.ts';

function write(builder: FrameBuilder, text: string): void {
  builder.reserve(text.length);
  builder.length += builder.buffer.write(text, builder.length);
  builder.messages++;
}

test('a taken body stays as it is while the next one is written', () => {
  const builder = new FrameBuilder();
  builder.begin({ bytesMax: 100, linesMax: 10 });
  write(builder, 'first');
  const body = builder.take();
  builder.begin({ bytesMax: 100, linesMax: 10 });
  write(builder, 'second');
  expect(body.toString()).toBe('first');
  expect(builder.take().toString()).toBe('second');
});

test('grows and keeps what was written', () => {
  const builder = new FrameBuilder();
  builder.begin({ bytesMax: Infinity, linesMax: Infinity });
  const piece = 'x'.repeat(5000);
  for (let count = 0; count < 100; count++) write(builder, piece);
  expect(builder.take().toString()).toBe('x'.repeat(500_000));
});

test('memory that was given back is used for the next body', () => {
  const builder = new FrameBuilder();
  builder.begin({ bytesMax: 100, linesMax: 10 });
  write(builder, 'first');
  const body = builder.take();
  builder.recycle(body);
  builder.begin({ bytesMax: 100, linesMax: 10 });
  write(builder, 'again');
  expect(builder.take().buffer).toBe(body.buffer);
});

test('memory for large bodies is that of the pool, and goes back to it', () => {
  const pool = new BodyPool({ bodyPoolBytesMax: 1 << 20 });
  const [one, other] = [new FrameBuilder(pool), new FrameBuilder(pool)];
  one.begin({ bytesMax: Infinity, linesMax: Infinity });
  for (let i = 0; i < 10; i++) write(one, 'x'.repeat(10_000));
  const large = one.take();
  expect(large.toString()).toBe('x'.repeat(100_000));
  one.recycle(large);
  expect(one.buffer.length).toBe(0);
  other.begin({ bytesMax: Infinity, linesMax: Infinity });
  write(other, 'y'.repeat(100_000));
  expect(other.take().buffer).toBe(large.buffer);
});

test('a body that no pool has room for is complete as well', () => {
  const builder = new FrameBuilder(new BodyPool({ bodyPoolBytesMax: 0 }));
  for (let round = 0; round < 2; round++) {
    builder.begin({ bytesMax: Infinity, linesMax: Infinity });
    for (let i = 0; i < 50; i++) write(builder, 'z'.repeat(10_000));
    const body = builder.take();
    expect(body.equals(Buffer.alloc(500_000, 'z'))).toBe(true);
    builder.recycle(body);
  }
});

test('counters begin anew with each body', () => {
  const builder = new FrameBuilder();
  builder.begin({ bytesMax: 100, linesMax: 1 });
  write(builder, 'first');
  builder.filtered = 3;
  expect(builder.isFull).toBe(true);
  builder.begin({ bytesMax: 100, linesMax: 1 });
  expect(builder).toMatchObject({ messages: 0, filtered: 0, length: 0, isFull: false });
});
