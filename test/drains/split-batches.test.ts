import { expect, test } from 'vitest';
import { DrainRig } from '../support/drain-rig.ts';
import { HttpsReceiver } from '../support/https-receiver.ts';
import { textsOf } from '../support/records.ts';
import { eventually } from '../support/spillway-process.ts';

const texts = Array.from({ length: 64 }, (_, n) =>
  n === 9 || n === 40 ? `bad ${n}` : `good ${n}`,
);

function count(rig: DrainRig): number {
  const { delivered, refused } = rig.worker.books.counts;
  return delivered + refused;
}

test.each([400, 422])(
  'a real receiver that refuses a batch for two of its messages with %i gets all the others, in order, within the bound',
  async (status) => {
    await using receiver = await HttpsReceiver.listen();
    const taken: string[] = [];
    receiver.answer = ({ body }) => {
      if (body.includes('bad')) return { status };
      taken.push(...textsOf(logplex(body)));
      return { status: 204 };
    };
    await using rig = new DrainRig(receiver.url());
    await rig.append(texts);
    await eventually('all is dealt with', () => count(rig) === texts.length);
    expect(rig.worker.books.counts).toMatchObject({
      delivered: 62,
      refused: 2,
      dropped: 0,
      lost: 0,
    });
    expect(taken.filter((text) => !text.startsWith('Error L18'))).toEqual(
      texts.filter((text) => text.startsWith('good')),
    );
    // At most twenty requests for each of the two.
    expect(receiver.requests.length).toBeLessThanOrEqual(40);
  },
);

test('a real receiver that takes 2,000 bytes at most gets every message, and soon no batch that is too large', async () => {
  await using receiver = await HttpsReceiver.listen();
  let tooLarge = 0;
  receiver.answer = ({ body }) => {
    if (body.length <= 2_000) return { status: 204 };
    tooLarge++;
    return { status: 413 };
  };
  await using rig = new DrainRig(receiver.url());
  await rig.append(texts);
  await eventually('all is delivered', () => rig.delivered === texts.length);
  const first = tooLarge;
  expect(first).toBeGreaterThan(0);
  await rig.append(texts);
  await eventually('all is delivered', () => rig.delivered === 2 * texts.length);
  expect(tooLarge).toBe(first);
  expect(rig.worker.books.counts.refused).toBe(0);
});

/** With the STRUCTURED-DATA that the https dialect leaves out. */
function logplex(body: Buffer): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const end = space + 1 + Number(body.toString('latin1', at, space));
    const message = Buffer.from(body.toString('utf8', space + 1, end).replace(' - ', ' - - '));
    frames.push(Buffer.from(`${message.length} `), message);
    at = end;
  }
  return Buffer.concat(frames);
}
