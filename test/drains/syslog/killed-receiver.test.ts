import { expect, test } from 'vitest';
import { SyslogReceiver } from '../../support/syslog-receiver.ts';
import { batch, never, RecordedEvents, syslogDrain, textOf } from './syslog-kit.ts';

/**
 * Sends numbered lines to a receiver that resets its connections now and then, as the worker would: from
 * the last confirmed batch on after every break.
 */
async function sendThroughBreaks(batches: number, isReplayed: boolean): Promise<Set<string>> {
  await using receiver = await SyslogReceiver.listen();
  const events = new RecordedEvents();
  const options = { windowMs: 50, tickMs: 10 };
  await using drain = syslogDrain(receiver.url, { events, options });
  let breaksSeen = 0;
  for (let offset = 1; offset <= batches; offset++) {
    // Every twentieth time the receiver stops reading, takes one more batch from us, and dies.
    const isFatal = offset % 20 === 0 && breaksSeen < Math.floor(batches / 20);
    if (isFatal) for (const socket of receiver.open) socket.pause();
    const delivery = await drain.deliver(batch(offset, `line ${offset}`), never);
    if (isFatal) {
      receiver.reset();
      await events.until(() => events.breaks.length > breaksSeen);
    }
    if (events.breaks.length > breaksSeen || delivery.kind === 'retry') {
      breaksSeen = Math.max(breaksSeen + 1, events.breaks.length);
      if (isReplayed) offset = events.lastConfirmed;
    }
  }
  await events.until(() => events.lastConfirmed === batches);
  return new Set(receiver.messages.map(textOf));
}

test('nothing is lost when the unconfirmed is sent again, though the receiver dies with it unread', async () => {
  const received = await sendThroughBreaks(110, true);
  expect(received.size).toBe(110);
});

test('without that, lines would be lost', async () => {
  const received = await sendThroughBreaks(110, false);
  expect(received.size).toBeLessThan(110);
});
