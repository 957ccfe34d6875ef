import { expect, test } from 'vitest';
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

test('memory that a flood needed is not kept for what comes after it', () => {
  const builder = new FrameBuilder();
  builder.begin({ bytesMax: Infinity, linesMax: Infinity });
  write(builder, 'x'.repeat(100_000));
  const large = builder.take();
  builder.recycle(large);
  builder.begin({ bytesMax: Infinity, linesMax: Infinity });
  write(builder, 'small');
  builder.recycle(builder.take());
  expect(builder.buffer.length).toBe(0);
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
