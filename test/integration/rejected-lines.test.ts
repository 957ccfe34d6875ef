import { expect, test } from 'vitest';
import { FaultRig } from '../support/fault-rig.ts';
import { postLogs } from '../support/platform-client.ts';
import { frame } from '../support/records.ts';
import { eventually } from '../support/spillway-process.ts';

async function noticesOf(rig: FaultRig, code: string): Promise<number[]> {
  const lines = (await rig.tail()).filter((line) => line.includes(`Error ${code} `));
  return lines.map((line) => Number(/: (\d+) messages/.exec(line)?.[1]));
}

/** A message that is framed well and is none. */
const malformed = '10 <999>1 no\n';

test(
  'kill -9 right after the 204 of requests with rejected lines, and with lines dropped whole for their rate: the next start announces exactly their numbers, once',
  { timeout: 60_000 },
  async () => {
    await using rig = await FaultRig.make({
      env: { SPILLWAY_APP_RATE_MESSAGES: '1', SPILLWAY_APP_RATE_BYTES: '0' },
    });
    await rig.begin({ withoutDrain: true });
    let rejected = 0;
    for (let round = 1; round <= 3; round++) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () =>
          postLogs(rig.publicUrl, rig.token, frame('good') + malformed.repeat(round)),
        ),
      );
      for (const answer of answers) {
        expect(answer.status).toBe(204);
        rejected += Number(answer.headers.get('spillway-rejected'));
      }
      await rig.restart('SIGKILL');
    }
    expect(rejected).toBe(60);
    const told = async (code: string): Promise<number> =>
      (await noticesOf(rig, code)).reduce((a, b) => a + b, 0);
    // The burst is two million messages: this uses it up.
    const lines = 80_000;
    const body = frame('x').repeat(lines);
    let dropped = 0;
    for (let request = 0; request < 30 && dropped <= lines; request++) {
      const answer = await postLogs(rig.publicUrl, rig.token, body);
      expect(answer.status).toBe(204);
      dropped += Number(answer.headers.get('spillway-rejected') ?? 0);
    }
    expect(dropped).toBeGreaterThan(lines);
    await rig.restart('SIGKILL');
    await eventually('L16', async () => (await told('L16')) >= dropped);
    await eventually('L17', async () => (await told('L17')) >= rejected);
    await rig.restart('SIGKILL');
    expect(await noticesOf(rig, 'L16')).toEqual([dropped]);
    expect(await told('L17')).toBe(rejected);
  },
);
